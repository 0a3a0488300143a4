"""What the figures of a benchmark say: medians, spread, ratios, the serial fraction, and tables of them."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped]

from fma_prep.benchmark.contenders import OURS

__all__ = ["FIRST_TEAM_S", "Amdahl", "Row", "Spread", "amdahl", "rows", "tables", "verdicts"]

# The published times of the first team's job, in seconds, by machine and by n of local[n].
FIRST_TEAM_S: dict[str, dict[int, float]] = {
    "m4.xlarge": {1: 701.93, 2: 388.93, 4: 196.20},
    "m4.2xlarge": {1: 666.75, 2: 338.39, 4: 222.46, 6: 204.36, 8: 194.87},
}
_DISTURBED_CPU_SHARE = 0.05  # of a run's processor time, used by others


class Spread(NamedTuple):
    """The median of some repetitions, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of `values`, which are not empty."""
        return cls(median(values), min(values), max(values))

    def show(self, digits: int = 1) -> str:
        """Return it as a table shows it: ``12.3 (12.1 to 13.0)``."""
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


class Row(NamedTuple):
    """One contender with one number of workers.

    `net_s` is `wall_s` less start-up, `ratio` and `net_ratio` how many times as long as ours it took in the same
    repetition, `speed_up` against its own one worker. A real-time factor is seconds of sound a second.
    """

    contender: str
    title: str
    workers: str
    wall_s: Spread
    start_s: Spread
    net_s: Spread
    cpu_s: Spread
    realtime: float
    net_realtime: float
    per_core: float
    speed_up: Spread | None
    ratio: Spread | None
    net_ratio: Spread | None
    output_bytes: int
    peak_bytes: int | None
    disturbed: int


class Amdahl(NamedTuple):
    """T(n) = parallel_s / n + serial_s, fitted by least squares; `serial` is the share of the second at n = 1."""

    serial: float
    serial_s: float
    parallel_s: float


def rows(results: Mapping[str, Any]) -> list[Row]:
    """Return a row for each contender and number of workers, in the order they were run."""
    runs: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for run in results["runs"]:
        at = runs.setdefault((run["contender"], run["workers"]), {}).setdefault(run["repetition"], {})
        at[run["kind"]] = run
    return [_row(results, runs, name, workers) for name, workers in runs]


def _row(results: Mapping[str, Any], runs: Mapping[tuple[str, str], Any], name: str, workers: str) -> Row:
    mine = runs[name, workers]
    wall, net = _seconds(mine, "whole"), _net(mine)
    audio_s = results["corpus"]["audio_s"]
    cores = int(workers) if workers.isdigit() else results["machine"]["cores"]
    wholes = [run["whole"] for run in mine.values()]
    peaks = [run["peak_bytes"] for run in wholes if run["peak_bytes"]]
    ours, alone = runs.get((OURS, workers)), runs.get((name, "1"))
    return Row(
        name,
        results["titles"][name],
        workers,
        Spread.of(list(wall.values())),
        Spread.of(list(_seconds(mine, "start").values())),
        Spread.of(list(net.values())),
        Spread.of([run["cpu_s"] for run in wholes]),
        audio_s / median(wall.values()),
        audio_s / median(net.values()),
        audio_s / median(wall.values()) / cores,
        _ratio(alone, mine, lambda run: _seconds(run, "whole")) if alone else None,
        _ratio(mine, ours, lambda run: _seconds(run, "whole")) if ours else None,
        _ratio(mine, ours, _net) if ours else None,
        wholes[0]["output_bytes"],
        max(peaks, default=None),
        sum((run["others_cpu_s"] or 0) > _DISTURBED_CPU_SHARE * run["cpu_s"] for run in wholes),
    )


def _seconds(runs: Mapping[int, Any], kind: str) -> dict[int, float]:
    return {repetition: run[kind]["wall_s"] for repetition, run in runs.items() if kind in run}


def _net(runs: Mapping[int, Any]) -> dict[int, float]:
    """Return whole times less start-up; never under a hundredth, where noise is larger than what is measured."""
    start, whole = _seconds(runs, "start"), _seconds(runs, "whole")
    usual = median(start.values())  # a smoke run measures it once
    return {n: max(wall_s - start.get(n, usual), wall_s / 100) for n, wall_s in whole.items()}


def _ratio(above: Any, below: Any, of: Callable[[Any], dict[int, float]]) -> Spread:
    """Return the spread of the ratio, each within one repetition."""
    a, b = of(above), of(below)
    return Spread.of([a[repetition] / b[repetition] for repetition in a if repetition in b])


def amdahl(times_s: Mapping[int, float]) -> Amdahl:
    """Fit Amdahl's law to times by number of workers.

    With two numbers of workers the fit is exact, and says nothing of how well the law holds.
    """
    workers = np.array(sorted(times_s), float)
    (serial, parallel), _ = nnls(np.stack([np.ones_like(workers), 1 / workers], 1), [times_s[int(n)] for n in workers])
    return Amdahl(float(serial / (serial + parallel)), float(serial), float(parallel))


def verdicts(results: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each contender that does more a core than this pipeline, or one that none does."""
    table = rows(results)
    ours = {row.workers: row for row in table if row.contender == OURS}
    said = []
    for row in table:
        mine = ours.get(row.workers)
        if mine is None or row.contender == OURS:
            continue
        if row.per_core > mine.per_core or row.net_realtime > mine.net_realtime:
            said.append(
                f"{row.title} [{row.workers}] beats fma_prep per core: {row.per_core:,.0f} against "
                f"{mine.per_core:,.0f} times real time with start-up, "
                f"{row.net_realtime:,.0f} against {mine.net_realtime:,.0f} in all without."
            )
    return said or ["No contender does more a core than fma_prep."]


def tables(results: Mapping[str, Any]) -> str:
    """Return the tables of a run in Markdown: times, costs, codes, cost per core."""
    corpus, machine = results["corpus"], results["machine"]
    head = [
        f"{corpus['tracks']} tracks, {corpus['audio_s'] / 3600:.2f} h of sound, {corpus['size_bytes'] / 1e6:,.0f} MB; "
        f"repetitions, interleaved: {results['repetitions']}; median (least to most).",
        f"Machine: {machine['cores']} cores of {machine['processor']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['system']}, Python {machine['python']}; commit {results['commit']}.",
    ]
    if results["smoke"]:
        head.insert(0, "**A smoke run: too short for its figures to mean anything.**")
    skipped = [f"{name} was skipped for want of: {', '.join(lacks)}." for name, lacks in results["skipped"].items()]
    parts = ["\n\n".join(head + skipped), _times(results), _costs(results), _codes(results), _alone(results)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _times(results: Mapping[str, Any]) -> str:
    header = "pipeline | workers | whole job, s | start-up, s | without start-up, s | times real time | per core | "
    header += "times as long as ours | … without start-up | speed-up"
    return _markdown(
        header.split(" | "),
        [
            [
                row.title,
                row.workers,
                row.wall_s.show(),
                row.start_s.show(),
                row.net_s.show(),
                f"{row.realtime:,.0f}",
                f"{row.per_core:,.0f}",
                row.ratio.show(2) if row.ratio else "",
                row.net_ratio.show(2) if row.net_ratio else "",
                row.speed_up.show(2) if row.speed_up else "",
            ]
            for row in rows(results)
        ],
    )


def _costs(results: Mapping[str, Any]) -> str:
    header = ["pipeline", "workers", "processor time, s", "peak memory, MB", "output, MB", "disturbed runs"]
    return _markdown(
        header,
        [
            [
                row.title,
                row.workers,
                row.cpu_s.show(),
                f"{row.peak_bytes / 1e6:,.0f}" if row.peak_bytes else "unknown",
                f"{row.output_bytes / 1e6:,.1f}",
                f"{row.disturbed} of {results['repetitions']}",
            ]
            for row in rows(results)
        ],
    )


def _codes(results: Mapping[str, Any]) -> str:
    header = ["codes of", "tracks", "same as ours", "within one level", "largest difference", "lengths differ by"]
    return _markdown(
        header,
        [
            [
                results["titles"][name],
                f"{found['tracks']}" + (f", {found['missing']} missing" if found["missing"] else ""),
                f"{found['identical']:.3%}",
                f"{found['within_one']:.3%}",
                f"{found['largest']} levels",
                f"{found['length']} samples",
            ]
            for name, found in results["codes"].items()
        ],
    )


def _alone(results: Mapping[str, Any]) -> str:
    lines = []
    for what, found in results["alone"].items():
        if what == "copy_bytes_per_s":
            lines.append(["memory copy", f"{found / 1e9:.1f} GB/s", "", ""])
            continue
        tracks = found["tracks"]
        audio_s, cpu_s = sum(t["audio_s"] for t in tracks), sum(t["cpu_s"] for t in tracks)
        each = Spread.of([t["audio_s"] / t["cpu_s"] for t in tracks if t["cpu_s"] > 0] or [float("inf")])
        peak = f"{found['peak_bytes'] / 1e6:,.0f}" if found["peak_bytes"] else "unknown"
        lines.append([what, f"{audio_s / max(cpu_s, 1e-9):,.0f}", each.show(0), peak])
    return _markdown(
        ["one process, no Spark", "times real time per core", "by track: median (least to most)", "peak memory, MB"],
        lines,
    )


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    table = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)
