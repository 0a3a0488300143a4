"""The native core of the subband decoder, through ctypes: it holds no Python object, so the GIL is released meanwhile.

`build` compiles it. The library lies beside this file, one for each CPU architecture.
"""

import ctypes
import platform
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fma_prep.errors import SetupError

__all__ = ["ABI", "Report", "Stream", "library_path", "load"]

ABI = 1
SLOTS = 18  # of a granule; a frame has one or two

_NEEDED_FLAGS = {"x86_64": {"avx2", "bmi2", "fma", "movbe"}}  # x86_64_v3: any CPU since 2013 (Intel) or 2015 (AMD)
_ALIGNMENT = 64
_REMEDY = "Run `python -m fma_prep.audio.subband_core.build`, or take --decoder av"


def library_path(arch: str | None = None) -> Path:
    """Return where the library for an architecture (``"x86_64"``, ``"aarch64"``) lies; by default, this machine's."""
    return Path(__file__).with_name(f"layer3-{arch or platform.machine()}.so")


class Report(ctypes.Structure):
    """What a stream was found to hold until now: `Report` in ``src/stream.zig``, field by field."""

    _fields_ = (
        ("status", ctypes.c_uint32),
        ("rate_hz", ctypes.c_uint32),
        ("channels", ctypes.c_uint32),
        ("bit_rate_min", ctypes.c_uint32),
        ("bit_rate_max", ctypes.c_uint32),
        ("slots_per_frame", ctypes.c_uint32),
        ("tag_frames", ctypes.c_uint64),
        ("frames", ctypes.c_uint64),
        ("silenced_frames", ctypes.c_uint64),
        ("lost_frames", ctypes.c_uint64),
        ("junk_bytes", ctypes.c_uint64),
        ("bad_checksums", ctypes.c_uint64),
        ("sound_bytes", ctypes.c_uint64),
        ("consumed", ctypes.c_uint64),
        ("produced", ctypes.c_uint64),
    )
    CHANGED = 1  # a status: another rate or number of channels from here on


def _cpu_flags() -> set[str]:
    """Return what this machine's CPU can do, or nothing if the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


@cache
def load() -> ctypes.CDLL:
    """Return the library.

    Raises
    ------
    SetupError
        If it is not there, not for this machine, or not of this version.
    """
    path = library_path()
    flags, needed = _cpu_flags(), _NEEDED_FLAGS.get(platform.machine(), set())
    if flags and not needed <= flags:
        raise SetupError("this CPU is too old for the subband decoder", ", ".join(sorted(needed - flags)), _REMEDY)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as e:
        problem = "cannot be loaded" if path.exists() else "was not built"
        raise SetupError(f"the native core of the subband decoder {problem}", path.name, _REMEDY) from e
    library.layer3_state_bytes.restype = ctypes.c_size_t
    if library.layer3_abi() != ABI:
        raise SetupError("the native core of the subband decoder is of another version", path.name, _REMEDY)
    library.layer3_begin.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_float]
    library.layer3_begin.restype = None
    library.layer3_decode.argtypes = [
        *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_bool),
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(Report)),
    ]
    library.layer3_decode.restype = None
    return library


class Stream:
    """One stream being decoded to samples of its lower subbands.

    Parameters
    ----------
    channel : {0, 1, 2}
        Left, right, or the mean of both.
    subbands : int, 1 to 32
        How many, from the lowest.
    ceiling : float
        Granules with a sample beyond it are corrupt: silenced and counted.

    Attributes
    ----------
    report : Report
    """

    def __init__(self, channel: int, subbands: int, ceiling: float) -> None:
        self._library = load()
        self._subbands = subbands
        self._memory = np.zeros(self._library.layer3_state_bytes() + _ALIGNMENT, np.uint8)
        start = self._memory.ctypes.data
        self._state = start + -start % _ALIGNMENT
        self._library.layer3_begin(self._state, channel, subbands, ceiling)
        self.report = Report()

    def decode(self, data: NDArray[np.uint8], final: bool, out: NDArray[np.float32]) -> tuple[int, int]:
        """Decode `data` into `out`; return how many bytes were consumed and how many slots written.

        Parameters
        ----------
        data : uint8 [n]
            What was not consumed comes again, with more behind it.
        final : bool
            Whether nothing comes behind `data`.
        out : float32 [slots, subbands], C-contiguous, slots >= 2 * SLOTS
        """
        if not (data.flags.c_contiguous and out.flags.c_contiguous and out.shape[1:] == (self._subbands,)):
            raise ValueError(f"arrays of shapes {data.shape} and {out.shape} are not what the core takes")
        self._library.layer3_decode(
            self._state, data.ctypes.data, len(data), final, out.ctypes.data, len(out), ctypes.byref(self.report)
        )
        return self.report.consumed, self.report.produced
