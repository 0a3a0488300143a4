"""The charts: what is drawn is what was measured, and follows the page's colours."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fma_prep.report import figures
from fma_prep.report.collect import Task

CHARTS = {
    "histogram": lambda: figures.histogram("a", [1.0, 2.0, 50.0], "length, s", log=True),
    "one value": lambda: figures.histogram("a", [1.0], "peak"),
    "bars": lambda: figures.bars("b", {"R&B <b>$$\n": 3, **{f"genre {i}": 2 for i in range(30)}}, "tracks"),
    "codes": lambda: figures.code_histogram(np.arange(256)),
    "stages": lambda: figures.stages({"decode": 3.0, "new": 1.0, "read": 0.5}),
    "timeline": lambda: figures.timeline([Task(f"host {i % 3}", i, i + 2.5, 4, "") for i in range(20)]),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_whole_named_and_has_no_colour_of_its_own(name):
    svg = CHARTS[name]()
    root = ElementTree.fromstring(svg)  # noqa: S314  # our own
    assert root.get("role") == "img"
    assert len(root.get("aria-label")) > 10
    assert not re.findall(r"#[0-9a-fA-F]{6}", svg), "a colour that does not follow the theme"
    assert "http" not in svg.replace("http://www.w3.org", "")


def test_small_bars_are_summed_not_lost():
    svg = figures.bars("b", {f"genre {i:02d}": 30 - i for i in range(30)}, "tracks")
    shown = sum(30 - i for i in range(11))
    assert f"19 others {sum(range(1, 31)) - shown}" in svg


tasks = st.builds(
    lambda host, start, length: Task(f"h{host}", float(start), float(start + length), 1, ""),
    st.integers(0, 3),
    st.integers(0, 100),
    st.integers(1, 30),
)


@given(st.lists(tasks, min_size=1, max_size=60))
def test_no_two_tasks_of_a_row_are_at_the_same_time(found):
    found.sort(key=lambda task: task.start)
    rows = figures._rows(found)
    last, host_of = {}, {}
    for row, task in zip(rows, found, strict=True):
        assert last.get(row, -1) <= task.start
        assert host_of.setdefault(row, task.host) == task.host
        last[row] = task.end
    assert set(rows) == set(range(len(set(rows))))
