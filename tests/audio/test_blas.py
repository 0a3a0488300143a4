"""The same codes whatever BLAS kernel a machine would choose by itself."""

import os
import subprocess
import sys

import pytest

from fma_prep.audio import blas
from fma_prep.audio.blas import kernel_in_use, one_thread

PROGRAM = """
import hashlib, sys
if {pinned}:
    import fma_prep
import numpy as np
x = np.random.default_rng(0).uniform(-1, 1, (297, 441)).astype(np.float32)
print(hashlib.sha256(x @ x[:80].T).hexdigest())
if {pinned}:
    from fma_prep.audio import mulaw, resample
    print(hashlib.sha256(mulaw.encode(resample.resample(x.ravel(), 44100, 8000))).hexdigest())
"""


def run(kernel, pinned, threads=1):
    """Return what the program prints on a machine whose OpenBLAS would choose `kernel` and so many threads."""
    settings = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": str(threads)}
    environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = [sys.executable, "-c", PROGRAM.format(pinned=pinned)]
    return subprocess.run(program, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.slow
def test_two_machines_with_different_kernels_give_the_same_codes():
    kernels = ("Haswell", "Sandybridge")
    if run(kernels[0], pinned=False) == run(kernels[1], pinned=False):
        pytest.skip("this BLAS has one kernel only")
    assert run(kernels[0], pinned=True) == run(kernels[1], pinned=True)


def test_the_kernel_asked_for_is_the_one_in_use():
    if not kernel_in_use() or "OPENBLAS_CORETYPE" not in os.environ:
        pytest.skip("this numpy has another BLAS, or this CPU none of the usual kernels")
    assert kernel_in_use().casefold() == os.environ["OPENBLAS_CORETYPE"].casefold()


def test_the_number_of_threads_changes_no_code():
    assert run("Haswell", True, threads=1).split()[1] == run("Haswell", True, threads=2).split()[1]


def test_one_thread_is_for_a_while():
    if not kernel_in_use():
        pytest.skip("this numpy has another BLAS")
    threads = blas._functions()["get_num_threads"]
    before = threads()
    with one_thread():
        assert threads() == 1
    assert threads() == before
