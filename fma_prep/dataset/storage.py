"""Stores: a folder on disk, in S3, in HDFS, or wherever fsspec opens, behind one small interface.

>>> store = open_store("s3://bucket/music", {"endpoint_url": "http://127.0.0.1:9000"})   # doctest: +SKIP
>>> store.read(store.list()[0].path)                                                    # doctest: +SKIP

A store's URI is parsed once (`fma_prep.dataset.uri`); names under it are joined to its root and never parsed again, so
``#``, ``%``, ``?``, ``::`` or a newline in a name mean themselves. A write is whole or not at all. Errors are ours:
`NotFoundError`, `RefusedError`, `StorageError`, each one line. A store pickles (Spark, DataLoader workers): it opens
its connections anew in each process.
"""

import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, TypeVar

from fma_prep.dataset.stores import Backend, Entry, Opened, open_backend
from fma_prep.dataset.stores.translate import is_transient, translated
from fma_prep.dataset.uri import has_scheme, parse, refuse_inside
from fma_prep.errors import NotFoundError, StorageError

__all__ = ["Entry", "Store", "has_scheme", "list_input", "open_store", "refuse_inside"]

AUDIO_SUFFIXES = tuple(
    ".mp3 .mp2 .wav .wave .flac .ogg .oga .opus .m4a .mp4 .aac .aif .aiff .aifc .au .caf .wv".split()
)

_T = TypeVar("_T")
_MAGIC = re.compile(r"[*?[]")
_PAUSES_S = (0.2, 0.8, 2.0)  # between attempts at what may well work in a second


def open_store(uri: str, options: Mapping[str, Any] | None = None, *, create: bool = False) -> "Store":
    """Return the store at `uri`.

    Parameters
    ----------
    uri : str
        A folder. Without a scheme: on the local disk.
    options : mapping, optional
        For fsspec's class: endpoint_url, requester_pays, …
    create : bool
        Make the folder, where folders exist. Without it nothing is asked of the store yet.

    Raises
    ------
    UsageError
        If `uri` cannot be a store's.
    StorageError
        If `create` fails.
    """
    store = Store(uri, options)
    if create:
        store.make_folder()
    return store


class Store:
    """Files under one root. See `open_store`.

    Attributes
    ----------
    uri : str
        Canonical, and free of credentials.
    scheme : str
    """

    def __init__(self, uri: str, options: Mapping[str, Any] | None = None) -> None:
        self._location = parse(uri)
        self._options = dict(options or {})
        self.uri, self.scheme = str(self._location), self._location.scheme
        self._lock = threading.Lock()
        self._opened: tuple[int, Backend, str] | None = None

    def list(self, under: str = "") -> list[Entry]:
        """Return all files, recursively, sorted by path; none if there is no such folder."""
        root = self._whole("")
        cut = len(root.rstrip("/")) + 1 if root else 0
        start = self._whole(under.strip("/"))
        walked = self._try("list", under, lambda: list(self._backend.walk(start)))
        return sorted((Entry(e.path[cut:], e.size_bytes, e.identity) for e in walked), key=lambda e: e.path)

    def info(self, path: str) -> Entry:
        """Return what is known of a file; NotFoundError if there is none."""
        found = self._try("look at", path, lambda: self._backend.info(self._whole(path)))
        return Entry(path, found.size_bytes, found.identity)

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        try:
            self.info(path)
        except NotFoundError:
            return False
        except StorageError as e:
            if isinstance(e.__cause__, (IsADirectoryError, NotADirectoryError)):
                return False
            raise
        return True

    def is_folder(self, path: str = "") -> bool:
        """Return whether there is such a folder; in S3, any key under it."""
        return self._try("look at", path, lambda: self._backend.is_folder(self._whole(path)))

    def open(self, path: str) -> io.BufferedReader:
        """Open a file for reading; it can be sought. In S3 and HDFS it reads 8 MiB a request."""
        opened = self._try("read", path, lambda: self._backend.open(self._whole(path)))

        def fetch(start: int, length: int) -> bytes:
            return self._try("read", path, lambda: opened.fetch(start, length))

        return io.BufferedReader(_RangedFile(opened, fetch), opened.buffer_bytes)

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        return self._try("read", path, lambda: self._backend.read(self._whole(path), 0, None))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer where the file ends."""
        return self._try("read", path, lambda: self._backend.read(self._whole(path), start, length))

    def write(self, path: str, data: bytes, *, overwrite: bool = True) -> bool:
        """Write a file, whole or not at all; parents are made.

        Returns
        -------
        bool
            False if there was one already and `overwrite` is False: then nothing was written. On a local disk, HDFS and
            S3 proper no other writer can slip in between.
        """
        return self._try("write", path, lambda: self._backend.write(self._whole(path), bytes(data), overwrite))

    def put(self, path: str, local_file: BinaryIO, *, overwrite: bool = True) -> bool:
        """Write what is in `local_file` from its beginning, of any size, in bounded memory; else like `write`."""

        def copy() -> bool:
            local_file.seek(0)
            return self._backend.write(self._whole(path), local_file, overwrite)

        return self._try("write", path, copy)

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is no error."""
        self._try("delete", path, lambda: self._backend.delete(self._whole(path)))

    @property
    def can_rename(self) -> bool:
        """Whether `rename` works here: not in S3."""
        return self._backend.can_rename

    def rename(self, source: str, target: str) -> None:
        """Rename a file, replacing what is there, where the store can."""
        self._try("rename", source, lambda: self._backend.rename(self._whole(source), self._whole(target)))

    def make_folder(self, path: str = "") -> None:
        """Make a folder and its parents, where folders exist."""
        self._try("write", path, lambda: self._backend.make_folder(self._whole(path)))

    def name(self, path: str) -> str:
        """Return what to call a file of this store in a message."""
        return f"{self.uri.rstrip('/')}/{path}" if path else self.uri

    @property
    def _backend(self) -> Backend:
        return self._connected()[0]

    def _whole(self, path: str) -> str:
        backend, root = self._connected()
        try:
            return backend.join(root, path)
        except ValueError as e:
            raise StorageError(str(e), self.name(path)) from e

    def _connected(self) -> tuple[Backend, str]:
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():  # connections do not survive a fork
                try:
                    backend, root = open_backend(self._location, self._options)
                except Exception as e:
                    raise translated(e, "open", self.uri, self._options) from e
                self._opened = (os.getpid(), backend, root)
            return self._opened[1:]

    def _try(self, verb: str, path: str, action: Callable[[], _T]) -> _T:
        for pause_s in (*_PAUSES_S, None):
            try:
                return action()
            except Exception as e:
                if pause_s is None or not is_transient(e):
                    raise translated(e, verb, self.name(path), self._options) from e
            time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Store.__init__(self, state["uri"], state["options"])

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"  # options may hold credentials


class _RangedFile(io.RawIOBase):
    """A file read by ranges, for `io.BufferedReader` to make them few."""

    def __init__(self, opened: Opened, fetch: Callable[[int, int], bytes]) -> None:
        self._opened, self._fetch, self._at = opened, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._opened.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._take(1 << 26), b""))

    def _take(self, length: int) -> bytes:
        length = min(length, max(0, self._opened.size_bytes - self._at))
        data = self._opened.first[self._at : self._at + length]
        if not data and length:
            data = self._fetch(self._at, length)
        self._at += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._opened.close()


def list_input(uri: str, options: Mapping[str, Any] | None = None) -> tuple[Store, list[Entry], list[str]]:
    """Return what INPUT holds.

    Parameters
    ----------
    uri : str
        One file, a folder, or a glob (``*``, ``?``, ``[…]`` inside a name, ``**`` across folders; a folder that matches
        stands for all that it holds). What exists is never a glob.
    options : mapping, optional

    Returns
    -------
    store : Store
        Rooted at the folder, at the glob's fixed beginning, or at the folder of the one file.
    tracks : list of Entry
        Sorted by path. One file is a track whatever its name; else audio suffixes are, and names (of files or folders)
        that begin with ``.`` or ``_`` are not.
    skipped : list of str
        The other files.

    Raises
    ------
    NotFoundError
        If there is nothing, or no folder where a glob begins.
    """
    location = parse(uri)
    parent, slash, name = location.path.rpartition("/")
    if name and not uri.endswith("/"):
        folder = Store(str(location.at(parent or ("/" if slash else ""))), options)
        if folder.exists(name):
            return folder, [folder.info(name)], []
    store = Store(str(location), options)
    if store.is_folder():
        return store, *_sorted_out(store.list())
    if not _MAGIC.search(location.path):
        raise NotFoundError("there is nothing here", store.uri, "Check the spelling.")
    fixed, pattern = _split_glob(location.path)
    store = Store(str(location.at(fixed)), options)
    if not store.is_folder():
        raise NotFoundError("there is no such folder", store.uri, "Check the spelling.")
    matches = re.compile(_glob_regex(pattern)).match
    return store, *_sorted_out(e for e in store.list() if matches(e.path))


def _sorted_out(entries: Iterable[Entry]) -> tuple[list[Entry], list[str]]:
    tracks, skipped = [], []
    for entry in entries:
        if any(part.startswith((".", "_")) for part in entry.path.split("/")):
            continue
        if entry.path.lower().endswith(AUDIO_SUFFIXES):
            tracks.append(entry)
        else:
            skipped.append(entry.path)
    return tracks, skipped


def _split_glob(path: str) -> tuple[str, str]:
    """Return the folder where a glob begins, and the glob from there on."""
    parts = path.split("/")
    first = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
    return "/".join(parts[:first]) or ("/" if path.startswith("/") else ""), "/".join(parts[first:])


def _glob_regex(pattern: str) -> str:
    """Return a regular expression for a path, or for a folder that it lies in (fnmatch's ``*`` would cross folders)."""

    def translate(token: re.Match[str]) -> str:
        if token["set"]:
            inverted = "^/" if token["set"][0] in "!^" else ""
            return f"[{inverted}{re.escape(token['set'].lstrip('!^')).replace(chr(92) + '-', '-')}]"
        return {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token[0], re.escape(token[0]))

    body = re.sub(r"(?s)(?:(?<=/)|^)\*\*/|\*\*|\*|\?|\[(?P<set>[!^]?\]?[^\]/]+)\]|.", translate, pattern)
    return rf"(?s:{body})(?:/|\Z)"
