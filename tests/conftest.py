"""For all tests: the environment that a worker has."""

import os

import fma_prep  # noqa: F401  # chooses the BLAS kernel before numpy is loaded

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
