"""One benchmark: contenders interleaved on the same files, their codes compared, everything kept as plain figures."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fma_prep
from fma_prep.benchmark import corpus as corpora
from fma_prep.benchmark.contenders import CONTENDERS, OURS, ROOT, available, digitize, environment
from fma_prep.benchmark.corpus import Corpus
from fma_prep.benchmark.measure import Measured, run_measured
from fma_prep.dataset.manifest import SUMMARY
from fma_prep.progress import progress

__all__ = ["FORMAT", "Settings", "benchmark"]

FORMAT = "fma_prep benchmark/2"
_ALONE_S = {"digitize": 1800.0, "subband": 1800.0, "decode": 1800.0, "read": 1800.0, "original": 300.0}
_LIBRARIES = ("av", "librosa", "numpy", "pydub", "pyspark", "resampy", "scipy", "soundfile", "soxr", "torchaudio")


@dataclass(frozen=True)
class Settings:
    """What is to be measured.

    Attributes
    ----------
    corpus : Corpus
    cache : Path
        For the short tracks that show the start-up time.
    work : Path
        For outputs, which are removed.
    contenders : tuple of str
        Names in `CONTENDERS`; those that lack something are skipped, and the results say so.
    workers : tuple of str
        Numbers of workers.
    master : str or None
        A Spark master to measure besides.
    repetitions : int
    smoke : bool
        Marks results that are too short to be published.
    """

    corpus: Corpus
    cache: Path
    work: Path
    contenders: tuple[str, ...] = tuple(CONTENDERS)
    workers: tuple[str, ...] = ("1", "2")
    master: str | None = None
    repetitions: int = 3
    smoke: bool = False
    runs: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        runs = [(name, workers) for name in self.contenders if available(name) for workers in self.workers]
        if self.master:
            runs += [(n, self.master) for n in self.contenders if available(n) and CONTENDERS[n].on_spark]
        object.__setattr__(self, "runs", runs)


def benchmark(settings: Settings) -> dict[str, Any]:
    """Measure, and return the results as they are written to JSON."""
    settings.work.mkdir(parents=True, exist_ok=True)
    started = time.time()
    runs, outputs = _timed_runs(settings)
    results = {
        "format": FORMAT,
        "smoke": settings.smoke,
        "started": started,
        "version": fma_prep.__version__,
        "commit": _commit(),
        "machine": machine(),
        "corpus": {
            "tracks": len(settings.corpus.seconds),
            "audio_s": settings.corpus.audio_s,
            "size_bytes": settings.corpus.size_bytes,
            "lengths_s": sorted(settings.corpus.seconds.values()),
        },
        "repetitions": settings.repetitions,
        "titles": {name: CONTENDERS[name].title for name in settings.contenders},
        "skipped": {name: CONTENDERS[name].lacks() for name in settings.contenders if not available(name)},
        "runs": runs,
        "codes": _compared(settings, outputs),
        "alone": _alone(settings),
        "took_s": time.time() - started,
    }
    shutil.rmtree(settings.work)
    return results


def _timed_runs(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """Run every contender, start-up apart, in an order that rotates; keep one output of each."""
    most = max((int(w) for w in settings.workers), default=1)
    short = [corpora.Track(f"000/{i:06d}.mp3", 1.0, seed=i) for i in range(most)]
    starters = corpora.make(settings.cache, short, 1)
    for name in dict.fromkeys(name for name, _ in settings.runs):  # numba compiles, files reach the page cache
        _one(settings, name, settings.workers[-1], starters)
    records, kept = [], {}
    starts = 1 if settings.smoke else settings.repetitions
    total = (starts + settings.repetitions) * len(settings.runs)
    bar = progress("measuring", total=total, unit="runs")
    for repetition in range(settings.repetitions):
        at = repetition * len(settings.runs) // settings.repetitions  # nobody is always first
        for name, workers in settings.runs[at:] + settings.runs[:at]:
            for kind, corpus in (("start", starters), ("whole", settings.corpus)):
                if kind == "start" and repetition and settings.smoke:
                    continue  # once is enough there
                bar.set_postfix_str(f"{name} x {workers}, {kind}")
                output, cost = _one(settings, name, workers, corpus)
                record = {"contender": name, "workers": workers, "repetition": repetition, "kind": kind}
                record |= asdict(cost) | {"output_bytes": _size_bytes(output)}
                record |= {"stages": _stages(output), "driver_stages": _driver_stages(output)}
                records.append(record)
                if kind == "whole" and name not in kept:
                    kept[name] = output.rename(output.with_name(f"{name}-kept"))
                bar.update()
    bar.close()
    return records, kept


def _one(settings: Settings, name: str, workers: str, corpus: Corpus) -> tuple[Path, Measured]:
    output = settings.work / name
    shutil.rmtree(output, ignore_errors=True)
    command = CONTENDERS[name].command(corpus.folder, output, workers)
    log = settings.work / f"{name}.log"
    return output, run_measured(command, result=settings.work / "cost.json", env=environment(), log=log)


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".crc"))


def _stages(dataset: Path) -> dict[str, float]:
    """Return the seconds that all tasks together spent by stage, from the commit records of a dataset."""
    total: dict[str, float] = {}
    for path in dataset.glob("_commits/*.json"):
        for stage, seconds in json.loads(path.read_text())["seconds"].items():
            total[stage] = total.get(stage, 0.0) + seconds
    return total


def _driver_stages(dataset: Path) -> dict[str, float]:
    """Return the seconds by stage for which the driver let all workers wait."""
    summary = dataset / SUMMARY
    return dict(json.loads(summary.read_text())["driver_seconds"]) if summary.exists() else {}


def _compared(settings: Settings, outputs: dict[str, Path]) -> dict[str, dict[str, float]]:
    """Return how far each contender's codes are the same as ours in its dialect, on all tracks."""
    found = {}
    for quantizer in ("nearest", "floor"):
        reference = settings.work / f"reference-{quantizer}"
        command = digitize(settings.corpus.folder, reference, settings.workers[-1], "--quantizer", quantizer)
        run_measured(command, result=settings.work / "cost.json", env=environment(), log=settings.work / "log")
        ours = dict(CONTENDERS[OURS].codes(reference))
        for name, output in outputs.items():
            if CONTENDERS[name].quantizer == quantizer:
                found[name] = agreement(ours, CONTENDERS[name].codes(output))
    return found


def agreement(ours: dict[str, NDArray[np.uint8]], theirs: Iterator[tuple[str, NDArray[np.uint8]]]) -> dict[str, float]:
    """Compare codes track by track over their common length.

    Returns
    -------
    dict
        ``tracks`` compared, ``missing`` ones, ``codes`` compared, shares ``identical`` and ``within_one`` level,
        ``largest`` difference, and ``length`` as the largest difference of two lengths.
    """
    total = {"tracks": 0, "codes": 0, "identical": 0.0, "within_one": 0.0, "largest": 0, "length": 0}
    for track, codes in theirs:
        mine = ours[track]
        n = min(len(mine), len(codes))
        apart = np.abs(mine[:n].astype(np.int16) - codes[:n])
        total["tracks"] += 1
        total["codes"] += n
        total["identical"] += int(np.count_nonzero(apart == 0))
        total["within_one"] += int(np.count_nonzero(apart <= 1))
        total["largest"] = max(total["largest"], int(apart.max(initial=0)))
        total["length"] = max(total["length"], abs(len(mine) - len(codes)))
    for share in ("identical", "within_one"):
        total[share] /= max(1, total["codes"])
    return {**total, "missing": len(ours) - total["tracks"]}


def _alone(settings: Settings) -> dict[str, Any]:
    """Return what tracks cost in one process without Spark, and the machine's bounds."""
    answers: dict[str, Any] = {}
    for what, limit_s in _ALONE_S.items():
        if what == "subband" and not available("subband"):
            continue
        names, total_s = [], 0.0
        for name, seconds in settings.corpus.seconds.items():
            if total_s < limit_s:
                names.append(name)
                total_s += seconds
        folder = settings.work / f"alone-{what}"
        corpora.subset(settings.corpus, names, folder)
        result = settings.work / "alone.json"
        command = [sys.executable, "-m", "fma_prep.benchmark.alone", what, str(folder), str(result)]
        cost = run_measured(command, result=settings.work / "cost.json", env=environment(), log=settings.work / "log")
        answer = json.loads(result.read_text())
        for track in answer["tracks"]:
            track["track"] = Path(track["track"]).relative_to(folder).as_posix()
            track["audio_s"] = settings.corpus.seconds[track["track"]]
            track["size_bytes"] = (folder / track["track"]).stat().st_size
        answers[what] = {"tracks": answer["tracks"], "peak_bytes": cost.peak_bytes}
        answers["copy_bytes_per_s"] = answer["copy_bytes_per_s"]
    return answers


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": libraries,
        "load_at_start": os.getloadavg()[0],
    }


def _commit() -> str | None:
    git = ["git", "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
