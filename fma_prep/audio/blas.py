"""Which of its kernels OpenBLAS runs: the codes of two machines are the same only if this is."""

import ctypes
from pathlib import Path

import numpy as np

__all__ = ["kernel_in_use"]


def kernel_in_use() -> str:
    """Return the name of the OpenBLAS kernel that numpy has loaded, or "" where numpy has another BLAS.

    `fma_prep` asks for the same kernel on every CPU, but only a numpy that is loaded later listens. Where a program
    loads numpy first, as Spark's Python workers do, OPENBLAS_CORETYPE must be in the process's environment.
    """
    libraries = Path(np.__file__).parent.with_name("numpy.libs").glob("libscipy_openblas*")
    for path in libraries:
        library = ctypes.CDLL(str(path))  # it is loaded: this only finds it
        for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename"):
            if function := getattr(library, name, None):
                function.restype = ctypes.c_char_p
                return str(function().decode())
    return ""
