"""From samples of subbands to samples at the target rate: one linear map.

The synthesis filterbank of ISO 11172-3 (clause 2.4.3.2.2 and annex B, table 3-B.3) turns 32 subbands into sound, and
the resampler sound into sound at another rate. Both are linear, and together they repeat: after as many slots of 32
samples as make a whole number of the resampler's periods. So a row of slots times fixed matrices gives a row of output,
and the high subbands, which the resampler would throw away, are never needed. ``docs/subband.md`` has the mathematics.
"""

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio import resample

__all__ = ["SLOT", "SUBBANDS", "SubbandMap", "impulse_responses", "subbands_needed", "synthesize"]

Samples = NDArray[np.float32]

SLOT = 32  # samples of sound for one sample of each subband
SUBBANDS = 32
TAPS = 512  # of the synthesis filterbank

_COVERED = 1.2  # up to where subbands are decoded, in units of half the target rate: the filter ends at 1.02
_GROUP_COLUMNS = 80  # outputs that share a matrix
_ROWS = 96  # of a block, 31 s from 44.1 to 8 kHz: products always have the same shape, so that cuts do not matter
_LARGEST_TABLE = 1 << 23  # weights: 32 MB

# The synthesis window D[i] · 65536 for i = 0 … 256; the other half mirrors it.
_WINDOW = """
0 -1 -1 -1 -1 -1 -1 -2 -2 -2 -2 -3 -3 -4 -4 -5 -5 -6 -7 -7 -8 -9 -10 -11 -13 -14 -16 -17 -19 -21 -24 -26
-29 -31 -35 -38 -41 -45 -49 -53 -58 -63 -68 -73 -79 -85 -91 -97 -104 -111 -117 -125 -132 -139 -147 -154
-161 -169 -176 -183 -190 -196 -202 -208 213 218 222 225 227 228 228 227 224 221 215 208 200 189 177 163
146 127 106 83 57 29 -2 -36 -72 -111 -153 -197 -244 -294 -347 -401 -459 -519 -581 -645 -711 -779 -848 -919
-991 -1064 -1137 -1210 -1283 -1356 -1428 -1498 -1567 -1634 -1698 -1759 -1817 -1870 -1919 -1962 -2001 -2032
-2057 -2075 -2085 -2087 -2080 -2063 2037 2000 1952 1893 1822 1739 1644 1535 1414 1280 1131 970 794 605 402
185 -45 -288 -545 -814 -1095 -1388 -1692 -2006 -2330 -2663 -3004 -3351 -3705 -4063 -4425 -4788 -5153 -5517
-5879 -6237 -6589 -6935 -7271 -7597 -7910 -8209 -8491 -8755 -8998 -9219 -9416 -9585 -9727 -9838 -9916 -9959
-9966 -9935 -9863 -9750 -9592 -9389 -9139 -8840 -8492 -8092 -7640 -7134 6574 5959 5288 4561 3776 2935 2037
1082 70 -998 -2122 -3300 -4533 -5818 -7154 -8540 -9975 -11455 -12980 -14548 -16155 -17799 -19478 -21189
-22929 -24694 -26482 -28289 -30112 -31947 -33791 -35640 -37489 -39336 -41176 -43006 -44821 -46617 -48390
-50137 -51853 -53534 -55178 -56778 -58333 -59838 -61289 -62684 -64019 -65290 -66494 -67629 -68692 -69679
-70590 -71420 -72169 -72835 -73415 -73908 -74313 -74630 -74856 -74992 75038
"""


@lru_cache(maxsize=1)
def impulse_responses() -> NDArray[np.float64]:
    """Return what one sample of each subband sounds like: float64 [32 subbands, 512 samples].

    The standard's matrixing and windowing, written as 32 filters: h_k[n] = D[n] · cos((2k + 1)(n + 16)π/64), where the
    window's sign alternates every 64 samples because the cosine's period of 128 is folded into its shift register.
    """
    half = np.array(_WINDOW.split(), np.float64) / 65536
    n = np.arange(TAPS)
    mirrored = half[np.minimum(n, TAPS - n)] * np.where((n > 256) & (n % 64 != 0), -1, 1)
    prototype = np.where(n // 64 % 2 == 1, -mirrored, mirrored)
    k = np.arange(SUBBANDS)[:, None]
    responses: NDArray[np.float64] = prototype * np.cos((2 * k + 1) * (n + 16) * np.pi / 64)
    return responses


def synthesize(slots: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sound of samples of the lower subbands, [slots, subbands]: float64 [32 · slots].

    Plain and slow: the reference for `SubbandMap`.
    """
    pieces = (slots.astype(np.float64) @ impulse_responses()[: slots.shape[1]]).reshape(len(slots), TAPS // SLOT, SLOT)
    sound = np.zeros((len(slots) + TAPS // SLOT, SLOT))
    for i in range(TAPS // SLOT):
        sound[i : i + len(slots)] += pieces[:, i]
    return sound[: len(slots)].ravel()


def subbands_needed(rate_in_hz: int, rate_out_hz: int) -> int:
    """Return how many of the 32 subbands have a part in what the resampler lets through.

    A subband is ``rate_in / 64`` Hz wide, and leaks half of that into its neighbours.
    """
    width_hz = rate_in_hz / 2 / SUBBANDS
    return min(SUBBANDS, math.ceil(_COVERED * rate_out_hz / 2 / width_hz))


class _Group(NamedTuple):
    """Columns of a row of output, and the slots that have a part in them."""

    columns: range
    slots: range  # from the row's first slot
    weights: Samples  # [slots · subbands, columns]


class _Layout(NamedTuple):
    row_slots: int
    row_out: int

    @classmethod
    def of(cls, rate_in_hz: int, rate_out_hz: int) -> "_Layout":
        divisor = math.gcd(rate_in_hz, rate_out_hz)
        up, down = rate_out_hz // divisor, rate_in_hz // divisor
        slots = math.lcm(SLOT, down) // SLOT
        # BLAS takes rows that lie in one array if they do not overlap: a row must be longer than what a group reads
        reads = (2 * resample.reach(rate_in_hz, rate_out_hz) + TAPS + _GROUP_COLUMNS * rate_in_hz / rate_out_hz) / SLOT
        slots *= math.ceil((reads + 2) / slots)
        return cls(slots, slots * SLOT // down * up)

    def groups(self) -> list[range]:
        n = math.ceil(self.row_out / _GROUP_COLUMNS)
        return [range(a, b) for a, b in pairwise(round(i * self.row_out / n) for i in range(n + 1))]


@lru_cache(maxsize=4)
def _weights(rate_in_hz: int, rate_out_hz: int, phase: int) -> list[_Group]:
    """Return the matrices of a row whose first output lies `phase` samples behind the beginning of a slot."""
    responses = impulse_responses()[: subbands_needed(rate_in_hz, rate_out_hz)]
    groups = []
    for columns in _Layout.of(rate_in_hz, rate_out_hz).groups():
        inputs, resampling = resample.weights(rate_in_hz, rate_out_hz, columns)
        first, last = inputs.start + phase, inputs.stop - 1 + phase
        slots = range((first - TAPS + SLOT) // SLOT, last // SLOT + 1)  # from the first whose response reaches `first`
        # for each slot, the weights of the samples that it sounds in
        heard = np.zeros((SLOT * (len(slots) - 1) + TAPS, len(columns)))
        heard[first - SLOT * slots.start :][: len(inputs)] = resampling
        windows = np.lib.stride_tricks.sliding_window_view(heard, TAPS, axis=0)[::SLOT].swapaxes(1, 2)
        weights = responses @ windows  # [slots, subbands, columns]
        groups.append(_Group(columns, slots, weights.reshape(-1, len(columns)).astype(np.float32)))
    return groups


def _table_size(rate_in_hz: int, rate_out_hz: int) -> float:
    layout = _Layout.of(rate_in_hz, rate_out_hz)
    reads = (2 * resample.reach(rate_in_hz, rate_out_hz) + TAPS) / SLOT
    return layout.row_out * reads * subbands_needed(rate_in_hz, rate_out_hz)


class SubbandMap:
    """Samples of subbands in, samples at the target rate out: the same, bit by bit, however the input is cut.

    Parameters
    ----------
    rate_in_hz, rate_out_hz : int
        As `handles` says.
    skip : int >= 0
        Samples of sound (at `rate_in_hz`) before the first that is meant: output 0 lies there.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int, skip: int = 0) -> None:
        self._rates = rate_in_hz, rate_out_hz
        self._skip = skip
        self._layout = _Layout.of(rate_in_hz, rate_out_hz)
        self._groups = _weights(rate_in_hz, rate_out_hz, skip % SLOT)
        self.subbands = subbands_needed(rate_in_hz, rate_out_hz)
        before = -min(group.slots.start for group in self._groups)
        after = max(group.slots.stop for group in self._groups)
        self._block_slots = _ROWS * self._layout.row_slots
        # the block's rows, and what its first and last groups read before and behind them
        self._buffer = np.zeros((before + self._block_slots + after, self.subbands), np.float32)
        self._before = before
        # the first row begins in the slot of the first sample that is meant; before the stream was silence
        self._drop = max(0, skip // SLOT - before)
        self._filled = max(0, before - skip // SLOT)
        self._n_slots = self._n_out = 0

    @staticmethod
    def handles(rate_in_hz: int, rate_out_hz: int) -> bool:
        """Return whether something is saved from `rate_in_hz` to `rate_out_hz`, and the matrices are not too large."""
        saves = rate_out_hz < rate_in_hz and subbands_needed(rate_in_hz, rate_out_hz) < SUBBANDS
        return saves and _table_size(rate_in_hz, rate_out_hz) <= _LARGEST_TABLE

    def push(self, slots: Samples) -> list[Samples]:
        """Return the blocks of output that `slots`, float32 [n, subbands], complete."""
        self._n_slots += len(slots)
        dropped = min(self._drop, len(slots))
        self._drop -= dropped
        slots = slots[dropped:]
        outputs = []
        while len(slots):
            n = min(len(slots), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + n] = slots[:n]
            self._filled += n
            slots = slots[n:]
            if self._filled == len(self._buffer):
                outputs.append(self._next_block())
        return outputs

    def finish(self, n_samples: int | None = None) -> list[Samples]:
        """Return the rest, for `n_samples` of sound (at the input rate) in all; by default all that was not skipped.

        In all, that is int(n_samples · rate_out / rate_in) samples; earlier blocks may hold some that are too many.
        """
        if n_samples is None:
            n_samples = max(0, SLOT * self._n_slots - self._skip)
        missing = n_samples * self._rates[1] // self._rates[0] - self._n_out
        outputs = []
        while missing > 0:
            self._buffer[self._filled :] = 0
            self._filled = len(self._buffer)
            outputs.append(self._next_block()[:missing])
            missing -= len(outputs[-1])
        return outputs

    def _next_block(self) -> Samples:
        """Return the outputs of the full buffer, and move on by one block."""
        out = np.empty((_ROWS, self._layout.row_out), np.float32)
        flat = self._buffer.ravel()
        stride = self._layout.row_slots * self.subbands
        for columns, slots, weights in self._groups:
            start = (self._before + slots.start) * self.subbands
            rows = np.lib.stride_tricks.as_strided(
                flat[start:], (_ROWS, len(weights)), (stride * flat.itemsize, flat.itemsize), writeable=False
            )
            out[:, columns.start : columns.stop] = rows @ weights
        kept = len(self._buffer) - self._block_slots
        self._buffer[:kept] = self._buffer[self._block_slots :].copy()
        self._filled = kept
        self._n_out += out.size
        return out.ravel()
