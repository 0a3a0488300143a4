"""A person's own files into a staged folder, with what that person knows of them."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from fma_prep.dataset.provenance import read_ledger
from fma_prep.dataset.storage import Entry, Store
from fma_prep.errors import UsageError
from fma_prep.scrape.staging import Item

__all__ = ["COLUMNS", "items", "read_table"]

COLUMNS = ("path", "title", "artist", "artist_id", "album", "genres", "licence", "licence_url", "page_url", "split")
_CARRIED = (*COLUMNS[1:], "id")


def items(source: Store, tracks: list[Entry], table: dict[str, dict[str, Any]], licence: str | None) -> Iterator[Item]:
    """Yield what to stage, under the names that it has.

    Parameters
    ----------
    source : Store
    tracks : list of Entry
        In `source`.
    table : dict
        As `read_table` returns it; it wins over a ledger that `source` has.
    licence : str or None
        Of all tracks of which nothing else is known.
    """
    ledger = read_ledger(source)
    for track in tracks:
        known = {key: ledger.get(track.path, {}).get(key) for key in _CARRIED}
        facts = {key: value for key, value in {**known, **table.get(track.path, {})}.items() if value}
        if licence and not facts.keys() & {"licence", "licence_url"}:
            facts["licence"] = licence
        facts["file_url"] = source.name(track.path)
        yield Item(
            path=track.path,
            size_bytes=track.size_bytes,
            facts=facts,
            open=lambda path=track.path: source.open(path),  # type: ignore[misc]
            modified=track.identity.get("modified", ""),
        )


def read_table(text: str, where: str) -> dict[str, dict[str, Any]]:
    """Read a CSV with a header out of `COLUMNS`; genres are separated by ``;``.

    Raises
    ------
    UsageError
        It has no column ``path``, or one that is unknown.
    """
    reader = csv.DictReader(io.StringIO(text))
    header = reader.fieldnames or []
    unknown = [name for name in header if name not in COLUMNS]
    if "path" not in header or unknown:
        problem = f"unknown columns: {', '.join(unknown)}" if unknown else "it has no column named path"
        raise UsageError(problem, where, f"Use any of {', '.join(COLUMNS)}.")
    table = {}
    for row in reader:
        facts: dict[str, Any] = {key: row[key] for key in header if row[key] and key != "path"}
        if "genres" in facts:
            facts["genres"] = [genre.strip() for genre in facts["genres"].split(";") if genre.strip()]
        table[row["path"]] = facts
    return table
