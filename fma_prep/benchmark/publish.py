"""docs/performance.md, from the results of one run: no figure in it is typed by hand."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment

from fma_prep.benchmark import charts, simulate
from fma_prep.benchmark.analysis import FIRST_TEAM_S, Row, amdahl, rows, tables, verdicts
from fma_prep.benchmark.contenders import ORIGINAL, OURS
from fma_prep.errors import UsageError

__all__ = ["publish"]

_LEAST_S = 4 * 3600
_MEAN_SONG_S = 343 * 86_400 / 106_574
_NETWORK_BYTES_PER_S = 10e9 / 8
_WHY = (
    "What wins per core decodes with libsndfile (mpg123), or leaves out Spark's start-up. libsndfile pads a truncated "
    "MP3 with silence and says nothing; that is why PyAV stays the default."
)


def publish(results: Mapping[str, Any], folder: Path) -> Path:
    """Write ``performance.md`` into `folder`, and what it shows into ``performance/``; return the page.

    Raises
    ------
    UsageError
        If the results are too short to be published.
    """
    if results["smoke"] or results["corpus"]["audio_s"] < _LEAST_S - 60:
        raise UsageError("takes at least four hours of audio", "--publish", "A smoke run says nothing about speed.")
    shown = folder / "performance"
    charts.draw(results, shown)
    found = simulate.simulation(results, simulate.Cluster())
    charts.save(shown / "simulation.png", found, simulate.chart)
    (shown / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page = folder / "performance.md"
    page.write_text(text(results, simulate.table(found)))
    return page


def text(results: Mapping[str, Any], simulation: str) -> str:
    """Return the page in Markdown."""
    template = (files(__package__) / "performance.md.j2").read_text("utf-8")
    environment = Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701  # Markdown, of our own figures
    mine = _best(results)
    per_core = mine.net_realtime
    bytes_per_audio_s = results["corpus"]["size_bytes"] / results["corpus"]["audio_s"]
    network = _NETWORK_BYTES_PER_S / bytes_per_audio_s
    bounds = [(f"{what} alone", speed, per_core / speed) for what, speed in _alone(results).items()]
    return environment.from_string(template).render(
        r=results,
        date=f"{datetime.fromtimestamp(results['started'], UTC):%Y-%m-%d}",
        tables=tables(results),
        said=_said(results),
        first_team=[(m, n, s, times[1] / s) for m, times in FIRST_TEAM_S.items() for n, s in times.items()],
        bounds=[*bounds, ("network, 10 Gbit/s for the whole node", network, per_core / network)],
        network_cores=int(network / per_core),
        costs=[
            ("1,000 songs", 1000 * _MEAN_SONG_S / 3600, 1000 * _MEAN_SONG_S / 3600 / per_core),
            ("fma_full, 106,574 songs", 343 * 24, 343 * 24 / per_core),
        ],
        simulation=simulation,
    )


def _best(results: Mapping[str, Any]) -> Row:
    """Return our row with fewest workers: the one that says most about a core."""
    return min((row for row in rows(results) if row.contender == OURS), key=lambda row: int(row.workers))


def _alone(results: Mapping[str, Any]) -> dict[str, float]:
    """Return times real time per core of what was done without Spark, and of copying the decoded sound in memory."""
    found = {}
    for what in ("decode", "digitize", "subband", "original"):
        if what in results["alone"]:
            tracks = results["alone"][what]["tracks"]
            found[what] = sum(t["audio_s"] for t in tracks) / sum(t["cpu_s"] for t in tracks)
    stereo_bytes_per_s = 44_100 * 2 * 4
    found["copying the decoded samples in memory"] = results["alone"]["copy_bytes_per_s"] / stereo_bytes_per_s
    return found


def _said(results: Mapping[str, Any]) -> list[str]:
    table = rows(results)
    said = [
        f"At local[{row.workers}] the original takes {row.ratio.show(2)} times as long as fma_prep, start-up "
        f"included; {row.net_ratio.show(2)} times without."
        for row in table
        if row.contender == ORIGINAL and row.ratio and row.net_ratio
    ]
    for name in dict.fromkeys(row.contender for row in table):
        times = {int(row.workers): row.net_s.median for row in table if row.contender == name and row.workers.isdigit()}
        if len(times) > 1:
            title = results["titles"][name]
            said.append(f"Serial fraction of {title}, start-up apart (Amdahl): {amdahl(times).serial:.1%}.")
    each = _alone(results)
    if "digitize" in each:
        said.append(f"`digitize` alone, without Spark: {each['digitize']:,.0f} times real time per core.")
    beaten = verdicts(results)
    said += beaten
    if any("beats" in sentence for sentence in beaten):
        said.append(_WHY)
    start_s = median(row.start_s.median for row in table if row.contender == OURS)
    said.append(f"Starting Spark, its workers and their imports takes {start_s:.1f} s, whatever the work.")
    return said
