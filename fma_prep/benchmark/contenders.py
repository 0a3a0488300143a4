"""Who runs in a benchmark: how each is started, and how its codes are read back to be compared."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.digitize import require
from fma_prep.audio.recipe import Quantizer, Recipe
from fma_prep.benchmark.alternatives import ALTERNATIVES, SUFFIX, missing
from fma_prep.benchmark.measure import run_measured
from fma_prep.dataset.storage import open_store
from fma_prep.errors import SetupError
from fma_prep.report.codes import codes_of
from fma_prep.report.collect import collect

__all__ = ["CONTENDERS", "ORIGINAL", "OURS", "ROOT", "Contender", "available", "digitize", "environment"]

ROOT = Path(__file__).resolve().parents[2]
OURS, ORIGINAL = "fma_prep", "original"

Codes = Iterator[tuple[str, NDArray[np.uint8]]]


@dataclass(frozen=True)
class Contender:
    """One way of turning a folder of tracks into codes.

    Attributes
    ----------
    title : str
        What a reader of the table should call it.
    command : callable
        ``command(input, output, workers)`` is what to run; `workers` is a number or, for Spark, a master.
    codes : callable
        ``codes(output)`` yields each track's name and its codes.
    lacks : callable
        ``lacks()`` names what it needs and this machine has not.
    on_spark : bool
        Whether it takes a master.
    quantizer : {"nearest", "floor"}
        The dialect of mu-law that its codes are in.
    """

    title: str
    command: Callable[[Path, Path, str], list[str]]
    codes: Callable[[Path], Codes]
    lacks: Callable[[], list[str]]
    on_spark: bool = False
    quantizer: Quantizer = "nearest"


def master(workers: str) -> str:
    """Return the Spark master for a number of workers; what is no number is a master already."""
    return f"local[{workers}]" if workers.isdigit() else workers


def digitize(source: Path, output: Path, workers: str, *options: str) -> list[str]:
    """Return the command that runs this pipeline."""
    # on a cluster, whose nodes must see the same files, a path has to say so
    here = [str(path) if workers.isdigit() else f"file://{path.resolve()}" for path in (source, output)]
    job = [sys.executable, str(ROOT / "jobs/digitize.py"), *here]
    return [*job, "--master", master(workers), *options]


def _subband(source: Path, output: Path, workers: str) -> list[str]:
    return digitize(source, output, workers, "--decoder", "subband")


def _original(source: Path, output: Path, workers: str) -> list[str]:
    job = [sys.executable, str(ROOT / "jobs/original.py"), str(source), str(output)]
    return [*job, "--master", master(workers)]


def _alternative(name: str, source: Path, output: Path, workers: str) -> list[str]:
    return [sys.executable, "-m", "fma_prep.benchmark.alternatives", name, str(source), str(output), workers]


def _dataset_codes(output: Path) -> Codes:
    store = open_store(str(output))
    for place in collect(store).places:
        yield place.track, codes_of(store, place)


def _original_codes(output: Path) -> Codes:
    files = output.with_name(f"{output.name}-codes")
    job = [sys.executable, str(ROOT / "jobs/original.py"), "--extract", str(output), str(files)]
    run_measured(job, result=files.with_suffix(".json"), env=environment(), log=files.with_suffix(".log"))
    yield from _files_of_codes(files)


def _files_of_codes(output: Path) -> Codes:
    for path in sorted(output.rglob(f"*{SUFFIX}")):
        yield path.relative_to(output).as_posix().removesuffix(SUFFIX), np.fromfile(path, np.uint8)


def _no_subband() -> list[str]:
    try:
        require(Recipe(decoder="subband"))
    except SetupError as e:
        return [str(e)]
    return []


CONTENDERS: Mapping[str, Contender] = {
    OURS: Contender("fma_prep", digitize, _dataset_codes, list, on_spark=True),
    "subband": Contender("fma_prep --decoder subband", _subband, _dataset_codes, _no_subband, on_spark=True),
    ORIGINAL: Contender(
        "the original pipeline on Spark", _original, _original_codes, list, on_spark=True, quantizer="floor"
    ),
    **{
        name: Contender(title, partial(_alternative, name), _files_of_codes, partial(missing, name), False, quantizer)
        for name, (title, _, _, quantizer) in ALTERNATIVES.items()
    },
}


def available(name: str) -> bool:
    """Return whether contender `name` can run on this machine."""
    return not CONTENDERS[name].lacks()


def environment() -> dict[str, str]:
    """Return the environment that all run in: this one, this checkout first, one thread a worker, this Python."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    spark = {  # for the workers of a cluster; local ones have them from here
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--conf {shlex.quote(f'spark.executorEnv.PYTHONPATH={path}')} pyspark-shell",
    }
    return {**os.environ, **one, **spark, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
