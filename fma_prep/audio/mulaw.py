"""Mu-law companding to 256 levels and back, in both dialects.

``f(x) = sgn(x) ln(1 + mu |x|) / ln(1 + mu)`` squeezes [-1, 1] so that soft sounds get most levels (the curve behind
ITU-T G.711, as in van den Oord et al., "WaveNet", 2016). `nearest` takes the nearest of 256 levels spread evenly over
[-1, 1]; `floor` numbers 255 bins and the point 1, as ``numpy.digitize(f, linspace(-1, 1, 256)) - 1`` does.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.recipe import Quantizer

__all__ = ["N_LEVELS", "decode", "encode", "levels", "zero_code"]

N_LEVELS = 256

Floats = NDArray[np.float32] | NDArray[np.float64]

_CELL_BITS = 16  # sign, exponent and 7 bits of mantissa: cells so fine that none holds two thresholds, whatever mu
_CELLS = 1 << _CELL_BITS


def encode(x: Floats, mu: float = 255, quantizer: Quantizer = "nearest", full_scale: float = 1.0) -> NDArray[np.uint8]:
    """Return the code of each sample of ``x / full_scale``.

    The codes are those of the formula in float64, for every float32 there is; float32 only gets them by table, some
    twenty times as fast.

    Parameters
    ----------
    x : float32 or float64 [n]
        Samples; those beyond ±`full_scale` get the outermost code.
    mu : float > 0
    quantizer : {"nearest", "floor"}
    full_scale : float > 0
        What counts as 1, such as the peak of the track.

    Returns
    -------
    uint8 [n]

    Raises
    ------
    ValueError
        If a sample is not finite, or `mu` or `full_scale` not a number above 0.
    """
    if not (mu > 0 and full_scale > 0 and np.isfinite(mu) and np.isfinite(full_scale)):
        raise ValueError(f"mu={mu} and full_scale={full_scale} must be numbers above 0")
    if not np.isfinite(x).all():
        raise ValueError("there is no code for a sample that is not finite")
    if x.dtype != np.float32:
        return _by_formula(x.astype(np.float64), mu, quantizer, full_scale)
    bases, thresholds = _tables(mu, quantizer, full_scale)
    codes = bases.take(np.ascontiguousarray(x).view(np.uint32) >> (32 - _CELL_BITS))
    codes += x >= thresholds.take(codes)
    return codes


def _by_formula(x: NDArray[np.float64], mu: float, quantizer: Quantizer, full_scale: float) -> NDArray[np.uint8]:
    x = np.clip(x / full_scale, -1, 1)
    f = np.sign(x) * (np.log1p(mu * np.abs(x)) / np.log1p(mu))
    codes: NDArray[np.uint8] = np.floor((f + 1) / 2 * 255 + (0.5 if quantizer == "nearest" else 0)).astype(np.uint8)
    return codes


@lru_cache(maxsize=8)
def _tables(mu: float, quantizer: Quantizer, full_scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return how `encode` looks codes up.

    Returns
    -------
    bases : uint8 [65536]
        For each cell of floats, which share their upper 16 bits, the code of the least of them.
    thresholds : float32 [256]
        For each code, the least float of the next code (infinity for the last).
    """
    exact = _thresholds(mu, quantizer)
    near = _float32_at(_place((exact * full_scale).astype(np.float32))[:, None] + np.arange(-2, 3))
    reached = near.astype(np.float64) / full_scale >= exact[:, None]
    thresholds = near[np.arange(N_LEVELS - 1), reached.argmax(axis=1)]
    below = np.searchsorted(_cells(), thresholds)  # how many cells begin below each threshold
    rising = np.repeat(np.arange(N_LEVELS, dtype=np.uint8), np.diff(below, prepend=0, append=_CELLS))
    bases = np.concatenate([rising[_CELLS // 2 :], rising[_CELLS // 2 - 1 :: -1]])
    return bases, np.append(thresholds, np.float32(np.inf))


@lru_cache(maxsize=1)
def _cells() -> NDArray[np.float32]:
    """Return the least float of each cell, in rising order: float32 [65536]."""
    places = np.arange(_CELLS // 2, dtype=np.int64) << (32 - _CELL_BITS)
    places = np.minimum(places, int(_place(np.float32(np.inf))))  # beyond are those that are no numbers
    ends = places + (1 << (32 - _CELL_BITS)) - 1
    return np.concatenate([-_float32_at(np.minimum(ends, places[-1]))[::-1], _float32_at(places)])


@lru_cache(maxsize=8)
def _thresholds(mu: float, quantizer: Quantizer) -> NDArray[np.float64]:
    """Return, for each code from 1 to 255, the least float64 that the formula gives this code or a higher one.

    Found by bisection over all floats in [-1, 1] in the order of their values, so that rounding is the formula's own.
    """
    codes = np.arange(1, N_LEVELS)
    one = int(np.float64(1).view(np.int64))
    low, high = np.full(255, -one), np.full(255, one)
    while np.any(low < high):
        middle = (low + high) >> 1
        reached = _by_formula(_float64_at(middle), mu, quantizer, 1.0) >= codes
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return _float64_at(low)


def _float64_at(place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the float64 at `place` in the order of values, where place 0 is zero."""
    magnitude = np.abs(place).view(np.float64)
    return np.where(place < 0, -magnitude, magnitude)


def _float32_at(place: NDArray[np.int64]) -> NDArray[np.float32]:
    magnitude = np.abs(place).astype(np.int32).view(np.float32)
    return np.where(place < 0, -magnitude, magnitude)


def _place(x: NDArray[np.float32] | np.float32) -> NDArray[np.int64]:
    """Return the place of each of `x` in the order of values."""
    magnitude = np.abs(x).view(np.int32).astype(np.int64)
    return np.where(np.signbit(x), -magnitude, magnitude)


@lru_cache(maxsize=8)
def levels(mu: float = 255, quantizer: Quantizer = "nearest") -> NDArray[np.float32]:
    """Return what each code stands for: float32 [256], rising from -1 to 1, read-only.

    Every code decodes to itself (as long as `mu` leaves float32 a value for each: up to 1e30 or so).
    """
    q = np.arange(N_LEVELS)
    y = 2 * q / 255 - 1 if quantizer == "nearest" else np.minimum(1, (2 * q + 1) / 255 - 1)  # or the middle of the bin
    x: NDArray[np.float32] = (np.sign(y) / mu * np.expm1(np.abs(y) * np.log1p(mu))).astype(np.float32)
    x.flags.writeable = False
    return x


def decode(codes: NDArray[Any], mu: float = 255, quantizer: Quantizer = "nearest") -> NDArray[np.float32]:
    """Return the samples that `codes` (uint8 [n]) stand for: float32 [n] in [-1, 1]."""
    return levels(mu, quantizer).take(codes)


def zero_code(quantizer: Quantizer = "nearest") -> int:
    """Return the code of silence: 128 for `nearest`, 127 for `floor`."""
    return 128 if quantizer == "nearest" else 127
