"""One track after another in one process, without Spark: the cost per core, and the bounds it is held against.

``python -m fma_prep.benchmark.alone WHAT FOLDER RESULT``; the first track is done once before the clock starts.
"""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from fma_prep.audio.decode import decode
from fma_prep.audio.digitize import digitize
from fma_prep.audio.original import original
from fma_prep.audio.recipe import Recipe

__all__ = ["WHATS", "copy_bytes_per_s", "measure_tracks"]

Stages = dict[str, float]


def _digitize(track: Path) -> Stages:
    with track.open("rb") as stream:
        return digitize(stream, Recipe()).seconds


def _subband(track: Path) -> Stages:
    with track.open("rb") as stream:
        return digitize(stream, Recipe(decoder="subband")).seconds


def _original(track: Path) -> Stages:
    with track.open("rb") as stream:
        original(stream)
    return {}


def _decode(track: Path) -> Stages:
    with track.open("rb") as stream:
        for _ in decode(stream):
            pass
    return {}


def _read(track: Path) -> Stages:
    hashlib.sha256(track.read_bytes()).digest()
    return {}


WHATS: dict[str, Callable[[Path], Stages]] = {
    "digitize": _digitize,
    "subband": _subband,
    "original": _original,
    "decode": _decode,
    "read": _read,
}


def measure_tracks(what: str, tracks: Iterable[Path]) -> list[dict[str, object]]:
    """Return what each track cost: its path, wall and processor seconds, and seconds by stage.

    Parameters
    ----------
    what : {"digitize", "subband", "original", "decode", "read"}
    tracks : paths of audio files
    """
    work, tracks = WHATS[what], list(tracks)
    work(tracks[0])
    costs: list[dict[str, object]] = []
    for track in tracks:
        wall, cpu = time.perf_counter(), _cpu_s()
        stages = work(track)
        costs.append(
            {
                "track": str(track),
                "wall_s": time.perf_counter() - wall,
                "cpu_s": _cpu_s() - cpu,
                "stages": stages,
            }
        )
    return costs


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # that it waited for
    return time.process_time() + children.ru_utime + children.ru_stime


def copy_bytes_per_s() -> float:
    """Return how fast this machine copies memory, on one core: the best of five copies of 256 MB."""
    source = np.ones(256_000_000, np.uint8)
    target = np.zeros_like(source)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return len(source) / best


if __name__ == "__main__":
    _what, _folder, _result = sys.argv[1:]
    _files = sorted(path for path in Path(_folder).rglob("*.*") if path.is_file() and not path.name.startswith("_"))
    _costs = measure_tracks(_what, _files)
    Path(_result).write_text(json.dumps({"tracks": _costs, "copy_bytes_per_s": copy_bytes_per_s()}))
