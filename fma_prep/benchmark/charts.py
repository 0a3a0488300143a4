"""The figures of a benchmark as PNGs, each with units, a title, and a caption that says what to see."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fma_prep.benchmark.analysis import FIRST_TEAM_S, Row, amdahl, rows
from fma_prep.benchmark.contenders import OURS

__all__ = ["draw", "save"]

# As many as there are stages: none may stand for two.
_COLOURS = "#0b6e99 #c2571a #3d8c40 #8a4fa3 #8c6d1f #5f6b7a #b03060 #17a2a2 #e0a020 #999999".split()
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.dpi": 130,
    "axes.prop_cycle": cycler(color=_COLOURS),
}
_STAGES = ("list", "read", "decode", "resample", "quantize", "write", "commit")


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what `results` hold; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    charts: dict[str, tuple[Callable[[Axes, Mapping[str, Any]], str], bool]] = {
        "speed": (_speed, True),
        "scaling": (_scaling, True),
        "stages": (_stages, any(run["stages"] for run in results["runs"])),
        "growth": (_growth, bool(results.get("growth"))),
    }
    smoke = "SMOKE RUN, too short to mean anything. " if results["smoke"] else ""
    return [save(folder / f"{name}.png", results, chart, smoke) for name, (chart, there) in charts.items() if there]


def save(path: Path, results: Mapping[str, Any], chart: Callable[[Axes, Any], str], before: str = "") -> Path:
    """Draw one chart, its caption beneath, and write it."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 5), layout="constrained")
        caption = chart(figure.subplots(), results)
        figure.supxlabel(before + caption, fontsize=8.5, x=0.01, ha="left", wrap=True)
        figure.savefig(path)
    return path


def _speed(axes: Axes, results: Mapping[str, Any]) -> str:
    table = rows(results)[::-1]
    labels = [f"{row.title}, {row.workers}" for row in table]
    audio_s = results["corpus"]["audio_s"]
    speeds = np.array([row.realtime for row in table])
    spread = np.array([[audio_s / row.wall_s.most, audio_s / row.wall_s.least] for row in table]).T
    colours = ["#c2571a" if row.contender == OURS else "#0b6e99" for row in table]
    axes.barh(labels, speeds, color=colours, xerr=np.abs(spread - speeds), ecolor="#444444", capsize=3)
    for place, (row, speed) in enumerate(zip(table, spread[1], strict=True)):
        axes.text(speed, place, f"  {row.realtime:,.0f}", va="center", fontsize=8)
    axes.set(title="Whole job, start-up included", xlabel="times real time (seconds of sound a second)")
    axes.margins(x=0.12)
    return "Longer is faster. The thin line is the spread over the repetitions; the number is that of workers."


def _scaling(axes: Axes, results: Mapping[str, Any]) -> str:
    said, most = [], 2
    for name in dict.fromkeys(row.contender for row in rows(results)):
        mine = [row for row in rows(results) if row.contender == name and row.workers.isdigit()]
        times = {int(row.workers): row.wall_s.median for row in mine}
        if 1 not in times or len(times) < 2:
            continue
        most = max(most, *times)
        (line,) = axes.plot(list(times), [times[1] / t for t in times.values()], "o", label=mine[0].title)
        fit, n = amdahl(times), np.linspace(1, 8, 100)
        axes.plot(n, times[1] / (fit.serial_s + fit.parallel_s / n), "--", color=line.get_color(), lw=1)
        said.append(f"{mine[0].title} {fit.serial:.1%}")
    for machine, times in FIRST_TEAM_S.items():
        axes.plot(list(times), [times[1] / t for t in times.values()], "x:", ms=5, lw=1, label=f"published, {machine}")
    axes.plot([1, 8], [1, 8], color="#999999", lw=1, label="ideal")
    axes.set(title="Speed-up over one worker", xlabel="workers", ylabel="times as fast as one worker")
    axes.legend(fontsize=7, frameon=False)
    return (
        f"Dots are measured, dashes are Amdahl's law fitted to them; serial fraction: {', '.join(said)}. "
        "The first team's published times levelled off at 3.4."
    )


def _stages(axes: Axes, results: Mapping[str, Any]) -> str:
    mine = [row for row in rows(results) if row.contender == OURS and row.workers.isdigit()]
    labels, left = [f"local[{row.workers}]" for row in mine][::-1], np.zeros(len(mine))
    for stage, seconds in _stage_seconds(results, mine).items():
        axes.barh(labels, seconds[::-1], left=left, label=stage)
        left += seconds[::-1]
    axes.set(title="Where fma_prep's time goes", xlabel="seconds, of all workers together")
    axes.legend(ncols=4, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.12))
    return (
        "start is a run on one-second tracks. It, list and commit are the driver's, and count for each worker, as "
        "all wait; other is what no stage accounts for: waiting for the last task, and Spark itself."
    )


def _stage_seconds(results: Mapping[str, Any], mine: list[Row]) -> dict[str, Any]:
    """Return, for each stage, its seconds by row, with what is left over."""
    found = [_median_stages(results, row.workers) for row in mine]
    names = [stage for stage in _STAGES if any(stage in f for f in found)]
    names += sorted({stage for f in found for stage in f} - set(names))
    stages = {"start": np.array([row.start_s.median * int(row.workers) for row in mine])}
    stages |= {name: np.array([f.get(name, 0.0) for f in found]) for name in names}
    whole = np.array([row.wall_s.median * int(row.workers) for row in mine])
    return stages | {"other": np.maximum(0, whole - sum(stages.values()))}


def _median_stages(results: Mapping[str, Any], workers: str) -> dict[str, float]:
    runs = [r for r in results["runs"] if (r["contender"], r["workers"], r["kind"]) == (OURS, workers, "whole")]
    each = [
        run["stages"] | {stage: seconds * int(workers) for stage, seconds in run["driver_stages"].items()}
        for run in runs
    ]
    return {stage: float(np.median([stages[stage] for stages in each])) for stage in each[0]}


def _growth(axes: Axes, results: Mapping[str, Any]) -> str:
    grown = results["growth"]["seconds"]
    songs = sorted({int(n) for times in grown.values() for n in times})
    for what, times in grown.items():
        axes.plot(songs, [times[str(n)] for n in songs], "o-", label=what)
    axes.set(title="Time by number of songs", xlabel="songs", ylabel="seconds, start-up included")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(songs, list(map(str, songs)))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False)
    return f"{results['growth']['caption']} A straight line at 45° would be proportional; a flat one is start-up."
