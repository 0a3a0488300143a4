"""What each kind of store is asked to do: local disk, S3, HDFS, and whatever else fsspec has.

A backend takes whole paths inside its filesystem, raises whatever its library raises, and is never used but by
`fma_prep.dataset.storage.Store`, which joins paths and translates errors.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from fma_prep.dataset.uri import Location

__all__ = ["Backend", "Entry", "Opened", "open_backend"]


@dataclass(frozen=True)
class Entry:
    """One file of a store.

    Attributes
    ----------
    path : str
        Relative to the root of its store, joined by ``/`` whatever the system.
    size_bytes : int
    identity : dict
        What changes when the content does: ``{"etag": str}``, or ``{"modified": str}`` (ISO 8601, UTC).
    """

    path: str
    size_bytes: int
    identity: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Opened:
    """A file to be read by ranges: `fetch(start, length)`; `first` holds bytes that arrived with the opening."""

    size_bytes: int
    fetch: Callable[[int, int], bytes]
    close: Callable[[], None] = lambda: None
    first: bytes = b""
    buffer_bytes: int = 1 << 23


class Backend(Protocol):
    """One kind of store. Missing files raise FileNotFoundError, refusals PermissionError or what the library has."""

    can_rename: bool

    def join(self, root: str, path: str) -> str:
        """Return the whole path of `path` under `root`; ValueError if it would leave it."""

    def walk(self, root: str) -> Iterator[Entry]:
        """Yield every file under the folder `root` with its whole path; nothing if there is no such folder."""

    def info(self, path: str) -> Entry:
        """Return size and identity of a file."""

    def is_folder(self, path: str) -> bool:
        """Return whether there is a folder, or keys under that prefix."""

    def open(self, path: str) -> Opened:
        """Open a file for reading by ranges."""

    def read(self, path: str, start: int, length: int | None) -> bytes:
        """Return `length` bytes from `start`, all that follow with None; fewer at the end of the file."""

    def write(self, path: str, source: bytes | BinaryIO, overwrite: bool) -> bool:
        """Write a whole file or nothing; return False, having written nothing, if it is there and must stay."""

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is no error."""

    def rename(self, source: str, target: str) -> None:
        """Rename a file, replacing what is there."""

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents, where folders exist."""


def open_backend(location: Location, options: Mapping[str, Any]) -> tuple[Backend, str]:
    """Return the backend for `location`, and the path in it that `location` means. Imports what it needs, no more."""
    # ruff: noqa: PLC0415  # s3fs costs two seconds, hdfs-native a tenth: only those pay who use them
    if location.scheme == "file":
        from fma_prep.dataset.stores.local import LocalBackend

        return LocalBackend(), location.path
    if location.scheme == "s3":
        from fma_prep.dataset.stores.s3 import S3Backend

        return S3Backend(location.authority, options), location.path
    if location.scheme in ("hdfs", "viewfs"):
        from fma_prep.dataset.stores.hdfs import HdfsBackend

        return HdfsBackend(location, options), location.path
    from fma_prep.dataset.stores.other import OtherBackend

    other = OtherBackend(location.scheme, options)
    return other, other.root(location)
