"""What became of every track: opening an OUTPUT, what is left to do, and the manifest at the end.

::

    run = begin(store, recipe, input_uri, tracks, overwrite=False)     # refuses another recipe or INPUT
    todo = run.left(plan(tracks, partitions, parallelism))             # [(partition, tracks)], without what is settled
    …                                                                  # tasks: run.target.writer(partition), see shards
    run.checkpoint(provenance)                                         # now and then, in a long run
    summary = run.finish(provenance, max_failed=0.05)                  # manifest, summary, _SUCCESS

**Truth.** A task's commit record says what became of its tracks; the manifest is all records merged, a line for each
track listed now. `_summary.json` names the records that the manifest holds in full ("folded"), so a resume reads only
the others, whatever their times. It believes that list only if the manifest is the one the summary was written for.

**Two drivers** on one OUTPUT write the same shards under the same names, or others beside them; both merge all records
there are, by the same rules, so the last to finish leaves what the first would have.

**Overwriting.** Records and summary carry a generation: ``""`` at first, a new one for each overwrite, which writes
`_overwrite.json` (its generation, and which records it will replace), then shards and records beside what is there.
Replacing the manifest is the switch; what was replaced is deleted after it, the marker last. While the marker stands,
the same command with ``--overwrite`` goes on where it was, and a run without it is refused. A run that fails too often
does not switch: what was there stays.
"""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fma_prep.audio.recipe import Recipe
from fma_prep.clock import Clock
from fma_prep.dataset.commits import NOT_TRIED, PROVENANCE, Ledger, list_commits, load_json, read_commits, shard_name
from fma_prep.dataset.records import FORMAT
from fma_prep.dataset.shards import COMMITS, Target
from fma_prep.dataset.storage import Entry, Store
from fma_prep.dataset.summary import Summary, attribution, summarise
from fma_prep.dataset.uri import parse
from fma_prep.errors import DatasetError, NotFoundError, RunError, UsageError

__all__ = ["ATTRIBUTION", "MANIFEST", "SUCCESS", "SUMMARY", "Run", "begin", "read_manifest"]

MANIFEST, SUMMARY, SUCCESS = "_manifest.jsonl", "_summary.json", "_SUCCESS"
ATTRIBUTION, MARKER = "_ATTRIBUTION.csv", "_overwrite.json"
COLUMNS = (
    *("track", "status", "stage", "reason", "warnings", "size_bytes", "etag", "modified", "sha256"),
    *("source_rate_hz", "channels", "codec", "bit_rate_bps", "vbr", "seconds_found", "seconds_promised", "bad_packets"),
    *("clipped_samples", "peak", "silent", "decoder"),
    *("shard", "record_offset", "codes_offset", "n_samples", "sample_rate", "codes_sha256"),
)
_MERGES = 5  # as often as another driver may commit between our merging and our writing


def read_manifest(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the lines of a dataset's manifest.

    Raises
    ------
    NotFoundError
        If there is none: no dataset, or a run that has not finished.
    DatasetError
        If it is damaged.
    """
    yield from _parse_manifest(store, store.read(MANIFEST))


def begin(
    store: Store,
    recipe: Recipe,
    input_uri: str,
    tracks: Sequence[Entry],
    *,
    overwrite: bool = False,
) -> "Run":
    """Open an OUTPUT for a run.

    Parameters
    ----------
    store : Store
        OUTPUT.
    recipe : Recipe
    input_uri : str
        INPUT as the person wrote it; compared in its canonical form.
    tracks : sequence of Entry
        All of INPUT's tracks.
    overwrite : bool

    Raises
    ------
    NotFoundError
        If there are no tracks.
    UsageError
        If OUTPUT holds a dataset of another recipe or INPUT, or a half-done overwrite, and `overwrite` is False.
    DatasetError
        If what OUTPUT holds cannot be read.
    """
    input_uri = str(parse(input_uri))
    if not tracks:  # an empty manifest would replace a good one when a disk is not mounted
        raise NotFoundError("there are no tracks", input_uri)
    summary, marker = load_json(store, SUMMARY), load_json(store, MARKER)
    if overwrite:
        marker = _mark(store, recipe, input_uri, marker)
        generation = marker["generation"]
    else:
        if marker:
            remedy = "Repeat that command with --overwrite to complete it."
            raise UsageError("an overwrite of this dataset was not completed", store.uri, remedy)
        _refuse_another(store, summary or {}, recipe, input_uri)
        generation = summary.get("generation", "") if summary else ""
    run = Run(Target(store, recipe, input_uri, generation), tracks, marker)
    if summary and summary.get("generation", "") == generation:
        run.recall(summary)
    run.catch_up()
    return run


class Run:
    """One driver's view of an OUTPUT; made by `begin`.

    Attributes
    ----------
    target : Target
        What tasks need to write: ``run.target.writer(partition)``.
    """

    def __init__(self, target: Target, tracks: Sequence[Entry], marker: dict[str, Any] | None) -> None:
        self.target = target
        self._store = target.store
        self._ledger = Ledger(tracks)
        self._marker = marker
        self._folded: set[str] = set()
        self._folded_seconds: Counter[str] = Counter()
        self._seen: dict[str, dict[str, Any]] = {}  # records read that are not folded, without their tracks
        self._foldable: set[str] = set()
        self._unfolded: set[str] = set()

    def left(self, bins: Sequence[Sequence[Entry]]) -> list[tuple[int, list[Entry]]]:
        """Return what is left to do of a plan over the full listing: partition numbers, and their tracks."""
        todo = ((i, [t for t in b if not self._ledger.settled(t.path)]) for i, b in enumerate(bins))
        return [(i, tracks) for i, tracks in todo if tracks]

    @property
    def settled(self) -> int:
        """How many of the listed tracks need nothing more."""
        return sum(self._ledger.settled(path) for path in self._ledger.entries)

    def finish(
        self,
        provenance: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        max_failed: float = 0.05,
        clock: Clock | None = None,
    ) -> Summary:
        """Merge all records; write manifest, attribution, summary and, if all is well, `_SUCCESS`.

        Parameters
        ----------
        provenance : mapping, optional
            Track path -> what is known of it; `PROVENANCE` goes into the manifest, URLs into `_ATTRIBUTION.csv`.
        max_failed : float, 0 to 1
        clock : Clock, optional
            The driver's, to which the stage "commit" is added: the summary keeps its seconds.

        Raises
        ------
        RunError
            If another run has begun to replace this dataset, or another recipe writes here.
        """
        provenance, clock = provenance or {}, clock or Clock()
        for _ in range(_MERGES):
            with clock("commit"):
                lines, summary = self._merged(provenance, max_failed)
            if self._marker and not summary.ok:
                return summary  # what was there stays, and the marker: the same command goes on
            self._write(lines, summary, provenance, clock)
            if not self._unread():
                break
        if self._marker:
            self._delete_replaced({line["shard"] for line in lines})
        if summary.ok:
            self._store.write(SUCCESS, b"")
        return summary

    def checkpoint(self, provenance: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Write manifest and summary as things stand, without `_SUCCESS`.

        For long runs, every few minutes: should this one be killed, the next reads only the records that came later.
        Does nothing while a dataset is being replaced, for then the manifest is the old one's.
        """
        if self._marker:
            return
        lines, summary = self._merged(provenance or {}, 1.0)
        summary.ok = False
        self._write(lines, summary, provenance or {}, Clock())

    def recall(self, summary: Mapping[str, Any]) -> None:
        """Take what the manifest holds, and remember which records need not be read again."""
        try:
            data = self._store.read(MANIFEST)
        except NotFoundError:
            return
        if hashlib.sha256(data).hexdigest() != summary.get("manifest_sha256"):
            return  # another driver's, or a killed one's: then all records are read
        gone = {
            str(line["shard"]).removesuffix(".pkl")
            for line in _parse_manifest(self._store, data)
            if line["reason"] != NOT_TRIED
            and not self._ledger.take({c: line[c] for c in COLUMNS if line.get(c) is not None})
        }
        folded = set(summary.get("folded", ()))  # but a track that is not listed now may come back
        self._unfolded = {name for name in folded if name.rpartition("-")[0] in gone}
        self._folded = folded - self._unfolded
        self._folded_seconds = Counter(summary.get("folded_seconds", {}))

    def catch_up(self) -> None:
        """Read the records that are new."""
        ours = self.target.recipe.fingerprint, self.target.input_uri
        for name, record in read_commits(self._store, self._unread()):
            tracks = record.pop("tracks")
            self._seen[name] = record
            if record.get("generation", "") != self.target.generation:
                continue
            if (record.get("fingerprint"), record.get("input")) != ours:
                _refuse_another(self._store, record, self.target.recipe, self.target.input_uri)
            taken = [self._ledger.take(line) for line in tracks]
            if all(taken):
                self._foldable.add(name)
            if name in self._unfolded:
                self._folded_seconds.subtract(record.get("seconds", {}))  # it counts for itself again

    def _merged(
        self, provenance: Mapping[str, Mapping[str, Any]], max_failed: float
    ) -> tuple[list[dict[str, Any]], Summary]:
        """Return manifest lines and their numbers, of all records there are now."""
        self.catch_up()
        self._refuse_if_replaced()
        lines = [_manifest_line(line, provenance) for line in self._ledger.lines()]
        return lines, summarise(lines, self._seconds(), max_failed)

    def _unread(self) -> list[str]:
        replaced = self._marker["replaces"] if self._marker else ()
        known = self._folded.union(self._seen, replaced)
        return [name for name in list_commits(self._store) if name not in known]

    def _seconds(self, names: Iterable[str] | None = None) -> Counter[str]:
        """Return time spent by stage: in folded records, and those named (all of ours if None)."""
        total = Counter(self._folded_seconds)
        for name in self._seen if names is None else names:
            if self._seen[name].get("generation", "") == self.target.generation:
                total.update(self._seen[name].get("seconds", {}))
        return total

    def _refuse_if_replaced(self) -> None:
        marker, summary = load_json(self._store, MARKER), load_json(self._store, SUMMARY)
        theirs = marker["generation"] if marker else (summary or {}).get("generation", self.target.generation)
        if theirs != self.target.generation:
            raise RunError("another run is replacing this dataset", self._store.uri, "Look at it when that is done.")

    def _write(
        self,
        lines: Sequence[Mapping[str, Any]],
        summary: Summary,
        provenance: Mapping[str, Mapping[str, Any]],
        clock: Clock,
    ) -> None:
        """Write what readers follow; the manifest's replacement is the moment at which an overwrite happens."""
        with clock("commit"):
            manifest = "".join(json.dumps(line) + "\n" for line in lines).encode()
            self._store.delete(SUCCESS)
            self._store.write(MANIFEST, manifest)
            if provenance:
                self._store.write(ATTRIBUTION, attribution(lines, provenance))
            else:
                self._store.delete(ATTRIBUTION)
        numbers = {
            "format": FORMAT,
            **asdict(summary),
            "driver_seconds": clock.seconds,
            "input": self.target.input_uri,
            "recipe": self.target.recipe.to_dict(),
            "fingerprint": self.target.recipe.fingerprint,
            "generation": self.target.generation,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "folded_seconds": dict(self._seconds(self._foldable)),
            "folded": sorted(self._folded | self._foldable),
        }
        self._store.write(SUMMARY, json.dumps(numbers, indent=1).encode())

    def _delete_replaced(self, kept: set[str | None]) -> None:
        """Delete what the replaced records name; nothing else, for another driver may own it."""
        assert self._marker is not None  # noqa: S101  # `finish` asked
        ours = {shard_name(r) for r in self._seen.values() if r.get("generation", "") == self.target.generation}
        replaced = list(self._marker["replaces"])
        for _, record in read_commits(self._store, replaced):
            shard = shard_name(record)
            if shard and shard not in kept | ours and record.get("generation", "") != self.target.generation:
                self._store.delete(shard)
        for name in replaced:
            self._store.delete(f"{COMMITS}/{name}")
        self._store.delete(MARKER)
        self._marker = None


def _mark(store: Store, recipe: Recipe, input_uri: str, marker: dict[str, Any] | None) -> dict[str, Any]:
    """Return the marker of this overwrite: the one that stands, if it is of the same command."""
    same = {"fingerprint": recipe.fingerprint, "input": input_uri}
    if marker and all(marker.get(k) == v for k, v in same.items()):
        return marker
    replaces = set(list_commits(store)) | set(marker["replaces"] if marker else ())
    ours = {"format": FORMAT, "generation": secrets.token_hex(6), **same, "replaces": sorted(replaces)}
    if not store.write(MARKER, json.dumps(ours).encode(), overwrite=marker is not None):
        return _mark(store, recipe, input_uri, load_json(store, MARKER))  # another driver was faster: join it
    return ours


def _refuse_another(store: Store, known: Mapping[str, Any], recipe: Recipe, input_uri: str) -> None:
    """Refuse to mix datasets; `known` is a summary or a commit record."""
    remedy = "Choose another OUTPUT, or replace what is there with --overwrite."
    if known.get("input", input_uri) != input_uri:
        raise UsageError(f"holds a dataset made from {known['input']}", store.uri, remedy)
    if known.get("fingerprint", recipe.fingerprint) != recipe.fingerprint:
        ours, theirs = recipe.to_dict(), known.get("recipe", {})
        other = ", ".join(f"{k}={v}" for k, v in theirs.items() if ours.get(k) != v) or "an older revision"
        raise UsageError(f"holds a dataset of another recipe ({other})", store.uri, remedy)


def _manifest_line(line: Mapping[str, Any], provenance: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a line with all columns: identity as the listing has it, null for what is not known."""
    known = provenance.get(line["track"], {})
    columns = (c for c in COLUMNS if c in line or c not in ("etag", "modified"))
    return {
        **{c: line.get(c, [] if c == "warnings" else None) for c in columns},
        **{p: known.get(p) for p in PROVENANCE},
    }


def _parse_manifest(store: Store, data: bytes) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(data.splitlines(), 1):
        try:
            line = json.loads(text)
            if not (isinstance(line["track"], str) and line["status"] in ("done", "failed")):
                raise ValueError(text)
        except (ValueError, KeyError, TypeError) as e:
            raise DatasetError(f"line {number} is not one of a manifest", store.name(MANIFEST)) from e
        yield line
