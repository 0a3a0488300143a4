"""The report page: one HTML file with everything in it, for a browser without network."""

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment

import fma_prep
from fma_prep.dataset.storage import Store, list_input, open_store
from fma_prep.errors import FmaPrepError, printable
from fma_prep.report import figures
from fma_prep.report.codes import CodeCounts, count_codes
from fma_prep.report.collect import UNKNOWN, Overview, collect
from fma_prep.report.sound import Excerpt, chosen, excerpt

__all__ = ["make_page"]

_PATHS_BYTES = 1_200_000  # of paths listed on the page, all groups together
_GROUP_SHOWN = 20_000
_EXCERPTS = 3
_WITH_PACKAGE = """\
from fma_prep.dataset import read_dataset

for track in read_dataset({uri!r}):
    track["track"], track["codes"]          # its path, and a uint8 array: one mu-law code a sample"""
_WITHOUT = """\
import json, numpy

with open({manifest!r}) as manifest:
    for track in map(json.loads, manifest):
        if track["status"] == "done":
            shard, n = {folder!r} + track["shard"], track["n_samples"]
            codes = numpy.fromfile(shard, "uint8", n, offset=track["codes_offset"])"""
_DECODE = {
    "nearest": "y = codes / 127.5 - 1",
    "floor": "y = numpy.minimum(1, (2 * codes.astype(float) + 1) / 255 - 1)",
}
_SAMPLES = (
    "x = numpy.sign(y) / {mu} * ({base} ** abs(y) - 1)          # in [-1, 1]; times the track's peak: its own level"
)


@dataclass(frozen=True)
class Paths:
    """Paths as the page lists them: how many there are, and those shown, each with a note."""

    count: int
    shown: list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs, and charts, each with its title and a caption that says what to see."""

    anchor: str
    title: str
    paragraphs: list[str]
    figures: list[tuple[str, str, str]]


def make_page(store: Store, source_options: Mapping[str, Any] | None = None, excerpts: int = _EXCERPTS) -> str:
    """Return the report on the dataset in `store` as HTML.

    Parameters
    ----------
    store : Store
        Of a dataset.
    source_options : mapping, optional
        Passed to the store of the tracks that it was made from.
    excerpts : int >= 0
        How many tracks to show and play.

    Raises
    ------
    NotFoundError, DatasetError, StorageError
        If it holds no dataset, or cannot be read.
    """
    overview = collect(store)
    counts = count_codes(store, overview.places)
    listened = _excerpts(store, overview, source_options, excerpts)
    sections = [section for section in _sections(overview, counts) if section.figures]
    here = files(__package__)
    script = (here / "page.js").read_text("utf-8")
    template = Environment(autoescape=True, trim_blocks=False).from_string((here / "page.html.j2").read_text("utf-8"))
    contents = [("tracks", "Tracks"), *((section.anchor, section.title) for section in sections)]
    contents += [("listen", "Look and listen")] if listened else []
    budget = _Budget(_PATHS_BYTES)
    return template.render(
        o=overview,
        name=printable(store.uri.rstrip("/").rpartition("/")[2] or store.uri),
        title=f"{printable(store.uri)}: fma_prep dataset",
        css=(here / "page.css").read_text("utf-8"),
        script=script,
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        tiles=_tiles(overview),
        contents=[*contents, ("read", "How to read it"), ("about", "How it was made")],
        failures=_failures(overview, budget),
        oddities=_oddities(overview, budget),
        warnings=[(printable(w), n) for w, n in overview.warnings.most_common(30)],
        sections=sections,
        excerpts=listened,
        snippets=_snippets(overview),
        about=_about(overview),
        footer=f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by fma_prep {fma_prep.__version__}, from the dataset's "
        "manifest, commit records and shards.",
    )


def _excerpts(store: Store, overview: Overview, options: Mapping[str, Any] | None, count: int) -> list[Excerpt]:
    source = None
    with suppress(FmaPrepError):  # each excerpt says that its source is missing
        source = open_store(overview.input_uri, options)
        if not source.is_folder():  # a glob, or one file
            source = list_input(overview.input_uri, options)[0]
    return [excerpt(store, place, overview.recipe, source) for place in chosen(overview.places, count)]


def _tiles(o: Overview) -> list[tuple[str, str, str]]:
    wall_s = max((t.end for t in o.tasks), default=0) - min((t.start for t in o.tasks), default=0)
    tiles = [
        ("tracks in", f"{o.tracks:,}", _size(o.source_bytes)),
        ("tracks out", f"{o.done:,}", f"{o.failed:,} failed ({o.failed / max(1, o.tracks):.2%})"),
        ("sound", _duration(o.audio_s), f"at {o.recipe['sample_rate']:,} Hz" if o.recipe else ""),
        ("codes", _size(o.codes_bytes), "one byte a sample"),
        ("shards", f"{len({p.shard for p in o.places}):,}", ""),
    ]
    if wall_s > 0:
        speed = f"{o.audio_s / wall_s:,.0f} times real time"
        tiles.append(("tasks ran for", _duration(wall_s), speed))
    return tiles


def _failures(o: Overview, budget: "_Budget") -> list[tuple[str, Paths]]:
    groups = sorted(o.failures.items(), key=lambda item: -len(item[1]))
    return [
        (
            f"{stage}: {printable(reason)}",
            budget.take((f.track, f.reason if f.reason != reason else "") for f in found),
        )
        for (stage, reason), found in groups
    ]


def _oddities(o: Overview, budget: "_Budget") -> list[tuple[str, Paths, str]]:
    copies = [(tracks[0], "the same bytes as " + ", ".join(tracks[1:5])) for tracks in o.duplicates]
    clipped = ((track, f"{count:,} samples") for track, count in o.clipped)
    return [
        ("Silent (every code is the one for zero)", budget.take((track, "") for track in o.silent), ""),
        ("Clipped (the source goes beyond full scale)", budget.take(clipped), ""),
        ("Duplicates (files with the same bytes)", budget.take(copies), ""),
    ]


class _Budget:
    """Keeps the page small: counts the bytes of the paths that it lists."""

    def __init__(self, left_bytes: int) -> None:
        self._left = left_bytes

    def take(self, items: Iterable[tuple[str, str]]) -> Paths:
        """Return `items` with as many shown as there is room for, and always a few."""
        shown: list[tuple[str, str]] = []
        count = 0
        for path, note in items:
            count += 1
            size = len(path.encode("utf-8", "replace")) + len(note) + 30
            if len(shown) < 10 or (self._left > size and len(shown) < _GROUP_SHOWN):
                shown.append((printable(path)[:1000], printable(note)[:300]))
                self._left -= size
        return Paths(count, shown)


def _sections(o: Overview, counts: CodeCounts) -> list[Section]:
    if not o.done:
        return []
    return [_sources(o), _rights(o), _codes(o, counts), _run(o)]


def _sources(o: Overview) -> Section:
    rates = {f"{rate:,} Hz": float(count) for rate, count in o.rates_hz.items()}
    found = [
        (
            "Length",
            figures.histogram("length", o.lengths_s, "length, s", log=True),
            "How long the tracks are. The line is the median.",
        ),
        (
            "Source rate",
            figures.bars("rate", rates, "tracks"),
            "Samples a second in the files. What is under the dataset's own rate has no sound in the highest octave.",
        ),
    ]
    if o.bit_rates_bps:
        chart = figures.histogram("bitrate", [b / 1000 for b in o.bit_rates_bps], "bit rate, kbit/s")
        found.append(("Bit rate", chart, "Much under 128 kbit/s, an MP3 is audibly coarse itself."))
    if o.peaks:
        chart = figures.histogram("peak", o.peaks, "peak after resampling (1 is full scale)")
        found.append(
            ("Peak", chart, "What each track was divided by. Far below 1 is a quiet master: its noise rose with it.")
        )
    codecs = {str(codec): float(count) for codec, count in o.codecs.items()}
    found.append(("Codec", figures.bars("codec", codecs, "tracks"), "How the files were encoded."))
    channels = ", ".join(f"{n:,} with {_plural(c, 'channel')}" for c, n in sorted(o.channels.items()))
    return Section("sources", "What went in", [f"Of the tracks that became codes: {channels}."], found)


def _rights(o: Overview) -> Section:
    known = o.hours_with_licence / max(1e-9, o.audio_s / 3600)
    text = f"The licence is known for {known:.0%} of the hours."
    if set(o.hours_by_licence) == {UNKNOWN} and set(o.hours_by_genre) == {UNKNOWN}:
        text = "Neither licence nor genre of any track is known: no ledger lies beside them, as `scrape.py` writes one."
    unit, factor = ("hours", 1.0) if o.audio_s >= 7200 else ("minutes", 60.0)
    charts = {
        name: figures.bars(name, {key: hours * factor for key, hours in of.items()}, f"{unit} of sound")
        for name, of in (("licence", o.hours_by_licence), ("genre", o.hours_by_genre))
    }
    found = [
        ("By licence", charts["licence"], "SPDX names. Train on what you may."),
        ("By genre", charts["genre"], "A track of several genres counts in each."),
    ]
    return Section("rights", "Licences and genres", [text], found)


def _codes(o: Overview, c: CodeCounts) -> Section:
    of = f"all {c.tracks:,} tracks" if c.whole else f"a random {c.tracks:,} of {c.of_tracks:,} tracks"
    entropy = (
        f"Entropy: {_bits(c.entropy_bits)} a sample. That is the loss of a model that knows only how common each "
        f"code is; one that also sees the code before reaches {_bits(c.next_entropy_bits)}. A trained model has "
        "to beat both."
    )
    picture = (
        "How common each code is",
        figures.code_histogram(c.single),
        "Music at a sane level makes two humps or one broad hill. A needle in the middle is silence or too low a "
        "scale, needles at both ends are clipping, and a flat one is noise.",
    )
    return Section("codes", "The codes", [f"Counted over {of}. {_judged(o, c)}", entropy], [picture])


def _bits(bits: float) -> str:
    return f"{bits:.3f} bits ({bits * math.log(2):.3f} nats)"


def _judged(o: Overview, c: CodeCounts) -> str:
    """Return what the histogram says about the scale, in a sentence."""
    top, ends = c.single.max() / max(1, c.single.sum()), (c.single[0] + c.single[255]) / max(1, c.single.sum())
    if ends > 0.02:
        return f"{ends:.1%} of the samples are at full scale: look for clipping."
    if c.entropy_bits < 4 or top > 0.3:
        return f"One code makes up {top:.0%}: much silence, or the scale is too low."
    if c.entropy_bits > 7.8:
        return "They are nearly uniform, as noise would be."
    peak = " Each track was divided by its peak." if o.recipe.get("normalize") == "peak" else ""
    return f"{c.used} of 256 codes occur, the most common in {top:.1%} of the samples: a sane scale.{peak}"


def _run(o: Overview) -> Section:
    found = []
    if sum(o.stages_s.values()) > 0:
        found.append(
            (
                "Time by stage",
                figures.stages(o.stages_s),
                "All tasks together, and the driver's listing and committing. Decoding should be most of it.",
            )
        )
    if o.tasks:
        found.append(
            (
                "Tasks over time",
                figures.timeline(o.tasks),
                "Each bar is a task, each row what a host ran at one time. Those of over twice the median are in the "
                "other colour: a lone one at the right end is a straggler that all waited for. A gap is a pause.",
            )
        )
    hosts = len({task.host for task in o.tasks})
    return Section("run", "The run", [f"{_plural(len(o.tasks), 'task')} on {_plural(hosts, 'host')}."], found)


def _plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _snippets(o: Overview) -> list[tuple[str, str]]:
    folder = o.uri.removeprefix("file://").rstrip("/") + "/"
    found = [("With this package:", _WITH_PACKAGE.format(uri=o.uri))]
    if "://" not in folder:
        found.append(("Without it:", _WITHOUT.format(manifest=f"{folder}_manifest.jsonl", folder=folder)))
    if o.recipe:
        mu = o.recipe["mu"]
        samples = _SAMPLES.format(mu=mu, base=1 + mu)
        found.append(("From codes to samples:", f"{_DECODE[o.recipe['quantizer']]}\n{samples}"))
    return found


def _about(o: Overview) -> list[tuple[str, str]]:
    recipe = [(key.replace("_", " "), str(value)) for key, value in o.recipe.items()]
    versions = ", ".join(f"{name} {version}" for name, version in o.versions.items())
    return [("tracks from", o.input_uri), *recipe, ("versions", versions)]


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}" if unit != "B" else f"{size_bytes:.0f} B"
        size_bytes /= 1000
    return f"{size_bytes:,.3g} TB"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.1f} s"
