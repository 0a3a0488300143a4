"""Results of a benchmark as they would be, with times that a person can check in the head."""

from fma_prep.benchmark.run import FORMAT


def run(contender, workers, repetition, kind, wall_s, **more):
    return {
        "contender": contender,
        "workers": workers,
        "repetition": repetition,
        "kind": kind,
        "wall_s": wall_s,
        "cpu_s": wall_s * 0.9,
        "peak_bytes": 500_000_000,
        "others_cpu_s": 0.0,
        "output_bytes": 1_000_000,
        "stages": {},
        "driver_stages": {},
        **more,
    }


def results(**changes):
    """Two contenders, one and two workers, three repetitions: ours takes 12, 10 and 11 s, the other ten times it."""
    runs = []
    stages = {"stages": {"decode": 5.0, "resample": 1.0}, "driver_stages": {"list": 0.1, "commit": 0.2}}
    for repetition, ours_s in enumerate((12.0, 10.0, 11.0)):
        for workers, faster in (("1", 1.0), ("2", 0.6)):
            runs += [
                run("fma_prep", workers, repetition, "start", 2.0),
                run("fma_prep", workers, repetition, "whole", ours_s * faster, **stages),
                run("original", workers, repetition, "start", 2.0),
                run("original", workers, repetition, "whole", 10 * ours_s * faster),
            ]
    tracks = [{"track": str(i), "audio_s": 60.0 * i, "wall_s": 0.01 + 0.12 * i, "cpu_s": 0.12 * i} for i in range(1, 9)]
    return {
        "format": FORMAT,
        "smoke": False,
        "version": "0.1.0",
        "commit": "abc",
        "machine": {"processor": "a", "cores": 2, "memory_bytes": 2**33, "system": "Linux x86_64", "python": "3.11"},
        "corpus": {"tracks": 60, "audio_s": 14_400.0, "size_bytes": 10**8, "lengths_s": []},
        "repetitions": 3,
        "titles": {"fma_prep": "fma_prep", "original": "the original"},
        "skipped": {"torchaudio": ["torchaudio"]},
        "runs": runs,
        "codes": {
            "original": {
                "tracks": 60,
                "missing": 0,
                "codes": 10,
                "identical": 0.995,
                "within_one": 1.0,
                "largest": 1,
                "length": 0,
            }
        },
        "alone": {"digitize": {"tracks": tracks, "peak_bytes": 1}, "copy_bytes_per_s": 1e10},
        **changes,
    }
