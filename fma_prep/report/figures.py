"""The charts of the report page, as SVG whose colours are the page's own, light or dark."""

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fma_prep.errors import printable
from fma_prep.report.collect import Task

__all__ = ["bars", "code_histogram", "histogram", "stages", "timeline"]

# What matplotlib draws with -> the page's CSS variable. No chart has another colour.
INK, MAIN, ODD, CARD = "#010203", "#010204", "#010205", "#01020c"
SHADES = ("#010206", "#010207", "#010208", "#010209", "#01020a", "#01020b")
_VARIABLES = {INK: "--ink", MAIN: "--main", ODD: "--odd", CARD: "--card"} | {
    s: f"--shade-{i}" for i, s in enumerate(SHADES)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read, searched and scaled
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a genre may be called $$
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_WIDTH_IN, _HEIGHT_IN = 4.8, 2.6
_MOST_BARS = 12
_STAGES = ("read", "decode", "resample", "quantize", "write", "commit")
_MOST_TASKS = 1500
_IDS = re.compile(r' id="(?![mp][0-9a-f]{10}")[^"]*"')  # all but those of markers and clips, which are referred to


def _svg(name: str, label: str, draw: Callable[[Axes], None], height_in: float = _HEIGHT_IN) -> str:
    """Return one chart as an SVG element; `label` says to a screen reader what it shows."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):  # else ids of two charts on a page may be the same
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    svg = _IDS.sub("", svg[svg.index("<svg") :])
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\n\s*", "\n", svg).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    title = printable(label).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return re.sub(
        r'<svg .*?viewBox="([^"]*)".*?>',
        rf'<svg role="img" aria-label="{title}" viewBox="\1">',
        svg,
        count=1,
        flags=re.DOTALL,
    )


def histogram(name: str, values: Sequence[float], x_label: str, *, log: bool = False) -> str:
    """Return how `values` are distributed over tracks."""
    found = np.asarray(values, float)
    bins = int(np.clip(len(found), 8, 40))
    low, high, middle = found.min(), found.max(), np.median(found)
    log = log and low > 0 and high > 10 * low
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high if high > low else low + 1, bins + 1)

    def draw(axes: Axes) -> None:
        axes.hist(found, edges.tolist(), color=MAIN)
        axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.axvline(middle, color=ODD, lw=1)
        axes.set(xlabel=x_label, ylabel="tracks", xscale="log" if log else "linear")
        if log:
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter("")

    return _svg(name, f"Histogram of {x_label}: from {low:.4g} to {high:.4g}, median {middle:.4g}", draw)


def bars(name: str, counts: Mapping[str, float], x_label: str) -> str:
    """Return horizontal bars, the largest first; small ones are summed as "other"."""
    most = Counter({printable(key): value for key, value in counts.items()}).most_common()
    shown = most if len(most) <= _MOST_BARS else most[: _MOST_BARS - 1]
    if len(most) > len(shown):
        shown = [*shown, (f"{len(most) - len(shown)} others", sum(value for _, value in most[len(shown) :]))]
    labels = [label if len(label) <= 26 else label[:25] + "…" for label, _ in shown]
    values = [value for _, value in shown]

    def draw(axes: Axes) -> None:
        places = np.arange(len(values))[::-1]
        axes.barh(places, values, color=MAIN, height=0.7)
        axes.set_yticks(places, labels)
        axes.set(xlabel=x_label)
        for place, value in zip(places, values, strict=True):
            text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
            axes.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", size=9)
        axes.margins(x=0.15)

    said = ", ".join(f"{label} {value:,.4g}" for label, value in shown)
    return _svg(name, f"{x_label}: {said}", draw, 0.7 + 0.26 * max(2, len(values)))


def code_histogram(counts: NDArray[np.int64]) -> str:
    """Return how common each of the 256 codes is."""
    share = counts / max(1, counts.sum()) * 100

    def draw(axes: Axes) -> None:
        axes.stairs(share, np.arange(257) - 0.5, fill=True, color=MAIN)
        axes.set(xlabel="code", ylabel="% of all samples", xlim=(-1, 256))
        axes.set_xticks([0, 64, 128, 192, 255])

    top = int(share.argmax())
    return _svg("codes", f"Histogram of the 256 codes; the most common is {top} with {share[top]:.2f} %", draw)


def stages(seconds: Mapping[str, float]) -> str:
    """Return where the workers' time went, one bar of parts."""

    def draw(axes: Axes) -> None:
        left = 0.0
        known = [stage for stage in _STAGES if stage in seconds]
        ordered = [*known, *sorted(set(seconds) - set(known))]
        for shade, stage in zip(SHADES * 3, ordered, strict=False):
            value = seconds[stage]
            axes.barh([0], [value], left=left, color=shade, label=f"{stage} {value / max(1e-9, total):.0%}")
            left += value
        axes.set(xlabel="seconds, of all tasks together", yticks=[])
        axes.spines["left"].set_visible(False)
        axes.legend(ncols=3, fontsize=9, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1))

    total = sum(seconds.values())
    said = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
    return _svg("stages", f"Time by stage: {said}", draw, 1.8)


def timeline(tasks: Sequence[Task], seed: int = 0) -> str:
    """Return the tasks over time, a row for each that a host ran at once; stragglers in another colour.

    Of more than 1,500 tasks, the longest 200 and a random choice of the others are drawn.
    """
    shown = list(tasks)
    if len(shown) > _MOST_TASKS:
        by_length = sorted(shown, key=lambda task: task.start - task.end)
        others = np.random.default_rng(seed).permutation(len(shown) - 200)[: _MOST_TASKS - 200]
        shown = sorted(by_length[:200] + [by_length[200 + i] for i in others], key=lambda task: task.start)
    began, usual = min(task.start for task in tasks), median(task.end - task.start for task in tasks)
    rows = _rows(shown)
    count = 1 + max(rows)
    edge = 1.0 if len(shown) <= 200 else 0.2
    hosts = {row: task.host for row, task in zip(rows, shown, strict=True)}

    def draw(axes: Axes) -> None:
        for row, task in zip(rows, shown, strict=True):
            took = task.end - task.start
            colour = ODD if took > 2 * usual else MAIN
            axes.add_patch(
                Rectangle((task.start - began, row - 0.4), took, 0.8, facecolor=colour, edgecolor=CARD, lw=edge)
            )
        axes.set(xlim=(0, max(task.end for task in tasks) - began), ylim=(count - 0.5, -0.5), xlabel="seconds")
        first = {host: row for row, host in reversed(hosts.items())}
        if len(first) <= 24:
            axes.set_yticks(list(first.values()), [printable(host)[:18] for host in first], size=9)
        else:
            axes.set(yticks=[], ylabel=f"{len(first)} hosts")

    slow = sum(task.end - task.start > 2 * usual for task in tasks)
    label = f"{len(tasks)} tasks on {len(set(hosts.values()))} hosts; median {usual:.1f} s, {slow} took over twice that"
    return _svg("timeline", label, draw, min(6.0, 0.8 + 0.22 * max(4, count)))


def _rows(tasks: Sequence[Task]) -> list[int]:
    """Return a row for each task, such that no two in a row are at the same time; rows of one host are together."""
    ends: dict[str, list[float]] = {}
    places = []
    for task in tasks:
        free = ends.setdefault(task.host, [])
        row = next((i for i, end in enumerate(free) if end <= task.start), len(free))
        free[row : row + 1] = [task.end]
        places.append((task.host, row))
    first = dict(zip(ends, np.cumsum([0, *map(len, ends.values())]).tolist(), strict=False))
    return [first[host] + row for host, row in places]
