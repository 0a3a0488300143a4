"""The next tracks' bytes arrive while one is decoded, bounded in bytes."""

import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from fma_prep.dataset.storage import Entry, Store
from fma_prep.errors import FmaPrepError, RefusedError, StorageError, TrackError

__all__ = ["Fetched", "fetch", "read_ahead"]

AHEAD_BYTES = 64 << 20  # held in memory ahead of the decoder, a worker
AHEAD_TRACKS = 8  # under way at once: hides 100 ms a request behind tracks that take 50 ms each
CHUNK_BYTES = 16 << 20  # one request; what is larger is spooled to a local disk
READ_TIMEOUT_S = 300.0
SLOWEST_BYTES_PER_S = 100_000


@dataclass
class Fetched:
    """A track that has arrived, or why it has not.

    Attributes
    ----------
    entry : Entry
        What was listed.
    stream : IO[bytes] or None
        Its bytes, seekable, at 0. The one who takes it closes it.
    sha256 : str or None
        Of those bytes, in hex.
    error : FmaPrepError or None
        Why there is no stream.
    waited_s : float
        How long the caller waited for it: what reading ahead did not hide.
    """

    entry: Entry
    stream: IO[bytes] | None = None
    sha256: str | None = None
    error: FmaPrepError | None = None
    waited_s: float = 0.0


def read_ahead(store: Store, cut_short: Mapping[str, int], tracks: Iterable[Entry]) -> Iterator[Fetched]:
    """Fetch each of `tracks` from `store`, the next ones while the caller is busy with this one.

    Parameters
    ----------
    store : Store
    cut_short : mapping
        Path -> how many bytes there should be, of tracks that are known to have fewer: they are not read.
    tracks : iterable of Entry

    Yields
    ------
    Fetched
        One for each track, in the same order.
    """
    under_way: deque[tuple[Entry, Future[Fetched]]] = deque()
    pool = ThreadPoolExecutor(AHEAD_TRACKS, "read-ahead")
    try:
        for track in tracks:
            while under_way and (_held_bytes(under_way, track) > AHEAD_BYTES or len(under_way) >= AHEAD_TRACKS):
                yield _arrival(*under_way.popleft())
            under_way.append((track, pool.submit(fetch, store, track, cut_short.get(track.path))))
        while under_way:
            yield _arrival(*under_way.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a store that hangs must not hang the task
        for _, arriving in under_way:
            arriving.add_done_callback(_drop)


def _held_bytes(under_way: Iterable[tuple[Entry, Future[Fetched]]], new: Entry) -> int:
    return sum(min(track.size_bytes, CHUNK_BYTES) for track in (new, *(track for track, _ in under_way)))


def _drop(arrived: Future[Fetched]) -> None:
    """Close what arrived when nobody waits for it any more."""
    if not arrived.cancelled() and (stream := arrived.result().stream) is not None:
        stream.close()


def _arrival(track: Entry, arriving: Future[Fetched]) -> Fetched:
    started = time.perf_counter()
    try:
        fetched = arriving.result(READ_TIMEOUT_S + track.size_bytes / SLOWEST_BYTES_PER_S)
    except TimeoutError:
        arriving.add_done_callback(_drop)
        fetched = Fetched(track, error=TrackError("read", "the store did not deliver it in time"))
    fetched.waited_s = time.perf_counter() - started
    return fetched


def fetch(store: Store, track: Entry, staged_bytes: int | None = None) -> Fetched:
    """Read one track whole, hashing it on the way. Errors of the store become part of the answer."""
    if staged_bytes is not None:
        reason = f"truncated: {track.size_bytes:,} bytes are there of the {staged_bytes:,} in the ledger"
        return Fetched(track, error=TrackError("decode", reason))
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(CHUNK_BYTES)  # noqa: SIM115  # closed by who decodes it
    digest = hashlib.sha256()
    try:
        for start in range(0, max(1, track.size_bytes), CHUNK_BYTES):
            chunk = store.read_range(track.path, start, min(CHUNK_BYTES, track.size_bytes - start))
            digest.update(chunk)
            spool.write(chunk)
        if spool.tell() != track.size_bytes:
            reason = f"{spool.tell():,} bytes arrived of {track.size_bytes:,} listed: it changed, or the store cut it"
            raise TrackError("read", reason)
    except (StorageError, TrackError) as e:
        spool.close()
        return Fetched(track, error=e if isinstance(e, RefusedError | TrackError) else TrackError("read", str(e)))
    spool.seek(0)
    return Fetched(track, spool, digest.hexdigest())
