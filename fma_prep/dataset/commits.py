"""Commit records, read back: many at once, and which of two that speak of one track is believed."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fma_prep.dataset.records import FORMAT
from fma_prep.dataset.shards import COMMITS, source_identity
from fma_prep.dataset.storage import Entry, Store
from fma_prep.errors import DatasetError, NotFoundError

__all__ = ["NOT_TRIED", "PROVENANCE", "Ledger", "list_commits", "load_json", "read_commits", "shard_name"]

PROVENANCE = ("id", "artist_id", "artist", "title", "album", "genres", "licence", "licence_url", "split")
_AT_ONCE = 32  # requests in flight: enough to keep one core busy where a request takes 30 ms
NOT_TRIED = "not tried: the run ended before its turn"
_SHARD = re.compile(r"part-\d{5,}-[0-9a-f]{12}\.pkl")
_RANK = {"done": 0, "decode": 1, "read": 2}

Line = dict[str, Any]


def load_json(store: Store, path: str) -> Any:
    """Return what a JSON file holds, None if there is none."""
    try:
        return json.loads(store.read(path))
    except NotFoundError:
        return None
    except ValueError as e:
        raise DatasetError("not JSON", store.name(path), "Restore it, or start again with --overwrite.") from e


def list_commits(store: Store) -> list[str]:
    """Return the names of all commit records."""
    names = (e.path.removeprefix(f"{COMMITS}/") for e in store.list(COMMITS))
    return [name for name in names if name.endswith(".json") and not name.startswith(".")]


def read_commits(store: Store, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield records with their names, in order, reading many at once; those deleted meanwhile are left out.

    Raises
    ------
    DatasetError
        If one is not a commit record.
    """
    names = list(names)
    with ThreadPoolExecutor(_AT_ONCE, "commits") as pool:
        records = pool.map(lambda name: load_json(store, f"{COMMITS}/{name}"), names)
        for name, record in zip(names, records, strict=True):
            if record is None:
                continue
            if not isinstance(record, dict) or record.get("format") != FORMAT or "tracks" not in record:
                raise DatasetError("not a commit record", store.name(f"{COMMITS}/{name}"))
            yield name, record


def shard_name(record: Mapping[str, Any]) -> str | None:
    """Return the shard of a commit record, if it has one and its name is one that we give."""
    shard = record.get("shard")
    return shard if isinstance(shard, str) and _SHARD.fullmatch(shard) else None


class Ledger:
    """What is known of each track that is listed now.

    Only lines of the same source count (size, and etag or modification time). Among those done beats failed, a failure
    to decode one to read, then the lowest shard name wins: whoever merges the same records gets the same answer.

    Parameters
    ----------
    tracks : iterable of Entry
        The listing.
    """

    def __init__(self, tracks: Iterable[Entry]) -> None:
        self.entries = {t.path: t for t in tracks}
        self._lines: dict[str, Line] = {}

    def take(self, line: Line) -> bool:
        """Take a line; return whether it is represented now, by itself or by one at least as good."""
        entry = self.entries.get(line["track"])
        if entry is None or any(line.get(k) != v for k, v in source_identity(entry).items()):
            return False
        known = self._lines.get(entry.path)
        if known is None or _order(line) < _order(known):
            self._lines[entry.path] = line
        return True

    def settled(self, path: str) -> bool:
        """Return whether nothing is left to do: it is done, or can never be decoded."""
        line = self._lines.get(path)
        return line is not None and (line["status"] == "done" or line["stage"] != "read")

    def lines(self) -> Iterator[Line]:
        """Yield a line for each listed track, sorted by path."""
        for path in sorted(self.entries):
            entry = self.entries[path]
            yield self._lines.get(path) or {
                "track": path,
                **source_identity(entry),
                "status": "failed",
                "stage": "read",
                "reason": NOT_TRIED,
            }


def _order(line: Line) -> tuple[int, str, str]:
    rank = _RANK.get(line["status"] if line["status"] == "done" else line["stage"], 2)
    return rank, line.get("shard") or "", line.get("reason") or ""
