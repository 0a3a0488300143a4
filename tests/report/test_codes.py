"""Entropy is what a person compares a model's loss with: it must be the textbook's, on every sample there is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fma_prep.dataset.storage import open_store
from fma_prep.report.codes import CodeCounts, count_codes
from fma_prep.report.collect import Place, collect


def counts_of(codes):
    codes = np.asarray(codes, np.int64)
    pairs = np.bincount(codes[:-1] * 256 + codes[1:], minlength=65536).reshape(256, 256)
    return CodeCounts(np.bincount(codes, minlength=256), pairs, 1, 1, True)


def test_the_entropy_of_uniform_codes_is_8_bits():
    assert counts_of(np.arange(256)).entropy_bits == pytest.approx(8)


def test_the_entropy_of_silence_is_nothing():
    assert (counts_of([128] * 100).entropy_bits, counts_of([128] * 100).next_entropy_bits) == (0, 0)


def test_a_biased_coin_has_the_textbook_entropy():
    assert counts_of([0] * 30 + [1] * 10).entropy_bits == pytest.approx(0.8112781)


def test_what_only_alternates_is_known_from_the_code_before():
    found = counts_of([7, 9] * 500)
    assert found.entropy_bits == pytest.approx(1)
    assert found.next_entropy_bits == pytest.approx(0)


@given(st.lists(st.integers(0, 255), min_size=2, max_size=200))
def test_knowing_the_code_before_never_hurts(codes):
    circular = [*codes, codes[0]]  # so that both are over the same codes
    pairs = counts_of(circular)
    single = counts_of(codes)
    assert pairs.next_entropy_bits <= single.entropy_bits + 1e-9


def test_counts_every_sample_of_a_small_dataset(dataset):
    store = open_store(str(dataset))
    found = count_codes(store, collect(store).places)
    expected = np.zeros(256, np.int64)
    for line in map(json.loads, (dataset / "_manifest.jsonl").read_text().splitlines()):
        if line["status"] == "done":
            raw = (dataset / line["shard"]).read_bytes()[line["codes_offset"] :][: line["n_samples"]]
            expected += np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    assert found.whole
    assert np.array_equal(found.single, expected)


def test_samples_a_large_dataset_and_says_so(dataset):
    store = open_store(str(dataset))
    one = collect(store).places[0]
    places = [Place(str(i), one.shard, one.offset, one.n_samples, one.sample_rate, False) for i in range(1000)]
    found = count_codes(store, places, at_most_bytes=20 * one.n_samples)
    assert not found.whole
    assert (found.tracks, found.of_tracks) == (20, 1000)
    assert found.single.sum() == 20 * one.n_samples
