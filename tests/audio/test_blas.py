"""The same codes whatever BLAS kernel a machine would choose by itself."""

import os
import subprocess
import sys

import pytest

from fma_prep.audio.blas import kernel_in_use

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


def run(kernel, pinned):
    """Return what the program prints on a machine whose OpenBLAS would choose `kernel`."""
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = [sys.executable, "-c", PROGRAM.format(pinned=pinned)]
    return subprocess.run(program, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def test_two_machines_with_different_kernels_give_the_same_codes():
    kernels = ("Haswell", "Sandybridge")
    if run(kernels[0], pinned=False) == run(kernels[1], pinned=False):
        pytest.skip("this BLAS has one kernel only")
    assert run(kernels[0], pinned=True) == run(kernels[1], pinned=True)


def test_the_kernel_asked_for_is_the_one_in_use():
    if not kernel_in_use() or "OPENBLAS_CORETYPE" not in os.environ:
        pytest.skip("this numpy has another BLAS, or this CPU none of the usual kernels")
    assert kernel_in_use().casefold() == os.environ["OPENBLAS_CORETYPE"].casefold()
