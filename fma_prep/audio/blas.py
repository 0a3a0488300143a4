"""What the codes ask of BLAS: the same kernel on every machine, and one thread.

Another kernel sums in another order, and so may a product that is shared among threads, which for matrices as small as
ours is slower besides.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["kernel_in_use", "one_thread"]


@lru_cache(maxsize=1)
def _functions() -> dict[str, Any]:
    """Return the functions of the OpenBLAS that numpy has loaded; none where it has another BLAS."""
    for path in Path(np.__file__).parent.with_name("numpy.libs").glob("libscipy_openblas*"):
        library = ctypes.CDLL(str(path))  # it is loaded: this only finds it
        for suffix in ("64_", ""):
            names = ("get_corename", "get_num_threads", "set_num_threads")
            found = {name: getattr(library, f"scipy_openblas_{name}{suffix}", None) for name in names}
            if all(found.values()):
                found["get_corename"].restype = ctypes.c_char_p  # type: ignore[union-attr]
                return found
    return {}


def kernel_in_use() -> str:
    """Return the name of the OpenBLAS kernel that numpy has loaded, or "" where numpy has another BLAS.

    `fma_prep` asks for the same kernel on every CPU, but only a numpy that is loaded later listens. Where a program
    loads numpy first, as Spark's Python workers do, OPENBLAS_CORETYPE must be in the process's environment.
    """
    functions = _functions()
    return str(functions["get_corename"]().decode()) if functions else ""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS use one thread meanwhile, whatever the environment or the program around this package says."""
    functions = _functions()
    before = functions["get_num_threads"]() if functions else 1
    if before == 1:
        yield
        return
    functions["set_num_threads"](1)
    try:
        yield
    finally:
        functions["set_num_threads"](before)
