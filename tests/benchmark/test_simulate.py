"""The simulation schedules as a cluster would: never faster than the work allows, never idle without a reason."""

import numpy as np
import pytest

from fma_prep.benchmark.simulate import Cluster, TrackCost, _run, fitted_cost, fma_full_lengths_s, simulate
from tests.benchmark.made import results

IDEAL = Cluster(
    start_s=0,
    end_s=0,
    list_s=0,
    latency_s=0,
    core_bytes_per_s=1e12,
    schedule_s=0,
    slow_share=0,
    jitter=0,
    retry_share=0,
)


def test_lengths_are_as_published():
    lengths = fma_full_lengths_s()
    assert len(lengths) == 106_574
    assert lengths.max() == 11_000
    assert lengths.sum() / 86_400 == pytest.approx(343, rel=0.01)


def test_the_cost_of_a_track_is_what_made_its_times():
    cost = fitted_cost(results())
    assert cost.track_s == pytest.approx(0.01)
    assert cost.sound_s == pytest.approx(0.002)


def test_equal_tasks_on_ideal_cores_take_what_division_says():
    bins = [np.array([i]) for i in range(12)]
    found = _run(TrackCost(0, 0.01), IDEAL, np.full(12, 100.0), bins, 4)
    assert found["tasks_s"] == pytest.approx(3)
    assert found["busy"] == pytest.approx(1)


def test_one_long_track_bounds_the_run():
    lengths = np.array([1000.0] + [1.0] * 99)
    found = _run(TrackCost(0, 0.01), IDEAL, lengths, [np.array([i]) for i in range(100)], 50)
    assert found["tasks_s"] == pytest.approx(10)


def test_the_network_bounds_a_fast_core():
    cluster = Cluster(**{**vars(IDEAL), "core_bytes_per_s": 266_000 / 8})
    found = _run(TrackCost(0, 0.001), cluster, np.array([100.0]), [np.array([0])], 1)
    assert found["tasks_s"] == pytest.approx(100)


@pytest.mark.slow
def test_balanced_partitions_are_worth_their_while():
    answers = simulate(TrackCost(0.01, 0.002), Cluster(), (64, 1024))
    total = {(a["partitions"], a["cores"]): a["tasks_s"] for a in answers}
    work_s = 106_574 * 0.01 + 343 * 86_400 * 0.002
    for (_, cores), tasks_s in total.items():
        assert tasks_s > 0.99 * work_s / cores
    assert total["balanced", 1024] < total["plain", 1024]
    assert total["balanced", 64] < 1.1 * work_s / 64
