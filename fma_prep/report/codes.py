"""The codes of a dataset, counted: how often each of the 256, each after each, and the entropy of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fma_prep.dataset.storage import Store
from fma_prep.report.collect import Place

__all__ = ["CodeCounts", "codes_of", "count_codes"]

_AT_MOST_BYTES = 256 << 20
_OF_A_TRACK_BYTES = 1 << 20  # two minutes: more tracks say more than longer pieces of them


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
    whole = sum(place.n_samples for place in places) <= at_most_bytes
    order = np.arange(len(places)) if whole else np.random.default_rng(seed).permutation(len(places))
    single, pairs = np.zeros(256, np.int64), np.zeros(65536, np.int64)
    seen_bytes = tracks = 0
    for i in order:
        place = places[i]
        length = place.n_samples if whole else min(place.n_samples, _OF_A_TRACK_BYTES)
        if seen_bytes + length > at_most_bytes:
            break
        codes = codes_of(store, place, (place.n_samples - length) // 2, length)
        single += np.bincount(codes, minlength=256)
        pairs += np.bincount(codes[:-1].astype(np.uint16) << 8 | codes[1:], minlength=65536)
        seen_bytes, tracks = seen_bytes + length, tracks + 1
    return CodeCounts(single, pairs.reshape(256, 256), tracks, len(places), whole)
