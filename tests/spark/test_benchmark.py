"""The benchmark, run for real on seconds of sound: what it says of times is noise, of codes it is the truth."""

import pytest

from fma_prep.benchmark import corpus
from fma_prep.benchmark.analysis import rows, tables
from fma_prep.benchmark.run import Settings, benchmark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    tracks = corpus.make(folder, corpus.planned(12, 3, seed=0), 1)
    settings = Settings(tracks, folder, folder / "work", ("fma_prep", "original"), ("2",), repetitions=1, smoke=True)
    return benchmark(settings)


def test_both_have_the_same_codes(results):
    codes = results["codes"]
    assert {name: (found["tracks"], found["missing"], found["length"]) for name, found in codes.items()} == {
        "fma_prep": (4, 0, 0),
        "original": (4, 0, 0),
    }
    assert codes["fma_prep"]["identical"] == 1
    assert codes["original"]["within_one"] > 0.999


def test_all_that_ran_was_counted(results):
    for row in rows(results):
        assert row.wall_s.median > row.start_s.median / 2
        assert row.cpu_s.median > 2
        assert row.peak_bytes > 100e6
    ours, original = rows(results)
    assert original.output_bytes > 4 * ours.output_bytes


def test_stages_and_tracks_are_measured(results):
    whole = next(run for run in results["runs"] if (run["contender"], run["kind"]) == ("fma_prep", "whole"))
    assert {"read", "decode", "resample", "quantize"} <= set(whole["stages"])
    assert set(whole["driver_stages"]) == {"list", "commit"}
    assert 0 < sum(whole["driver_stages"].values()) < whole["wall_s"]
    assert len(results["alone"]["digitize"]["tracks"]) == 4
    assert "A smoke run" in tables(results)
