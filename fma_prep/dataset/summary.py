"""What a dataset is, in numbers and in names: `_summary.json` and `_ATTRIBUTION.csv`."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ATTRIBUTION_COLUMNS", "Summary", "attribution", "summarise"]

ATTRIBUTION_COLUMNS = ("track", "title", "artist", "album", "licence", "licence_url", "page_url", "file_url")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run


@dataclass
class Summary:
    """A dataset in numbers.

    Attributes
    ----------
    ok : bool
        Whether the run may say that it succeeded.
    tracks, done, failed, silent, with_warnings : int
    hours : float
        Of audio in the dataset.
    hours_by_licence, hours_by_split : dict
        By SPDX identifier, ``"unknown"`` where there is none.
    failures : dict
        ``"stage: reason"`` -> how many tracks, the most frequent first.
    codes_bytes, source_bytes, shards : int
    seconds : dict
        Spent by stage, over all tasks.
    """

    ok: bool = False
    tracks: int = 0
    done: int = 0
    failed: int = 0
    silent: int = 0
    with_warnings: int = 0
    hours: float = 0.0
    hours_by_licence: dict[str, float] = field(default_factory=dict)
    hours_by_split: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    codes_bytes: int = 0
    source_bytes: int = 0
    shards: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def summarise(lines: Iterable[Mapping[str, Any]], seconds: Mapping[str, float], max_failed: float) -> Summary:
    """Return the numbers of manifest lines.

    Parameters
    ----------
    lines : iterable of dict
    seconds : mapping
        Spent by stage.
    max_failed : float, 0 to 1
        The part of all listed tracks that may fail in a run that succeeded; at least one must be done.
    """
    summary = Summary(seconds={k: round(v, 3) for k, v in sorted(seconds.items())})
    failures: Counter[str] = Counter()
    shards = set()
    licences: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    for line in lines:
        summary.tracks += 1
        summary.source_bytes += line["size_bytes"]
        if line["status"] != "done":
            failures[f"{line['stage']}: {line['reason']}"] += 1
            continue
        seconds_of_audio = line["n_samples"] / line["sample_rate"]
        summary.done += 1
        summary.silent += bool(line["silent"])
        summary.with_warnings += bool(line["warnings"])
        summary.codes_bytes += line["n_samples"]
        licences[line.get("licence") or "unknown"] += seconds_of_audio
        splits[line.get("split") or "unknown"] += seconds_of_audio
        shards.add(line["shard"])
    summary.failed, summary.shards = summary.tracks - summary.done, len(shards)
    summary.failures = dict(failures.most_common(50))
    summary.hours = round(sum(licences.values()) / 3600, 6)
    summary.hours_by_licence = {k: round(s / 3600, 6) for k, s in licences.most_common()}
    summary.hours_by_split = {k: round(s / 3600, 6) for k, s in splits.most_common()}
    summary.ok = summary.done > 0 and summary.failed <= max_failed * summary.tracks
    return summary


def attribution(lines: Iterable[Mapping[str, Any]], provenance: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return who made each track of the dataset and under which licence, as CSV (UTF-8, a header line)."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(ATTRIBUTION_COLUMNS)
    for line in lines:
        if line["status"] == "done":
            known = {**provenance.get(line["track"], {}), **line}
            cells = (known.get(c) for c in ATTRIBUTION_COLUMNS)
            table.writerow("" if cell is None else _inert(str(cell)) for cell in cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
