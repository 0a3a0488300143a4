"""Whatever else fsspec opens (``memory:``, ``gs:``, ``abfs:``, …), by the methods that all its classes share."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO

import fsspec
from fsspec import AbstractFileSystem

from fma_prep.dataset.stores import Entry, Opened
from fma_prep.dataset.stores.local import join_strictly, timestamp
from fma_prep.dataset.uri import Location

__all__ = ["OtherBackend"]

_TIMES = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")


class OtherBackend:
    """Files of an fsspec filesystem."""

    can_rename = True

    def __init__(self, scheme: str, options: Mapping[str, Any]) -> None:
        self._fs = fsspec.filesystem(scheme, **options, use_listings_cache=False)

    def root(self, location: Location) -> str:
        """Return the path of `location` as this filesystem names it."""
        return str(self._fs._strip_protocol(str(location)))

    def join(self, root: str, path: str) -> str:
        """Return the whole path."""
        return join_strictly(root, path)

    def walk(self, root: str) -> Iterator[Entry]:
        """Yield every file under a folder."""
        folders = [root]
        while folders:
            try:
                listing = self._fs.ls(folders.pop(), detail=True)
            except FileNotFoundError:
                continue
            for item in listing:
                if item["type"] == "directory":
                    folders.append(item["name"])
                else:
                    yield _entry(item)

    def info(self, path: str) -> Entry:
        """Return size and identity."""
        item = self._fs.info(path)
        if item["type"] == "directory":
            raise IsADirectoryError(path)
        return _entry(item)

    def is_folder(self, path: str) -> bool:
        """Return whether it is a folder."""
        try:
            return bool(self._fs.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def open(self, path: str) -> Opened:
        """Open a file."""
        return Opened(self.info(path).size_bytes, lambda start, length: self.read(path, start, length))

    def read(self, path: str, start: int, length: int | None) -> bytes:
        """Return a range of a file."""
        return bytes(self._fs.cat_file(path, start, None if length is None else start + length))

    def write(self, path: str, source: bytes | BinaryIO, overwrite: bool) -> bool:
        """Write under a temporary name in the same folder, then move."""
        if not overwrite and self._fs.exists(path):
            return False
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/.tmp-{secrets.token_hex(8)}"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            if isinstance(source, bytes):
                self._fs.pipe_file(temporary, source)
            else:
                with self._fs.open(temporary, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            self._move(temporary, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise
        return True

    def delete(self, path: str) -> None:
        """Delete a file."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(path)

    def rename(self, source: str, target: str) -> None:
        """Rename a file."""
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._move(source, target)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        self._fs.makedirs(path, exist_ok=True)

    def _move(self, source: str, target: str) -> None:
        if type(self._fs).mv is not AbstractFileSystem.mv:
            self._fs.mv(source, target)
        else:  # the general one takes names for globs
            self._fs.cp_file(source, target)
            self._fs.rm_file(source)


def _entry(item: Mapping[str, Any]) -> Entry:
    etag = item.get("etag") or item.get("ETag")
    if etag:
        return Entry(item["name"], item["size"], {"etag": str(etag).strip('"')})
    when = next((item[t] for t in _TIMES if item.get(t)), None)
    if isinstance(when, (int, float)):
        when = timestamp(when)
    modified = when.isoformat() if isinstance(when, datetime) else str(when or "")
    return Entry(item["name"], item["size"], {"modified": modified})
