"""Where each track of a staged folder came from, and under which licence: read from its ledger.

``INPUT/_ledger.jsonl`` holds one JSON object a track; while a scraper is at work, or after it was killed, newer ones
lie in ``INPUT/_ledger/*.json``. `fma_prep.scrape.ledger` writes both. They are joined to a dataset's tracks when its
manifest is made and are no part of its shards, so a corrected licence arrives without digitising again.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fma_prep.dataset.licences import matches, spdx, url_of, wanted
from fma_prep.dataset.storage import Entry, Store
from fma_prep.errors import DatasetError, NotFoundError

__all__ = [
    "FIELDS",
    "LEDGER",
    "LOOSE",
    "cut_short",
    "load",
    "permitted",
    "read_ledger",
    "wanted",
]

LEDGER = "_ledger.jsonl"
LOOSE = "_ledger"

FIELDS = (
    "id",
    "artist_id",
    "artist",
    "title",
    "album",
    "genres",
    "licence",
    "licence_url",
    "page_url",
    "file_url",
    "split",
)
"""What a manifest line says of a track's origin."""

_READERS = 16


def load(store: Store) -> dict[str, dict[str, Any]]:
    """Return the provenance of each track that is staged in a folder.

    Parameters
    ----------
    store : Store
        Opened at the folder. One without a ledger is fine.

    Returns
    -------
    dict
        From the track's path to `FIELDS`, with ``licence`` an SPDX identifier or None, and ``bytes`` and ``sha256`` as
        they were when it was staged (fewer bytes now: it is truncated). All are builtins; None is unknown.

    Raises
    ------
    DatasetError
        A line of the ledger is broken; it names the line.
    """
    return {path: _provenance(entry) for path, entry in read_ledger(store).items() if entry.get("state") == "done"}


def permitted(
    tracks: Iterable[Entry], known: Mapping[str, Mapping[str, Any]], licences: Iterable[str] | None
) -> list[Entry]:
    """Return the tracks whose licence is among `licences` (as `wanted` has them), all with None."""
    if licences is None:
        return list(tracks)
    return [t for t in tracks if matches(known.get(t.path, {}).get("licence"), licences)]


def cut_short(tracks: Iterable[Entry], known: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return how many bytes the ledger promises of each track that has fewer: it is truncated."""
    staged = {t.path: known.get(t.path, {}).get("bytes") or 0 for t in tracks}
    return {t.path: staged[t.path] for t in tracks if t.size_bytes < staged[t.path]}


def read_ledger(store: Store) -> dict[str, dict[str, Any]]:
    """Return all entries of a folder's ledger by path, as they were written, the newest of each."""
    entries: dict[str, dict[str, Any]] = {}
    try:
        lines = store.read(LEDGER).split(b"\n")
    except NotFoundError:
        lines = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            entry = _entry(line, f"{store.uri}/{LEDGER}, line {number}")
            entries[entry["path"]] = entry
    loose = _loose(store)
    with ThreadPoolExecutor(_READERS) as readers:
        for name, content in zip(loose, readers.map(lambda name: _read_loose(store, name), loose), strict=True):
            if content is not None:
                entry = _entry(content, f"{store.uri}/{name}")
                entries[entry["path"]] = entry
    return entries


def _loose(store: Store) -> list[str]:
    try:
        return [e.path for e in store.list(LOOSE) if e.path.endswith(".json")]
    except NotFoundError:
        return []


def _read_loose(store: Store, name: str) -> bytes | None:
    try:
        return store.read(name)
    except NotFoundError:  # a scraper at work has just folded it into the ledger
        return None


def _entry(line: bytes, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError("this line of the ledger is not JSON", where, "Mend or delete the line.") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise DatasetError("this line of the ledger names no path", where, "Mend or delete the line.")
    return entry


def _provenance(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = [value for value in (_text(entry.get("licence_url")), _text(entry.get("licence"))) if value]
    licence = next(filter(None, map(spdx, found)), None)
    genres = entry.get("genres")
    return {
        "id": _number(entry.get("id")),
        "artist_id": _text(entry.get("artist_id")),
        "artist": _text(entry.get("artist")),
        "title": _text(entry.get("title")),
        "album": _text(entry.get("album")),
        "genres": [g for g in genres if isinstance(g, str)] if isinstance(genres, list) else [],
        "licence": licence,
        "licence_url": _text(entry.get("licence_url")) or url_of(licence),
        "page_url": _text(entry.get("page_url")),
        "file_url": _text(entry.get("file_url")),
        "split": _text(entry.get("split")),
        "bytes": _number(entry.get("bytes")),
        "sha256": _text(entry.get("sha256")),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
