"""Fuzz the native core, guided by coverage: ``python -m fma_prep.audio.subband_core.fuzz CORPUS --seconds 300``.

Inputs that reach a branch for the first time (or far more often than before) join the corpus in memory, and with
``--keep`` on disk. A child process decodes; it dies of any read outside, overflow, broken promise or hang, and the
input that killed it is saved. A few hundred bytes must not take more than milliseconds.
"""

import argparse
import ctypes
import hashlib
import mmap
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fma_prep.audio.subband_core.build import build_fuzzer

LARGEST = 1 << 13
SECONDS_A_BYTE, SECONDS_A_CALL = 20e-6, 20e-3  # of CPU time, with all counters: some fifty times the usual
HUNG_S = 20
_HEAD = 16  # of the shared page: how many runs until now, and the size of the input being run


class _Coverage:
    """The branches ever taken, by order of magnitude of how often."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.fuzz_counters.restype = ctypes.c_void_p
        library.fuzz_counters_count.restype = ctypes.c_size_t
        count = library.fuzz_counters_count()
        counters = (ctypes.c_uint8 * count).from_address(library.fuzz_counters())
        self._counters = np.frombuffer(counters, np.uint8)
        self._seen = np.zeros(count, np.uint8)
        magnitudes = [0, 1, 2, 4, 4, *[8] * 4, *[16] * 8, *[32] * 16, *[64] * 96, *[128] * 128]
        self._magnitude = np.array(magnitudes[:256], np.uint8)

    def reset(self) -> None:
        self._counters[:] = 0

    def grew(self) -> bool:
        reached = self._magnitude[self._counters]
        if not np.any(reached & ~self._seen):
            return False
        self._seen |= reached
        return True

    @property
    def edges(self) -> int:
        return int(np.count_nonzero(self._seen))


def _mutate(rng: random.Random, corpus: list[bytes]) -> bytes:
    """Return one of `corpus`, changed in one to eight ways."""
    data = bytearray(rng.choice(corpus))
    for _ in range(1 << rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        span = min(1 + int(rng.expovariate(0.05)), len(data) - at)
        match rng.randrange(7):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                data[at : at + span] = rng.randbytes(span)
            case 3:
                del data[at : at + span]
            case 4:
                data[at:at] = data[at : at + span]
            case 5:  # in the header or side information of a frame
                sync = data.find(b"\xff", at)
                if 0 <= sync < len(data) - 40:
                    data[sync + rng.randrange(1, 40)] ^= 1 << rng.randrange(8)
            case 6:
                other = rng.choice(corpus)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
    return bytes(data[:LARGEST])


class _Plan(NamedTuple):
    """What the child is to do."""

    library: Path
    seeds: list[bytes]
    seconds: float
    seed: int
    keep: Path | None


def _run(plan: _Plan, page: mmap.mmap) -> None:
    """Decode mutations until the time is over; what is being decoded is always in `page`."""
    library = ctypes.CDLL(str(plan.library))
    library.fuzz_one.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.fuzz_one.restype = None
    coverage = _Coverage(library)
    rng = random.Random(plan.seed)  # noqa: S311
    corpus: list[bytes] = []
    pending = list(plan.seeds)
    runs, end, told = 0, time.monotonic() + plan.seconds, time.monotonic()
    while pending or time.monotonic() < end:
        data = pending.pop() if pending else _mutate(rng, corpus)
        runs += 1
        page[: _HEAD + len(data)] = runs.to_bytes(8, "little") + len(data).to_bytes(8, "little") + data
        coverage.reset()
        began = time.thread_time()
        library.fuzz_one(data, len(data))
        if time.thread_time() - began > SECONDS_A_CALL + SECONDS_A_BYTE * len(data):
            raise TimeoutError(f"{len(data)} bytes took {time.thread_time() - began:.3f} s")
        if coverage.grew() and data:
            corpus.append(data)
            if plan.keep is not None:
                (plan.keep / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        if time.monotonic() > told + 10:
            told = time.monotonic()
            print(f"{runs} runs, {coverage.edges} branches, {len(corpus)} inputs", flush=True)
    print(f"{runs} runs, {coverage.edges} branches, {len(corpus)} inputs: nothing found", flush=True)


def fuzz(corpus: Path, seconds: float, seed: int, keep: Path | None, findings: Path) -> bool:
    """Return whether `seconds` of fuzzing from the inputs in the folder `corpus` found nothing."""
    seeds = [path.read_bytes() for path in sorted(corpus.iterdir())]
    with tempfile.TemporaryDirectory() as scratch, mmap.mmap(-1, _HEAD + LARGEST) as page:
        library = Path(scratch) / "fuzz.so"
        build_fuzzer(library)
        plan = _Plan(library, seeds, seconds, seed, keep)
        child = multiprocessing.get_context("fork").Process(target=_run, args=(plan, page))
        child.start()
        before = b""
        while child.is_alive():
            child.join(HUNG_S)
            if child.is_alive() and page[:8] == before:
                child.kill()
            before = page[:8]
        child.join()
        if child.exitcode == 0:
            return True
        data = page[_HEAD : _HEAD + int.from_bytes(page[8:_HEAD], "little")]
    found = findings / f"found-{hashlib.sha256(data).hexdigest()[:16]}"
    found.write_bytes(data)
    print(f"{found}: the core ends with status {child.exitcode}", file=sys.stderr)
    return False


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fma_prep.audio.subband_core.fuzz", description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder of inputs to begin with")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that reach something new")
    parser.add_argument("--findings", type=Path, default=Path(), help="folder for the input that breaks it")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    good = fuzz(options.corpus, options.seconds, options.seed, options.keep, options.findings)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(_main())
