"""What became of each track of a staged folder: kept while tracks arrive, on stores that cannot append.

Each entry is first a small file of its own, ``_ledger/000123.json``, written whole or not at all; now and then, and at
the end, all are folded into ``_ledger.jsonl``, one line a track in the order of paths. An entry is written before its
file is put in place, with the size and hash that the whole file will have. So after a kill at any moment: an entry
without its file (or with one of another size) is a track that was in flight, and is fetched again; a file with its
entry is whole, and is never fetched again.
"""

import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from fma_prep.dataset.provenance import LEDGER, LOOSE, read_ledger
from fma_prep.dataset.storage import Store
from fma_prep.scrape.lease import Lease

__all__ = ["Ledger", "entry", "path_of", "spool"]

_LEFTOVER = re.compile(r"(?:.*/)?\.tmp-[0-9a-f]+")
_FOLD_AT_LEAST = 256
_SPOOL_BYTES = 32 << 20

_KEYS = (
    "path",
    "state",
    "reason",
    "id",
    "title",
    "artist",
    "artist_id",
    "album",
    "genres",
    "licence",
    "licence_url",
    "page_url",
    "file_url",
    "bytes",
    "sha256",
    "fetched_at",
    "split",
)


@contextmanager
def spool() -> Iterator[BinaryIO]:
    """Yield an empty file for a track on its way: in memory as most tracks are, on disk if it is larger."""
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as file:
        yield cast(BinaryIO, file)


def path_of(track_id: int) -> str:
    """Return where a track lies: ``000/000123.mp3``, as in the FMA data set; never a name that a stranger chose."""
    return f"{track_id // 1000:03d}/{track_id:06d}.mp3"


def entry(path: str, state: str, **fields: Any) -> dict[str, Any]:
    """Return an entry with all its keys in their order.

    Parameters
    ----------
    path : str
        Relative to the folder.
    state : {"done", "skipped", "locked", "failed", "unreachable"}
        ``skipped``: not wanted, as by a licence filter. ``locked``: behind a login. ``failed``: asking again would not
        help. ``unreachable``: it may.
    """
    known = {"path": path, "state": state, "genres": [], **fields}
    unexpected = known.keys() - set(_KEYS)
    if unexpected:
        raise TypeError(f"no such key of a ledger: {unexpected}")
    known.setdefault("fetched_at", datetime.now(UTC).isoformat())
    return {key: known.get(key) for key in _KEYS}


class Ledger:
    """The ledger of one folder, open for writing under a lease. Threads may share it.

    Parameters
    ----------
    store : Store
        Opened at the folder.
    lease : Lease
        Held.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store, self._lease = store, lease
        self._lock = threading.Lock()
        self.entries = read_ledger(store)
        sizes = self._sizes()
        self._whole = {
            path for path, e in self.entries.items() if e.get("state") == "done" and sizes.get(path) == e.get("bytes")
        }
        self._loose = {path for path in sizes if path.startswith(f"{LOOSE}/") and path.endswith(".json")}
        self._folded = len(self.entries)

    def has(self, path: str) -> bool:
        """Say whether a track is there, whole."""
        return path in self._whole

    def note(self, found: dict[str, Any]) -> None:
        """Keep an entry that comes without a file."""
        self._write(found)

    def stage(self, found: dict[str, Any], body: BinaryIO) -> None:
        """Put a track in place, and its entry before it."""
        self._write(found)
        self._store.put(found["path"], body)
        with self._lock:
            self._whole.add(found["path"])

    def fold(self) -> None:
        """Write all entries into the one file, then delete the small ones; a kill between the two does no harm."""
        with self._lock:
            self._lease.check()
            if not self._loose:
                return
            lines = [_line(self.entries[path]) for path in sorted(self.entries)]
            self._store.write(LEDGER, b"".join(lines))
            for name in sorted(self._loose):
                self._store.delete(name)
            self._loose.clear()
            self._folded = len(self.entries)

    def _write(self, found: dict[str, Any]) -> None:
        self._lease.check()
        name = f"{LOOSE}/{_name(found)}.json"
        self._store.write(name, _line(found))
        with self._lock:
            self.entries[found["path"]] = found
            self._loose.add(name)
            due = len(self._loose) >= max(_FOLD_AT_LEAST, self._folded // 8)  # so that folding costs O(n) in all
        if due:
            self.fold()

    def _sizes(self) -> dict[str, int]:
        """Return the size of each file; and clear away what a killed scraper left half-written."""
        sizes = {}
        for found in self._store.list():
            if _LEFTOVER.fullmatch(found.path):
                self._store.delete(found.path)
            else:
                sizes[found.path] = found.size_bytes
        return sizes


def _line(found: dict[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _name(found: dict[str, Any]) -> str:
    if isinstance(found["id"], int):
        return f"{found['id']:06d}"
    return hashlib.sha256(found["path"].encode("utf-8", "surrogatepass")).hexdigest()[:32]
