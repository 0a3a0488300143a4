"""Partitions: nothing lost, nothing double, balanced, and the same whatever order the listing came in."""

import random

from hypothesis import given
from hypothesis import strategies as st

from fma_prep.dataset.plan import _TRACK_BYTES, partition_count, plan
from fma_prep.dataset.stores import Entry

MIB = 1 << 20
listings = st.lists(st.integers(0, 1 << 32), max_size=60).map(
    lambda sizes: [Entry(f"{i:03d}.mp3", size) for i, size in enumerate(sizes)]
)


def weight(tracks):
    return sum(t.size_bytes + _TRACK_BYTES for t in tracks)


@given(listings, st.none() | st.integers(1, 80), st.integers(1, 16))
def test_nothing_lost_nothing_double_nothing_empty(tracks, partitions, parallelism):
    bins = plan(tracks, partitions, parallelism)
    assert sorted((t for b in bins for t in b), key=lambda t: t.path) == tracks
    assert all(bins)
    if partitions:
        assert len(bins) == min(partitions, len(tracks))


@given(listings, st.integers(1, 20))
def test_no_partition_has_more_than_the_mean_and_a_track(tracks, partitions):
    for b in plan(tracks, partitions, 1):
        assert weight(b) <= weight(tracks) / partitions + max(weight([t]) for t in tracks)


@given(listings, st.integers(1, 20), st.randoms())
def test_the_order_of_the_listing_does_not_matter(tracks, partitions, rng: random.Random):
    shuffled = list(tracks)
    rng.shuffle(shuffled)
    assert plan(shuffled, partitions, 1) == plan(tracks, partitions, 1)


def test_the_automatic_number():
    def count(n, size, parallelism):
        return partition_count([Entry(str(i), size) for i in range(n)], parallelism)

    assert count(0, 0, 8) == 0
    assert count(3, MIB, 8) == 3  # no more than tracks
    assert count(100, MIB, 8) == 32  # four a core
    assert count(100, 64 * MIB, 2) == 100  # 64 MiB each
    assert count(1000, 10 * MIB, 2) == 157
