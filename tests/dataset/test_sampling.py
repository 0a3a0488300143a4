"""Windows: each exactly once, the right codes, equal shares, and an order that nobody could tell from chance."""

import collections
import multiprocessing
import pickle
import sys
import types

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fma_prep.audio.recipe import Recipe
from fma_prep.dataset import windows
from fma_prep.dataset.sampling import _permuted, _window_counts
from fma_prep.dataset.storage import open_store
from fma_prep.errors import UsageError
from tests.dataset.made import digitized
from tests.dataset.test_reading import make

SIZES = {f"{i:02d}.mp3": 40 * i for i in range(1, 31)}
OUTCOMES = {path: digitized(i, n) for i, (path, n) in enumerate(SIZES.items())}


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return make(open_store(str(tmp_path_factory.mktemp("windows") / "out")), OUTCOMES).uri


def starts(n, length, hop, tail):
    """As one would write it down: every hop, as long as it fits, and with `pad` what nobody has covered yet."""
    whole = [s for s in range(0, n, hop) if s + length <= n]
    if tail == "pad" and (not whole or whole[-1] + length < n):
        rest = whole[-1] + hop if whole else 0
        whole += [rest] if rest < n else []
    return whole


@given(st.integers(1, 300), st.integers(1, 100), st.integers(1, 100), st.sampled_from(["drop", "pad"]))
def test_how_many_windows_a_track_has(n, length, hop, tail):
    assert _window_counts(np.array([n]), length, hop, tail)[0] == len(starts(n, length, hop, tail))


choices = st.fixed_dictionaries(
    {
        "length": st.integers(1, 1500),
        "hop": st.integers(20, 300),
        "tail": st.sampled_from(["drop", "pad"]),
        "seed": st.integers(0, 9),
    }
)


@settings(deadline=None, max_examples=20)
@given(choices, st.integers(1, 4))
def test_each_exactly_once_with_the_right_codes(uri, choices, world_size):
    length, hop, tail = choices["length"], choices["hop"], choices["tail"]
    expected = {(path, s) for path, n in SIZES.items() for s in starts(n, length, hop, tail)}
    seen = []
    for rank in range(world_size):
        mine = list(windows(uri, **choices, rank=rank, world_size=world_size))
        assert len(mine) == len(expected) // world_size
        seen += mine
    names = [(w.track, w.start) for w in seen]
    assert len(set(names)) == len(names) == len(expected) // world_size * world_size
    assert set(names) <= expected
    for w in seen:
        true = np.frombuffer(OUTCOMES[w.track].codes, np.uint8)[w.start : w.start + length]
        assert w.codes.shape == (length,)
        assert (w.codes[: len(true)] == true).all()
        assert (w.codes[len(true) :] == 128).all()


def test_padding_is_silence_in_the_dialect_of_the_set():
    fsspec.filesystem("memory").store.clear()
    make(open_store("memory://floor"), {"a": digitized(0, 5)}, recipe=Recipe(quantizer="floor"))
    (window,) = windows("memory://floor", 8, tail="pad")
    assert window.codes[5:].tolist() == [127, 127, 127]


def test_the_order_is_the_seeds_and_the_epochs(uri):
    def order(**choices):
        return [(w.track, w.start) for w in windows(uri, 40, **choices)]

    first = order(seed=1)
    assert order(seed=1) == first
    assert sorted(order(seed=2)) == sorted(first) != first
    again = windows(uri, 40, seed=1)
    again.set_epoch(3)
    third = [(w.track, w.start) for w in again]
    assert third == order(seed=1, epoch=3) != first
    agreements = sum(a == b for a, b in zip(first, third, strict=True))
    assert agreements < 10  # about one is to be expected


@settings(max_examples=40)
@given(st.integers(1, 1200), st.integers(0, (1 << 63) - 1))
def test_the_permutation_is_one(n, key):
    keys = np.arange(8, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    assert sorted(_permuted(np.arange(n, dtype=np.uint64), n, keys).tolist()) == list(range(n))


def test_batches_are_samples_of_the_whole_set(uri):
    """Counts of tracks in any tenth of an epoch are as for drawing without replacement: chi-square, at 1 in 10,000."""
    data = windows(uri, 10, 5, seed=7)
    weights = np.array([len(starts(n, 10, 5, "drop")) for n in SIZES.values()])
    drawn = len(data) // 10
    statistics = []
    for epoch in range(4):
        data.set_epoch(epoch)
        names = [w.track for w in data]
        for begin in range(0, drawn * 10, drawn):
            counts = collections.Counter(names[begin : begin + drawn])
            observed = np.array([counts[path] for path in SIZES])
            expected = weights * drawn / len(data)
            statistics.append((((observed - expected) ** 2) / expected).sum() / (1 - drawn / len(data)))
    free = len(SIZES) - 1
    assert max(statistics) < stats.chi2.ppf(1 - 1e-4, free)
    assert stats.chi2.ppf(1e-4, free * 40) < sum(statistics) < stats.chi2.ppf(1 - 1e-4, free * 40)


def test_neighbours_in_the_order_are_strangers():
    """Positions of successive indices: no correlation beyond chance, for sizes of all kinds."""
    for n in (300, 4096, 99_991):
        for epoch in range(3):
            keys = np.random.default_rng(epoch).integers(0, 1 << 63, 8, np.uint64)
            order = _permuted(np.arange(n, dtype=np.uint64), n, keys).astype(float)
            assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 4 / np.sqrt(n)
            assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 4 / np.sqrt(n)


def test_it_is_a_sequence(uri):
    data = windows(uri, 40, 20)
    listed = list(data)
    assert len(data) == len(listed)
    assert (data[3].track, data[-1].start) == (listed[3].track, listed[-1].start)
    assert [w.start for w in data[2:5]] == [w.start for w in listed[2:5]]
    assert [w.track for w in data.__getitems__([9, 0])] == [listed[9].track, listed[0].track]
    for outside in (len(data), -len(data) - 1):
        with pytest.raises(IndexError):
            data[outside]
    data[0].codes[:] = 0  # a trainer may


def test_workers_share_what_is_the_ranks(uri):
    data = windows(uri, 40, rank=1, world_size=2)
    shares = [list(data.worker(i, 3)) for i in range(3)]
    assert sorted((w.track, w.start) for s in shares for w in s) == sorted((w.track, w.start) for w in data)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_in_a_torch_worker_it_takes_its_share(uri, monkeypatch):
    """With what torch's module says in worker 1 of 2: torch itself is no dependency of ours."""
    module = types.ModuleType("torch.utils.data")
    module.get_worker_info = lambda: types.SimpleNamespace(id=1, num_workers=2)
    data = windows(uri, 40)
    expected = [(w.track, w.start) for w in data.worker(1, 2)]
    monkeypatch.setitem(sys.modules, "torch.utils.data", module)
    assert [(w.track, w.start) for w in data] == expected


def sums(data):
    return [int(w.codes.sum()) for w in data]


def test_it_pickles(uri):
    data = windows(uri, 40)
    first = sums(data)
    assert sums(pickle.loads(pickle.dumps(data))) == first


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(uri, method):
    data = windows(uri, 40)
    with multiprocessing.get_context(method).Pool(2) as pool:
        shares = pool.map(sums, [data.worker(i, 2) for i in range(2)])
    assert sorted(shares[0] + shares[1]) == sorted(sums(data))


def test_nothing_to_read_is_no_window(uri):
    data = windows(uri, 10_000)
    assert (len(data), list(data)) == (0, [])


@pytest.mark.parametrize(
    "wrong", [{"length": 0}, {"hop": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}, {"tail": "keep"}, {"split": "x"}]
)
def test_wrong_choices_are_said(uri, wrong):
    with pytest.raises(UsageError):
        windows(uri, **{"length": 10, **wrong})
