"""Files that are already ours, into a staged folder: side by side, each whole and hashed, none twice."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from fma_prep.dataset.licences import matches, spdx
from fma_prep.errors import ScrapeError
from fma_prep.scrape.crawl import Outcome
from fma_prep.scrape.ledger import Ledger, entry, spool
from fma_prep.scrape.progress import Progress

__all__ = ["Item", "stage"]

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Item:
    """A file to stage.

    Parameters
    ----------
    path : str
        Where it will lie.
    size_bytes : int
        As its source says.
    facts : dict
        What is known of it: keys of a ledger's entry.
    open : callable
        Opens it; may raise ScrapeError.
    sha1 : str
        What its bytes must hash to, if that is known.
    modified : str
        When its source changed, ISO 8601, if that is known.
    """

    path: str
    size_bytes: int
    facts: dict[str, Any]
    open: Callable[[], AbstractContextManager[BinaryIO]]
    sha1: str = ""
    modified: str = ""


@dataclass(frozen=True)
class _Result:
    path: str
    state: str
    reason: str = ""
    size_bytes: int = 0
    skipped: bool = field(default=False)


def stage(
    items: Iterable[Item], ledger: Ledger, progress: Progress, licences: frozenset[str] | None, workers: int
) -> Outcome:
    """Stage what is not there yet.

    What is there already is not copied again; its entry is brought up to date when more is known of it now.

    Raises
    ------
    StorageError
        The store does not take it. The rest is not begun.
    """
    outcome = Outcome()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="stage")
    try:
        tasks = [executor.submit(_stage_one, item, ledger, licences) for item in items]
        progress.expect(len(tasks))
        for task in as_completed(tasks):
            _count(task, outcome, progress)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        ledger.fold()
    return outcome


def _count(task: "Future[_Result]", outcome: Outcome, progress: Progress) -> None:
    result = task.result()
    if result.state == "done":
        outcome.staged += 1
        outcome.staged_bytes += result.size_bytes
        progress.received(result.size_bytes)
    elif result.state == "there":
        outcome.there += 1
    else:
        outcome.count(result.state, result.path, result.reason)
    if result.state == "failed":
        progress.note(f"{result.path} failed: {result.reason}")
    progress.track()


def _stage_one(item: Item, ledger: Ledger, licences: frozenset[str] | None) -> _Result:
    licence = spdx(item.facts.get("licence_url")) or spdx(item.facts.get("licence"))
    if not matches(licence, licences):
        found = licence or item.facts.get("licence") or item.facts.get("licence_url")
        return _Result(item.path, "skipped", f"licence not wanted: {found or 'unknown'}")
    if _is_there(item, ledger):
        _bring_up_to_date(item, ledger)
        return _Result(item.path, "there")
    try:
        with spool() as body, item.open() as source:
            sha256 = _copy(item, source, body)
            ledger.stage(entry(item.path, "done", bytes=item.size_bytes, sha256=sha256, **item.facts), body)
    except ScrapeError as error:
        ledger.note(entry(item.path, "failed", reason=error.problem, **item.facts))
        return _Result(item.path, "failed", error.problem)
    return _Result(item.path, "done", size_bytes=item.size_bytes)


def _is_there(item: Item, ledger: Ledger) -> bool:
    if not ledger.has(item.path):
        return False
    old = ledger.entries[item.path]
    changed = item.modified and datetime.fromisoformat(item.modified) > datetime.fromisoformat(old["fetched_at"])
    return old["bytes"] == item.size_bytes and not changed


def _bring_up_to_date(item: Item, ledger: Ledger) -> None:
    """Write the entry again if more is known now, as when metadata is given only the second time."""
    old = ledger.entries[item.path]
    new = {**old, **{key: value for key, value in item.facts.items() if value}}
    if new != old:
        ledger.note(new)


def _copy(item: Item, source: BinaryIO, body: BinaryIO) -> str:
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > item.size_bytes:
            raise ScrapeError(f"more than the {item.size_bytes} bytes that it should have", item.path)
        body.write(chunk)
        sha1.update(chunk)
        sha256.update(chunk)
    if size < item.size_bytes:
        raise ScrapeError(f"truncated: {size} of {item.size_bytes} bytes are there", item.path)
    if item.sha1 and sha1.hexdigest() != item.sha1:
        raise ScrapeError("its sha1 is not that of the list in the archive", item.path)
    return sha256.hexdigest()
