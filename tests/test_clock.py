"""Seconds by stage."""

import time

from fma_prep.clock import Clock


def test_a_stage_inside_anothers_iteration_counts_for_itself_only():
    clock = Clock("decode", "never")

    def decoded():
        for i in range(3):
            time.sleep(0.02)
            yield i

    def resampled():
        for i in clock.during("decode", decoded()):
            time.sleep(0.01)
            yield -i

    started = time.perf_counter()
    assert list(clock.during("resample", resampled())) == [0, -1, -2]
    took_s = time.perf_counter() - started
    assert set(clock.seconds) == {"decode", "never", "resample"}
    assert clock.seconds["decode"] >= 0.06
    assert clock.seconds["resample"] >= 0.03
    assert clock.seconds["decode"] + clock.seconds["resample"] <= took_s
    assert clock.seconds["never"] == 0


def test_a_stage_that_fails_is_over():
    clock = Clock()
    try:
        with clock("list"):
            raise KeyError
    except KeyError:
        pass
    with clock("commit"):
        pass
    listed_s = clock.seconds["list"]
    with clock("commit"):
        time.sleep(0.01)
    assert clock.seconds["list"] == listed_s
    assert clock.seconds["commit"] >= 0.01


def test_nothing_is_lost_of_what_passes_through():
    assert list(Clock().during("any", [None, 0, [], False])) == [None, 0, [], False]
