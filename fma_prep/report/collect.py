"""Reads a dataset's metadata in one pass, and keeps what a page has to say about it."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fma_prep.dataset.storage import Store
from fma_prep.errors import DatasetError, NotFoundError, printable
from fma_prep.progress import progress

__all__ = ["Failure", "Overview", "Place", "Task", "collect"]

_NUMBER = re.compile(r"\d[\d,.]*")
_READERS = 32  # commit records are small: reading them one by one from S3 would take minutes
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """A track that failed: its path and the reason given."""

    track: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the codes of a track lie, and whom to name when it is played."""

    track: str
    shard: str
    offset: int
    n_samples: int
    sample_rate: int
    silent: bool
    credit: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the run: on which host, from when to when (seconds since 1970), and how many tracks."""

    host: str
    start: float
    end: float
    tracks: int
    shard: str


@dataclass
class Overview:
    """A dataset's metadata, counted.

    Attributes
    ----------
    finished : bool
        Whether there is a ``_SUCCESS``.
    failures : dict
        By stage and reason, numbers in it replaced by "…": the tracks that failed so.
    sources : dict
        By the source's hash: tracks with the same bytes, where there are several.
    lengths_s, peaks, bit_rates_bps : list of float
        Of the tracks that are done.
    hours_by_licence, hours_by_genre : Counter
        A track of several genres counts in each.
    """

    uri: str
    finished: bool = False
    summary: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    input_uri: str = ""
    tracks: int = 0
    done: int = 0
    audio_s: float = 0.0
    source_bytes: int = 0
    codes_bytes: int = 0
    failures: dict[tuple[str, str], list[Failure]] = field(default_factory=lambda: defaultdict(list))
    warnings: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    clipped: list[tuple[str, int]] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    lengths_s: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    bit_rates_bps: list[float] = field(default_factory=list)
    rates_hz: Counter[int] = field(default_factory=Counter)
    codecs: Counter[str] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    hours_by_licence: Counter[str] = field(default_factory=Counter)
    hours_by_genre: Counter[str] = field(default_factory=Counter)
    places: list[Place] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    stages_s: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """How many tracks failed."""
        return sum(map(len, self.failures.values()))

    @property
    def hours_with_licence(self) -> float:
        """Hours of sound whose licence is known."""
        return sum(self.hours_by_licence.values()) - self.hours_by_licence[UNKNOWN]


def collect(store: Store) -> Overview:
    """Read the metadata of the dataset in `store`.

    Raises
    ------
    NotFoundError
        If there is no manifest: the run has not come that far, or this is no dataset.
    DatasetError
        If a line of it is not JSON.
    """
    overview = Overview(store.uri, finished=store.exists("_SUCCESS"))
    by_source: dict[str, list[str]] = defaultdict(list)
    for line in _manifest(store):
        _count(overview, line, by_source)
    overview.duplicates = sorted(tracks for tracks in by_source.values() if len(tracks) > 1)
    overview.clipped.sort(key=lambda item: -item[1])
    if store.exists("_summary.json"):
        overview.summary = json.loads(store.read("_summary.json"))
        overview.stages_s.update(overview.summary.get("driver_seconds", {}))
    _read_commits(overview, store, {place.shard for place in overview.places})
    return overview


def _manifest(store: Store) -> Iterator[dict[str, Any]]:
    try:
        file = store.open("_manifest.jsonl")
    except NotFoundError as e:
        raise NotFoundError("holds no manifest", store.uri, "Is it a dataset, and has its run ended?") from e
    with file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as e:
                raise DatasetError(f"line {number} of the manifest is not JSON", store.uri) from e


def _count(overview: Overview, line: dict[str, Any], by_source: dict[str, list[str]]) -> None:
    overview.tracks += 1
    overview.source_bytes += line["size_bytes"] or 0
    overview.warnings.update(_NUMBER.sub("…", warning) for warning in line.get("warnings") or ())
    if line.get("sha256"):
        by_source[line["sha256"]].append(line["track"])
    if line["status"] != "done":
        kind = (str(line["stage"]), _NUMBER.sub("…", str(line["reason"])))
        overview.failures[kind].append(Failure(line["track"], str(line["reason"])))
        return
    seconds = line["n_samples"] / line["sample_rate"]
    overview.done += 1
    overview.audio_s += seconds
    overview.codes_bytes += line["n_samples"]
    overview.lengths_s.append(seconds)
    overview.rates_hz[line["source_rate_hz"]] += 1
    overview.codecs[line["codec"]] += 1
    overview.channels[line["channels"]] += 1
    if line.get("bit_rate_bps"):
        overview.bit_rates_bps.append(line["bit_rate_bps"])
    if line["silent"]:
        overview.silent.append(line["track"])
    else:
        overview.peaks.append(line["peak"])
    if line.get("clipped_samples"):
        overview.clipped.append((line["track"], line["clipped_samples"]))
    overview.hours_by_licence[line.get("licence") or UNKNOWN] += seconds / 3600
    for genre in line.get("genres") or (UNKNOWN,):
        overview.hours_by_genre[genre] += seconds / 3600
    known = (line.get("title"), line.get("artist") and f"by {line['artist']}", line.get("licence"))
    credit = printable(", ".join(part for part in known if part))
    overview.places.append(
        Place(
            line["track"],
            line["shard"],
            line["codes_offset"],
            line["n_samples"],
            line["sample_rate"],
            line["silent"],
            credit,
        )
    )


def _read_commits(overview: Overview, store: Store, shards: set[str]) -> None:
    """Read the commit records whose shards the manifest names, or that have none: others were replaced since."""
    names = [entry.path for entry in store.list("_commits") if entry.path.endswith(".json")]
    with ThreadPoolExecutor(_READERS) as pool:
        for raw in progress("reading commit records", pool.map(store.read, names), total=len(names), unit="records"):
            record = json.loads(raw)
            if record["shard"] is not None and record["shard"] not in shards:
                continue
            overview.recipe, overview.versions = record["recipe"], record["versions"]
            overview.input_uri = record["input"]
            overview.stages_s.update(record["seconds"])
            start, end = _moment(record["start"]), _moment(record["end"])
            overview.tasks.append(Task(record["host"], start, end, len(record["tracks"]), record["shard"] or ""))
    overview.tasks.sort(key=lambda task: task.start)


def _moment(value: float | str) -> float:
    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(value).timestamp()
