"""Figures that are published must be what was measured: medians, ratios within a repetition, a fit that is Amdahl's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fma_prep.benchmark.analysis import amdahl, rows, tables, verdicts
from tests.benchmark.made import results, run


def row_of(table, contender, workers):
    return next(row for row in table if (row.contender, row.workers) == (contender, workers))


def test_a_row_holds_medians_and_spread():
    row = row_of(rows(results()), "fma_prep", "1")
    assert row.wall_s == (11, 10, 12)
    assert row.net_s == (9, 8, 10)
    assert row.realtime == pytest.approx(14_400 / 11)
    assert row.peak_bytes == 500_000_000


def test_ratios_are_taken_within_a_repetition():
    row = row_of(rows(results()), "original", "1")
    assert row.ratio == pytest.approx((10, 10, 10))
    assert row.net_ratio == pytest.approx((108 / 9, 118 / 10, 98 / 8))


def test_two_workers_count_as_two_cores():
    row = row_of(rows(results()), "fma_prep", "2")
    assert row.per_core == pytest.approx(14_400 / 6.6 / 2)
    assert row.speed_up == pytest.approx((1 / 0.6,) * 3)


def test_a_disturbed_run_is_counted():
    found = results()
    found["runs"][1]["others_cpu_s"] = 5.0
    assert row_of(rows(found), "fma_prep", "1").disturbed == 1


@given(st.floats(0, 1), st.floats(0.1, 1000))
def test_finds_the_serial_fraction_that_made_the_times(serial, one_s):
    times = {n: one_s * (serial + (1 - serial) / n) for n in (1, 2, 4, 8)}
    assert amdahl(times).serial == pytest.approx(serial, abs=1e-6)


def test_a_speed_up_beyond_ideal_has_no_negative_serial_fraction():
    assert amdahl({1: 10.0, 2: 4.0}).serial == 0


def test_says_who_is_faster_per_core():
    found = results()
    assert verdicts(found) == ["No contender does more a core than fma_prep."]
    found["titles"]["soxr"] = "soxr"
    for repetition in range(3):
        found["runs"] += [run("soxr", "1", repetition, "start", 0.3), run("soxr", "1", repetition, "whole", 5.0)]
    (sentence,) = verdicts(found)
    assert sentence.startswith("soxr [1] beats fma_prep per core: 2,880 against 1,309 times real time")


def test_tables_tell_what_was_left_out_and_what_is_smoke():
    assert "torchaudio was skipped for want of: torchaudio." in tables(results())
    assert "smoke" not in tables(results())
    assert tables(results(smoke=True)).startswith("**A smoke run")


def test_tables_have_a_cell_for_every_column():
    for table in tables(results()).split("\n\n"):
        lines = table.strip().splitlines()
        if lines[0].startswith("|"):
            assert len({line.count(" |") for line in lines[2:]} | {lines[0].count(" |")}) == 1
