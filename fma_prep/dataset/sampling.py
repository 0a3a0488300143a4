"""Training windows: fixed lengths of codes, shuffled over the whole dataset, shared among ranks and workers.

::

    data = windows("s3://bucket/fma-8k", length=16000, hop=8000, split="training", rank=rank, world_size=world_size)
    loader = torch.utils.data.DataLoader(data, batch_size=32, num_workers=4)       # no shuffle=True: it is shuffled
    for epoch in range(100):
        data.set_epoch(epoch)
        for codes, track, start in loader: ...

The order is a permutation of all windows, computed rather than stored (a Feistel network on the index [1]_), and each
window is one range read: nothing is held but the offsets of the tracks. So a batch is a sample of the whole set,
however large, and any rank or worker finds its own windows without asking another.

.. [1] Black, Rogaway: Ciphers with Arbitrary Finite Domains, CT-RSA 2002: a balanced Feistel network, walked in cycles
   until it lands inside the range.
"""

import hashlib
import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fma_prep.audio.mulaw import zero_code
from fma_prep.dataset.manifest import read_manifest
from fma_prep.dataset.records import read_shard
from fma_prep.dataset.selection import select
from fma_prep.dataset.storage import open_store
from fma_prep.errors import DatasetError, UsageError

__all__ = ["Window", "Windows"]

_AT_ONCE = 32  # requests in flight where a request takes its time
_BLOCK = 4096  # indices permuted at a time
_ROUNDS = 8

Indices = npt.NDArray[np.uint64]


class Window(NamedTuple):
    """A stretch of one track.

    Attributes
    ----------
    codes : np.ndarray [shape=(length,), dtype=uint8]
        Writable, and nobody else's.
    track : str
    start : int
        In samples.
    """

    codes: npt.NDArray[np.uint8]
    track: str
    start: int


class Windows(Sequence[Window]):
    """Windows of a dataset in the order of an epoch: those of one rank.

    A sequence, so a PyTorch DataLoader takes it as it is (a "map-style" dataset); iterating reads ahead. Pickles, and
    opens its files anew in each process; workers that persist from epoch to epoch do not hear of `set_epoch`. On HDFS
    give the loader ``multiprocessing_context="spawn"``: that client's threads do not survive a fork.

    Parameters
    ----------
    uri : str
    length : int > 0
        Of a window, in samples.
    hop : int > 0, optional
        From one window to the next in a track; None is `length`.
    seed, epoch : int
        The order depends on both, and on nothing else.
    rank, world_size : int
        All ranks get ``total // world_size`` windows, no two the same. The ``total % world_size`` left over rest for
        this epoch: other ones in each, since each has its own order. With one rank, each window comes exactly once.
    split, licence, clean
        As for `fma_prep.dataset.read_dataset`.
    tail : {"drop", "pad"}
        What becomes of the end of a track, if shorter than `length`: left out, or filled up with the code for zero.
    options : mapping, optional
        For the store.

    Raises
    ------
    UsageError
        If a parameter is not one of these.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what a trainer chooses
        self,
        uri: str,
        length: int,
        hop: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
        split: str | None = None,
        licence: str | None = None,
        tail: Literal["drop", "pad"] = "drop",
        clean: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        hop = length if hop is None else hop
        _check(length=length, hop=hop, rank=rank, world_size=world_size, tail=tail)
        self._store = open_store(uri, options)
        self._length, self._hop, self._seed = length, hop, seed
        self._rank, self._world_size = rank, world_size
        self._worker = (0, 1)
        lines = [
            (line["track"], line["shard"], line["codes_offset"], line["n_samples"])
            for line in select(read_manifest(self._store), split=split, licence=licence, clean=clean)
        ]
        self.tracks = [line[0] for line in lines]
        self._shards = sorted({line[1] for line in lines})
        number = {shard: i for i, shard in enumerate(self._shards)}
        self._shard = np.array([number[line[1]] for line in lines], np.int32)
        self._offset = np.array([line[2] for line in lines], np.int64)
        self._n_samples = np.array([line[3] for line in lines], np.int64)
        counts = _window_counts(self._n_samples, length, hop, tail)
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._zero = self._zero_code() if tail == "pad" and lines else 0
        self.set_epoch(epoch)

    @property
    def total(self) -> int:
        """How many windows there are, for all ranks."""
        return int(self._first[-1])

    def __len__(self) -> int:
        """Return how many windows this rank has in an epoch."""
        return self.total // self._world_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the order: each epoch has its own."""
        self._epoch = epoch
        self._keys = np.frombuffer(hashlib.sha512(f"{self._seed} {epoch}".encode()).digest(), "<u8")

    def worker(self, number: int, of: int) -> "Windows":
        """Return the same for one of several workers of this rank: iterating yields its share, and all shares are all.

        In a PyTorch worker, iterating does so by itself.
        """
        if not 0 <= number < of:
            raise UsageError("must be from 0 to one less than there are", f"worker={number} of {of}")
        share = object.__new__(Windows)
        share.__dict__.update(self.__dict__, _worker=(number, of))
        return share

    def __getitem__(self, position: Any) -> Any:
        """Return the window at a position of this rank's epoch."""
        if isinstance(position, slice):
            return self.__getitems__(range(*position.indices(len(self))))
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[Window]:
        """Return several windows, read at the same time: how a DataLoader asks for a batch."""
        at = np.asarray(positions, np.int64)
        at = np.where(at < 0, at + len(self), at)
        if len(at) and not (at.min() >= 0 and at.max() < len(self)):
            raise IndexError("there is no such window")
        return list(self._read(at))

    def __iter__(self) -> Iterator[Window]:
        number, of = _torch_worker() or self._worker if self._worker == (0, 1) else self._worker
        for begin in range(number, len(self), of * _BLOCK):
            yield from self._read(np.arange(begin, min(begin + of * _BLOCK, len(self)), of))

    def _read(self, positions: npt.NDArray[np.int64]) -> Iterator[Window]:
        indices = _permuted((positions * self._world_size + self._rank).astype(np.uint64), self.total, self._keys)
        where = indices.astype(np.int64)
        tracks = np.searchsorted(self._first, where, "right") - 1
        starts = (where - self._first[tracks]) * self._hop
        places = list(zip(tracks.tolist(), starts.tolist(), strict=True))
        if self._store.scheme == "file" or len(places) == 1:
            yield from (self._window(*place) for place in places)
            return
        with ThreadPoolExecutor(_AT_ONCE, "windows") as pool:
            waiting = deque(pool.submit(self._window, *place) for place in places[:_AT_ONCE])
            try:
                for i in range(len(places)):
                    window = waiting.popleft().result()
                    if i + _AT_ONCE < len(places):
                        waiting.append(pool.submit(self._window, *places[i + _AT_ONCE]))
                    yield window
            finally:
                for future in waiting:  # the reader broke off
                    future.cancel()

    def _window(self, track: int, start: int) -> Window:
        length = min(self._length, int(self._n_samples[track]) - start)
        shard = self._shards[self._shard[track]]
        data = self._store.read_range(shard, int(self._offset[track]) + start, length)
        if len(data) != length:
            raise DatasetError(f"ends before the codes of {self.tracks[track]}", self._store.name(shard))
        codes = np.full(self._length, self._zero, np.uint8) if length < self._length else np.empty(length, np.uint8)
        codes[:length] = np.frombuffer(data, np.uint8)
        return Window(codes, self.tracks[track], start)

    def _zero_code(self) -> int:
        """Return the code of silence in the dialect of this dataset."""
        beginning = io.BytesIO(self._store.read_range(self._shards[0], 0, 1 << 16))
        _, _, header = next(read_shard(beginning, self._store.name(self._shards[0])))
        return zero_code(header["recipe"]["quantizer"])


def _check(length: int, hop: int, rank: int, world_size: int, tail: str) -> None:
    if length < 1 or hop < 1:
        raise UsageError("must be at least 1", f"length={length}, hop={hop}")
    if not 0 <= rank < world_size:
        raise UsageError("must be from 0 to one less than there are", f"rank={rank}, world_size={world_size}")
    if tail not in ("drop", "pad"):
        raise UsageError("must be drop or pad", f"tail={tail}")


def _window_counts(n_samples: npt.NDArray[np.int64], length: int, hop: int, tail: str) -> npt.NDArray[np.int64]:
    """Return how many windows each track has."""
    whole = np.where(n_samples >= length, (n_samples - length) // hop + 1, 0)
    if tail == "drop":
        return whole
    reached = np.where(whole > 0, (whole - 1) * hop + length, 0)
    return whole + ((reached < n_samples) & (whole * hop < n_samples))


def _permuted(indices: Indices, n: int, keys: Indices) -> Indices:
    """Return where a permutation of ``range(n)`` sends `indices`."""
    half = np.uint64(max(4, -(-(n - 1).bit_length() // 2)))
    indices = _feistel(indices, half, keys)
    while len(outside := np.flatnonzero(indices >= n)):
        indices[outside] = _feistel(indices[outside], half, keys)
    return indices


def _feistel(indices: Indices, half: np.uint64, keys: Indices) -> Indices:
    """Return a permutation of ``range(4 ** half)``, by rounds that each mix one half into the other."""
    mask = np.uint64((1 << int(half)) - 1)
    left, right = indices >> half, indices & mask
    for key in keys[:_ROUNDS]:
        left, right = right, left ^ (_mixed(right ^ key) & mask)
    return left << half | right


def _mixed(x: Indices) -> Indices:
    """Return bits that all depend on all of `x`: the finalizer of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _torch_worker() -> tuple[int, int] | None:
    """Return which of how many DataLoader workers this process is, if it is one; torch is not imported for it."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return (info.id, info.num_workers) if info is not None else None
