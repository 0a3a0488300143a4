"""Which tracks go together: partitions of about equal bytes, the same for the same listing."""

import heapq
from collections.abc import Sequence

from fma_prep.dataset.stores import Entry

__all__ = ["partition_count", "plan"]

_TARGET_BYTES = 64 << 20
_TRACK_BYTES = 64 << 10  # what opening a track costs, in bytes: a thousand tiny files are work too


def partition_count(tracks: Sequence[Entry], parallelism: int) -> int:
    """Return how many partitions suit: about 64 MiB each, at least four a core, at most one a track."""
    by_size = -(-sum(t.size_bytes for t in tracks) // _TARGET_BYTES)
    return min(max(by_size, min(len(tracks), 4 * parallelism)), len(tracks))


def plan(tracks: Sequence[Entry], partitions: int | None, parallelism: int) -> list[list[Entry]]:
    """Spread tracks over partitions: the largest first, each to the one that has least (LPT).

    Parameters
    ----------
    tracks : sequence of Entry
    partitions : int > 0 or None
        How many; None chooses (`partition_count`). Never more than there are tracks.
    parallelism : int > 0
        How many tasks run at once; matters only where `partitions` is None.

    Returns
    -------
    list of list of Entry
        In each partition, tracks are sorted by path. None is empty. No partition has more than the mean and one track.
    """
    count = min(partitions or partition_count(tracks, parallelism), len(tracks))
    bins: list[list[Entry]] = [[] for _ in range(count)]
    loads = [(0, i) for i in range(count)]
    for track in sorted(tracks, key=lambda t: (-t.size_bytes, t.path)):
        load, i = heapq.heappop(loads)
        bins[i].append(track)
        heapq.heappush(loads, (load + track.size_bytes + _TRACK_BYTES, i))
    return [sorted(b, key=lambda t: t.path) for b in bins]
