"""The charts of a benchmark are drawn from its results alone."""

import pytest

from fma_prep.benchmark import charts, simulate
from tests.benchmark.made import results


@pytest.mark.slow
def test_draws_all_that_there_is(tmp_path):
    found = results(growth={"seconds": {"digitising": {"10": 3.0, "20": 4.0}}, "caption": "Songs."})
    drawn = charts.draw(found, tmp_path / "new")
    assert [path.name for path in drawn] == ["speed.png", "scaling.png", "stages.png", "growth.png"]
    assert all(path.stat().st_size > 10_000 for path in drawn)


@pytest.mark.slow
def test_draws_a_simulation(tmp_path):
    cost = {"track_s": 0.01, "sound_s": 0.002}
    answers = [
        {"partitions": name, "cores": n, "total_s": 400 + 1e5 / n, "tasks_s": 1e5 / n, "dollars": 5}
        for name in ("balanced", "plain")
        for n in simulate.CORES
    ]
    found = {"cost": cost, "cluster": {}, "answers": answers}
    assert charts.save(tmp_path / "s.png", found, simulate.chart).stat().st_size > 10_000
