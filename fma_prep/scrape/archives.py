"""The published FMA data set: zips of tracks, and the CSVs that say what they are.

No name inside an archive is ever used as a path; sizes are limited as stated and as found; sha1s are checked.
"""

import csv
import hashlib
import io
import re
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from fma_prep.dataset.storage import Store
from fma_prep.errors import NotFoundError, ScrapeError
from fma_prep.scrape.ledger import path_of
from fma_prep.scrape.staging import Item

__all__ = ["PUBLISHED_SHA1", "Archive", "check_archive", "read_metadata"]

PUBLISHED_SHA1 = {
    "fma_metadata.zip": "f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
    "fma_small.zip": "ade154f733639d52e35e32f5593efe5be76c6d70",
    "fma_medium.zip": "c67b69ea232021025fca9231fc1c7c1a063ab50b",
    "fma_large.zip": "497109f4dd721066b5ce5e5f250ec604dc78939e",
    "fma_full.zip": "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab",
}
_TRACK = re.compile(r"(?:[^/]+/)?\d{3,}/(\d{6,9})\.mp3")
_CHECKSUM = re.compile(r"([0-9a-f]{40})  (?:[^/]+/)?\d{3,}/(\d{6,9})\.mp3")
_LARGEST_LIST_BYTES = 32 << 20
_LARGEST_TABLE_BYTES = 4 << 30
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, OSError)


class Archive:
    """A zip of tracks, in any store; each thread reads it by a handle of its own.

    Raises
    ------
    ScrapeError
        It is no zip, is cut, or holds no track of the FMA data set.
    """

    def __init__(self, store: Store, name: str, largest_bytes: int) -> None:
        self._store, self._name, self._largest_bytes = store, name, largest_bytes
        self._local = threading.local()
        self._handles: list[zipfile.ZipFile] = []
        infos = self._zip().infolist()
        self._tracks: dict[int, zipfile.ZipInfo] = {}
        for info in infos:
            if found := _TRACK.fullmatch(info.filename):
                self._tracks.setdefault(int(found[1]), info)
        self.other_files = sum(not i.is_dir() for i in infos) - len(self._tracks)
        if not self._tracks:
            raise ScrapeError("no track in it", self._where, "It should hold fma_small/000/000002.mp3 and so on.")
        self._sha1s = self._checksums(infos)

    @property
    def _where(self) -> str:
        return f"{self._store.uri}/{self._name}"

    def items(self, metadata: dict[int, dict[str, Any]], limit: int | None) -> Iterator[Item]:
        """Yield what to stage, in the order of ids."""
        for track_id in sorted(self._tracks)[:limit]:
            info = self._tracks[track_id]
            yield Item(
                path=path_of(track_id),
                size_bytes=info.file_size,
                facts={"id": track_id, "file_url": f"{self._where}!/{info.filename[:200]}"}
                | metadata.get(track_id, {}),
                open=lambda info=info: self._open(info),  # type: ignore[misc]
                sha1=self._sha1s.get(track_id, ""),
            )

    def close(self) -> None:
        """Close all handles."""
        for handle in self._handles:
            handle.close()

    def _zip(self) -> zipfile.ZipFile:
        if not hasattr(self._local, "zip"):
            try:
                self._local.zip = zipfile.ZipFile(self._store.open(self._name))
            except _BROKEN as error:
                raise ScrapeError("not a zip, or not a whole one", self._where, "Download it again.") from error
            self._handles.append(self._local.zip)
        return cast(zipfile.ZipFile, self._local.zip)

    @contextmanager
    def _open(self, info: zipfile.ZipInfo) -> Iterator[BinaryIO]:
        if info.file_size > self._largest_bytes:
            raise ScrapeError(f"larger than the limit of {self._largest_bytes / 1e6:.0f} MB", info.filename)
        try:
            with self._zip().open(info) as file:
                yield cast(BinaryIO, _Member(file))
        except _BROKEN as error:
            raise ScrapeError(f"cannot be unpacked: {error}", info.filename) from error

    def _checksums(self, infos: list[zipfile.ZipInfo]) -> dict[int, str]:
        lists = [
            i for i in infos if i.filename.rpartition("/")[2] == "checksums" and i.file_size <= _LARGEST_LIST_BYTES
        ]
        if not lists:
            return {}
        try:
            with self._zip().open(lists[0]) as file:
                text = file.read(_LARGEST_LIST_BYTES).decode("utf-8", "replace")
        except _BROKEN as error:
            raise ScrapeError("its list of checksums cannot be unpacked", self._where, "Download it again.") from error
        return {int(m[2]): m[1] for m in map(_CHECKSUM.fullmatch, text.splitlines()) if m}


class _Member:
    """A file in a zip, whose errors are ours: they come up while it is read."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Read on."""
        try:
            return bytes(self._file.read(size))
        except _BROKEN as error:
            raise ScrapeError(f"cannot be unpacked: {error}") from error


def check_archive(store: Store, name: str) -> None:
    """Compare a zip with the published sha1 of that name.

    Raises
    ------
    ScrapeError
        It differs, or no sha1 of that name was published.
    """
    if name not in PUBLISHED_SHA1:
        raise ScrapeError("no sha1 was published under this name", name, f"Known are {', '.join(PUBLISHED_SHA1)}.")
    digest = hashlib.sha1(usedforsecurity=False)
    with store.open(name) as file:
        while chunk := file.read(8 << 20):
            digest.update(chunk)
    if digest.hexdigest() != PUBLISHED_SHA1[name]:
        raise ScrapeError("its sha1 is not the published one", f"{store.uri}/{name}", "Download it again.")


def read_metadata(store: Store, name: str) -> dict[int, dict[str, Any]]:
    """Read what the CSVs say of each track.

    Parameters
    ----------
    store : Store
    name : str
        ``fma_metadata.zip`` or ``tracks.csv``; ``genres.csv`` and ``raw_tracks.csv`` beside the latter are read too.

    Returns
    -------
    dict
        From a track's id to keys of a ledger's entry.
    """
    opened = _zipped_tables if name.endswith(".zip") else _tables_beside
    with opened(store, name) as table:
        genres = {row["genre_id"]: row["title"] for row in _plain(table("genres.csv"))}
        raw = {row["track_id"]: row for row in _plain(table("raw_tracks.csv"))}
        rows = table("tracks.csv")
        if rows is None:
            raise ScrapeError("no tracks.csv in it", f"{store.uri}/{name}")
        return {int(row["track_id"]): _facts(row, genres, raw.get(row["track_id"], {})) for row in _two_headers(rows)}


@contextmanager
def _zipped_tables(store: Store, name: str) -> Iterator[Any]:
    try:
        with zipfile.ZipFile(store.open(name)) as archive:
            names = {
                i.filename.rpartition("/")[2]: i for i in archive.infolist() if i.file_size <= _LARGEST_TABLE_BYTES
            }
            yield lambda table: _text(archive.open(names[table])) if table in names else None
    except _BROKEN as error:
        raise ScrapeError("the metadata cannot be unpacked", f"{store.uri}/{name}", "Download it again.") from error


@contextmanager
def _tables_beside(store: Store, name: str) -> Iterator[Any]:
    folder = name.rpartition("/")[0]

    def table(wanted: str) -> io.TextIOWrapper | None:
        path = name if wanted == "tracks.csv" else f"{folder}/{wanted}".lstrip("/")
        try:
            return _text(store.open(path))
        except NotFoundError:
            if path == name:
                raise
            return None

    yield table


def _text(file: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")


def _plain(file: io.TextIOWrapper | None) -> Iterator[dict[str, str]]:
    csv.field_size_limit(1 << 24)  # biographies of artists
    return iter(()) if file is None else (row for row in csv.DictReader(file) if None not in row.values())


def _two_headers(file: io.TextIOWrapper) -> Iterator[dict[str, str]]:
    """Yield the rows of tracks.csv, with keys such as ``track|title``; its third row names the index only."""
    rows = csv.reader(file)
    keys = [f"{group}|{name}" for group, name in zip(next(rows, []), next(rows, []), strict=False)]
    for row in rows:
        if row and row[0].isdigit():
            yield {"track_id": row[0], **dict(zip(keys, row, strict=False))}


def _facts(row: dict[str, str], genres: dict[str, str], raw: dict[str, str]) -> dict[str, Any]:
    named = [genres[number] for number in re.findall(r"\d+", row.get("track|genres", "")) if number in genres]
    top = row.get("track|genre_top", "")
    return {
        "title": row.get("track|title") or None,
        "artist": row.get("artist|name") or None,
        "artist_id": row.get("artist|id") or None,
        "album": row.get("album|title") or None,
        "genres": list(dict.fromkeys(filter(None, (top, *named)))),
        "licence": row.get("track|license") or None,
        "licence_url": raw.get("license_url") or None,
        "page_url": raw.get("track_url") or None,
        "split": row.get("set|split") or None,
    }
