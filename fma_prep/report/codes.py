"""The codes of a dataset, counted: how often each of the 256, each after each, and the entropy of both."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fma_prep.dataset.storage import Store
from fma_prep.progress import progress
from fma_prep.report.collect import Place

__all__ = ["CodeCounts", "codes_of", "count_codes"]

_AT_MOST_BYTES, _AT_MOST_TRACKS = 128 << 20, 2000
_OF_A_TRACK_BYTES = 1 << 17  # 16 s at 8 kHz: more tracks say more than longer pieces of them
_READERS = 16  # range reads at once: from S3 each takes 50 ms


@dataclass(frozen=True)
class CodeCounts:
    """How often each code was seen.

    Attributes
    ----------
    single : int64 [256]
    pairs : int64 [256, 256]
        ``pairs[a, b]``: how often b came right after a.
    tracks, of_tracks : int
        How many tracks were looked at, of how many.
    """

    single: NDArray[np.int64]
    pairs: NDArray[np.int64]
    tracks: int
    of_tracks: int
    whole: bool

    @property
    def entropy_bits(self) -> float:
        """The entropy of one code, in bits: the loss of a model that knows how common each code is."""
        return _entropy_bits(self.single)

    @property
    def next_entropy_bits(self) -> float:
        """The entropy of a code when the one before is known, in bits: the loss of a table of pairs."""
        return _entropy_bits(self.pairs.ravel()) - _entropy_bits(self.pairs.sum(1))

    @property
    def used(self) -> int:
        """How many of the 256 codes occur."""
        return int(np.count_nonzero(self.single))


def _entropy_bits(counts: NDArray[np.int64]) -> float:
    """Return -sum(p log2 p) of the distribution that `counts` make."""
    p = counts[counts > 0] / max(1, counts.sum())
    return float(-(p * np.log2(p)).sum())


def codes_of(store: Store, place: Place, start: int = 0, count: int | None = None) -> NDArray[np.uint8]:
    """Return the codes [count] of a track from sample `start` on, by one range read."""
    count = place.n_samples - start if count is None else min(count, place.n_samples - start)
    return np.frombuffer(store.read_range(place.shard, place.offset + start, count), np.uint8)


def count_codes(
    store: Store, places: Sequence[Place], seed: int = 0, at_most_bytes: int = _AT_MOST_BYTES
) -> CodeCounts:
    """Count the codes of all tracks; of a random sample of them where there are more than `at_most_bytes` in all."""
    whole = sum(place.n_samples for place in places) <= at_most_bytes and len(places) <= _AT_MOST_TRACKS
    order = np.arange(len(places)) if whole else np.random.default_rng(seed).permutation(len(places))[:_AT_MOST_TRACKS]
    pieces: list[tuple[Place, int, int]] = []
    left_bytes = at_most_bytes
    for place in (places[i] for i in order):
        length = place.n_samples if whole else min(place.n_samples, _OF_A_TRACK_BYTES)
        if length > left_bytes:
            break
        left_bytes -= length
        pieces.append((place, (place.n_samples - length) // 2, length))
    single, pairs = np.zeros(256, np.int64), np.zeros(65536, np.int64)
    with ThreadPoolExecutor(_READERS) as pool:
        read = pool.map(lambda piece: codes_of(store, *piece), pieces)
        for codes in progress("counting codes", read, total=len(pieces), unit="tracks"):
            single += np.bincount(codes, minlength=256)
            pairs += np.bincount(codes[:-1].astype(np.uint16) << 8 | codes[1:], minlength=65536)
    return CodeCounts(single, pairs.reshape(256, 256), len(pieces), len(places), whole)
