"""The dataset, back as arrays: every record once, in manifest order.

Readers follow the manifest: what lies in shards without a line there (of a killed or repeated task) is not data. Each
record costs one range read; several are in flight at a time, since in S3 a request takes 30 ms whatever it brings.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from fma_prep.dataset.manifest import MANIFEST, read_manifest
from fma_prep.dataset.sampling import Windows
from fma_prep.dataset.selection import select
from fma_prep.dataset.storage import Store, open_store
from fma_prep.errors import DatasetError

__all__ = ["codes_of", "read_dataset", "windows"]

_AT_ONCE = 8
_AHEAD_BYTES = 64 << 20


def read_dataset(
    uri: str,
    clean: bool = False,
    *,
    split: str | None = None,
    licence: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the records of a dataset in manifest order, which is that of the tracks' paths.

    Parameters
    ----------
    uri : str
        What was OUTPUT.
    clean : bool
        Leave out tracks that are silent, had bad packets or warnings: see `fma_prep.dataset.selection.is_clean`.
    split : {"training", "validation", "test"}, optional
    licence : str, optional
        As in ``"by,by-sa,cc0"``. For both see `fma_prep.dataset.selection.select`.
    options : mapping, optional
        For the store.

    Yields
    ------
    dict
        The track's manifest line, and ``codes``: np.ndarray [shape=(n_samples,), dtype=uint8], read-only, not copied.

    Raises
    ------
    NotFoundError
        If there is no manifest.
    DatasetError
        If manifest or codes are damaged: codes are checked against their SHA-256.
    """
    store = open_store(uri, options)
    waiting: deque[tuple[dict[str, Any], Future[bytes]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(_AT_ONCE, "read_dataset") as pool:
        try:
            for line in select(read_manifest(store), split=split, licence=licence, clean=clean):
                waiting.append((line, pool.submit(codes_of, store, line)))
                ahead += line["n_samples"]
                while ahead > _AHEAD_BYTES or len(waiting) > 4 * _AT_ONCE:
                    first, codes = waiting.popleft()
                    ahead -= first["n_samples"]
                    yield {**first, "codes": np.frombuffer(codes.result(), np.uint8)}
            while waiting:
                first, codes = waiting.popleft()
                yield {**first, "codes": np.frombuffer(codes.result(), np.uint8)}
        finally:
            for _, codes in waiting:  # the reader broke off
                codes.cancel()


def windows(uri: str, length: int, hop: int | None = None, **choices: Any) -> Windows:
    """Return the dataset as training windows: see `fma_prep.dataset.sampling.Windows`, which takes the same."""
    return Windows(uri, length, hop, **choices)


def codes_of(store: Store, line: Mapping[str, Any]) -> bytes:
    """Return the codes that a manifest line leads to, checked."""
    try:
        shard, start, length, digest = (line[k] for k in ("shard", "codes_offset", "n_samples", "codes_sha256"))
        codes = store.read_range(shard, start, length)
    except (KeyError, TypeError) as e:
        raise DatasetError(f"the line of {line['track']} leads nowhere", store.name(MANIFEST)) from e
    if hashlib.sha256(codes).hexdigest() != digest:
        raise DatasetError(f"the codes of {line['track']} are not those that were written", store.name(shard))
    return codes
