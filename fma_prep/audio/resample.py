"""resampy's band-limited interpolation as matrix products: the same numbers, some sixty times as fast, in a stream.

With in/out = down/up in lowest terms, the filter's phases repeat every `down` inputs and `up` outputs. So the input is
laid out in rows of whole periods, and each group of neighbouring columns of the output is the product of the inputs
around it with a fixed matrix of weights.

A sample must not depend on how the input was cut, nor on what else is in its block, and BLAS sums a matrix of another
height in another order. So products always have the same shape, and start at the same places of the input; the last
block is filled up with zeros.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.blas import one_thread
from fma_prep.audio.recipe import Resampler as FilterName
from fma_prep.errors import SetupError

__all__ = ["RATES_HZ", "Resampler", "reach", "resample", "weights"]

Samples = NDArray[np.float32]
Weights = NDArray[np.float64]

RATES_HZ = range(1000, 768_001)  # beyond, no sound was meant, and the work could be made to explode

_BLOCK_SAMPLES = 1 << 17
_ROW_IN, _ROW_OUT = 192, 16  # at the least: BLAS is slow with small matrices
_GROUP_COLUMNS = 40  # more have more zeros among their weights, fewer make products too small for BLAS
_PIECE = 192  # inputs multiplied at once: no longer than any row
_CACHED_WEIGHTS = 1 << 21  # 16 MB; larger tables are computed anew for each block


class _Filter(NamedTuple):
    """The right half of a windowed sinc, scaled for a ratio, as resampy's kernel uses it."""

    window: NDArray[np.float64]
    deltas: NDArray[np.float64]
    precision: int  # table entries per zero crossing
    scale: float  # min(1, rate_out / rate_in)

    @property
    def step(self) -> int:
        """Table entries from tap to tap: truncated, though the taps then are not quite where a textbook has them."""
        return int(self.scale * self.precision)

    @property
    def reach(self) -> int:
        """How many samples to one side of an output can have a weight."""
        return -(-len(self.window) // self.step)


@lru_cache(maxsize=2)
def _table(name: FilterName) -> tuple[NDArray[np.float64], int]:
    """Return the half window and its precision from resampy's data, without importing resampy: that loads numba."""
    spec = find_spec("resampy")
    if spec is None or spec.origin is None:
        raise SetupError("the resampler's filters are not installed", "resampy", "Install the package resampy")
    with np.load(Path(spec.origin).with_name("data") / f"{name}.npz", allow_pickle=False) as data:
        return data["half_window"].astype(np.float64), int(data["precision"])


def _filter(name: FilterName, rate_in_hz: int, rate_out_hz: int) -> _Filter:
    window, precision = _table(name)
    ratio = rate_out_hz / rate_in_hz
    window = window * min(1.0, ratio)
    return _Filter(window, np.diff(window, append=window[-1]), precision, min(1.0, ratio))


class _Layout(NamedTuple):
    """Where a block's inputs and outputs lie."""

    up: int
    down: int
    row_in: int  # inputs from one row to the next: whole periods
    row_out: int
    rows: int  # rows a block
    reach: int

    @classmethod
    def of(cls, rate_in_hz: int, rate_out_hz: int, reach: int) -> "_Layout":
        divisor = math.gcd(rate_in_hz, rate_out_hz)
        up, down = rate_out_hz // divisor, rate_in_hz // divisor
        periods = max(-(-_ROW_IN // down), -(-_ROW_OUT // up))
        rows = max(8, _BLOCK_SAMPLES // max(down * periods, up * periods))
        return cls(up, down, down * periods, up * periods, rows, reach)

    @property
    def block_in(self) -> int:
        return self.rows * self.row_in

    def groups(self) -> list["_Group"]:
        n = -(-self.row_out // _GROUP_COLUMNS)
        edges = [round(i * self.row_out / n) for i in range(n + 1)]
        return [self.group(range(*edge)) for edge in pairwise(edges)]

    def group(self, columns: range) -> "_Group":
        first, last = (column * self.down // self.up for column in (columns[0], columns[-1]))
        return _Group(columns, range(first - self.reach + 1, last + self.reach + 1))


class _Group(NamedTuple):
    """Neighbouring outputs of a row, and the inputs that have a weight in them, counted from the row's first."""

    columns: range
    inputs: range


def _weights(taps: _Filter, layout: _Layout, group: _Group) -> Weights:
    """Return the weight of each input in each column: float64 [len(group.inputs), len(group.columns)]."""
    column = np.arange(group.columns.start, group.columns.stop)
    whole, rest = np.divmod(column * layout.down, layout.up)
    fraction = taps.scale * (rest / layout.up)
    weights = np.zeros((len(group.inputs), len(column)))
    tap = np.arange(taps.reach)[:, None]
    for position, first, direction in ((fraction, whole, -1), (taps.scale - fraction, whole + 1, 1)):
        index = position * taps.precision
        offset = index.astype(np.int64)
        eta = index - offset
        there = tap < (len(taps.window) - offset) // taps.step
        entry = np.where(there, offset + tap * taps.step, 0)
        weight = taps.window[entry] + eta * taps.deltas[entry]
        row = np.where(there, first + direction * tap - group.inputs.start, 0)
        np.add.at(weights, (row, np.arange(len(column))[None, :]), np.where(there, weight, 0.0))
    return weights


def reach(rate_in_hz: int, rate_out_hz: int) -> int:
    """Return how many input samples to one side of an output can have a weight in it, with kaiser_best."""
    return _filter("kaiser_best", rate_in_hz, rate_out_hz).reach


def weights(rate_in_hz: int, rate_out_hz: int, outputs: range) -> tuple[range, Weights]:
    """Return which inputs have a part in `outputs`, with kaiser_best, and their weights: float64 [inputs, outputs]."""
    taps = _filter("kaiser_best", rate_in_hz, rate_out_hz)
    layout = _Layout.of(rate_in_hz, rate_out_hz, taps.reach)
    group = layout.group(outputs)
    return group.inputs, _weights(taps, layout, group)


@lru_cache(maxsize=4)
def _all_weights(name: FilterName, rate_in_hz: int, rate_out_hz: int) -> tuple[Weights, ...]:
    taps = _filter(name, rate_in_hz, rate_out_hz)
    layout = _Layout.of(rate_in_hz, rate_out_hz, taps.reach)
    return tuple(_weights(taps, layout, group) for group in layout.groups())


class Resampler:
    """Resamples a stream: the same output, bit by bit, however the input is cut.

    Parameters
    ----------
    rate_in_hz, rate_out_hz : int, in `RATES_HZ`
    filter_name : {"kaiser_best", "kaiser_fast"}

    Raises
    ------
    ValueError
        If a rate is out of range.
    SetupError
        If resampy's filters are not installed.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int, filter_name: FilterName = "kaiser_best") -> None:
        for rate_hz in (rate_in_hz, rate_out_hz):
            if rate_hz not in RATES_HZ:
                raise ValueError(f"a sample rate of {rate_hz} Hz is not in {RATES_HZ.start}…{RATES_HZ.stop - 1} Hz")
        self._rates = rate_in_hz, rate_out_hz
        self._name = filter_name
        self._filter = _filter(filter_name, rate_in_hz, rate_out_hz)
        self._layout = _Layout.of(*self._rates, self._filter.reach)
        self._groups = self._layout.groups()
        # the block, with as much before and after it as its outputs reach, to whole rows
        self._margin = self._layout.reach + self._layout.row_in
        self._buffer = np.zeros(self._layout.block_in + 2 * self._margin)
        self._filled = self._margin  # silence before the first sample
        self._n_in = self._n_out = 0

    def push(self, block: Samples) -> Samples:
        """Return the output samples (float32 [m], m >= 0) that `block` (float32 [n]) completes."""
        if self._rates[0] == self._rates[1]:
            return block.astype(np.float32)
        self._n_in += len(block)
        outputs: list[Samples] = []
        while len(block):
            n = min(len(block), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + n] = block[:n]
            self._filled += n
            block = block[n:]
            if self._filled == len(self._buffer):
                outputs.append(self._next_block())
        return _joined(outputs)

    def finish(self) -> Samples:
        """Return the rest: in all, int(n · rate_out / rate_in) samples."""
        outputs: list[Samples] = []
        missing = self._n_in * self._rates[1] // self._rates[0] - self._n_out
        while missing > 0 and self._rates[0] != self._rates[1]:
            self._buffer[self._filled :] = 0
            self._filled = len(self._buffer)
            outputs.append(self._next_block()[:missing])
            missing -= len(outputs[-1])
        return _joined(outputs)

    def _next_block(self) -> Samples:
        """Return the outputs of the full buffer, and move on by one block."""
        layout, buffer = self._layout, self._buffer
        out = np.empty((layout.rows, layout.row_out), np.float32)
        with one_thread():
            for group, weights in zip(self._groups, self._weights(), strict=True):
                columns = slice(group.columns.start, group.columns.stop)
                out[:, columns] = self._product(self._margin + group.inputs.start, weights)
        buffer[: 2 * self._margin] = buffer[layout.block_in :]
        self._filled -= layout.block_in
        self._n_out += out.size
        return out.ravel()

    def _product(self, start: int, weights: Weights) -> Weights:
        """Return rows of inputs, each beginning at `start` in its row and as long as `weights`, times `weights`.

        Such rows overlap, which BLAS does not take: so this is a sum of products of pieces, shorter than a row.
        """
        layout = self._layout
        total: Weights | None = None
        for k in range(0, len(weights), _PIECE):
            piece = weights[k : k + _PIECE]
            first = start + k
            rows = self._buffer[first : first + layout.block_in].reshape(layout.rows, layout.row_in)[:, : len(piece)]
            total = rows @ piece if total is None else np.add(total, rows @ piece, out=total)
        assert total is not None  # noqa: S101  # for mypy: there is always a weight
        return total

    def _weights(self) -> Iterable[Weights]:
        """Return the weights of each group."""
        if sum(len(group.columns) * len(group.inputs) for group in self._groups) <= _CACHED_WEIGHTS:
            return _all_weights(self._name, *self._rates)
        return (_weights(self._filter, self._layout, group) for group in self._groups)


def _joined(blocks: list[Samples]) -> Samples:
    return blocks[0] if len(blocks) == 1 else np.concatenate([np.empty(0, np.float32), *blocks])


def resample(x: Samples, rate_in_hz: int, rate_out_hz: int, filter_name: FilterName = "kaiser_best") -> Samples:
    """Return `x` at another rate: ``resampy.resample(x, rate_in_hz, rate_out_hz, filter=…)`` to within 1e-6.

    Parameters
    ----------
    x : float32 [n]
    rate_in_hz, rate_out_hz : int, in `RATES_HZ`
    filter_name : {"kaiser_best", "kaiser_fast"}

    Returns
    -------
    float32 [int(n · rate_out / rate_in)]
    """
    resampler = Resampler(rate_in_hz, rate_out_hz, filter_name)
    return np.concatenate([resampler.push(x), resampler.finish()])
