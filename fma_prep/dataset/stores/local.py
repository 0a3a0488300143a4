"""The local disk, or what is mounted as one. By `os`: with no library between, no name means anything but itself."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from typing import BinaryIO

from fma_prep.dataset.stores import Entry, Opened

__all__ = ["LocalBackend", "join_strictly", "timestamp"]


def timestamp(seconds: float) -> str:
    """Return a POSIX time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def join_strictly(root: str, path: str) -> str:
    """Join where ``..`` would climb: track and shard names come from listings and manifests, which may be hostile."""
    if not path:
        return root
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("not a path inside the store")
    return f"{root.rstrip('/')}/{path}"


class LocalBackend:
    """Files and folders of this machine."""

    can_rename = True

    def join(self, root: str, path: str) -> str:
        """Return the whole path."""
        return join_strictly(root, path)

    def walk(self, root: str) -> Iterator[Entry]:
        """Yield files, following links, each folder once: a loop of links ends, and a track keeps its own name."""
        seen: set[tuple[int, int]] = set()
        real, linked = [root] if self.is_folder(root) else [], list[str]()
        while real or linked:
            folder = real.pop() if real else linked.pop()
            status = os.stat(folder)
            if (inode := (status.st_dev, status.st_ino)) in seen:
                continue
            seen.add(inode)
            for item in sorted(os.scandir(folder), key=lambda i: i.name):
                if _is_folder(item):
                    (linked if item.is_symlink() else real).append(item.path)
                elif (entry := _entry(item)) is not None:
                    yield entry

    def info(self, path: str) -> Entry:
        """Return size and identity."""
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(path)
        return Entry(path, status.st_size, {"modified": timestamp(status.st_mtime)})

    def is_folder(self, path: str) -> bool:
        """Return whether it is a folder."""
        try:
            return stat.S_ISDIR(os.stat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):  # but a refusal must be raised, not be False
            return False

    def open(self, path: str) -> Opened:
        """Open a regular file; a pipe would wait for ever for its writer."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise IsADirectoryError(path) if stat.S_ISDIR(status.st_mode) else OSError("not a regular file")
        return Opened(
            status.st_size,
            lambda start, length: os.pread(descriptor, length, start),
            lambda: os.close(descriptor),
            buffer_bytes=1 << 18,
        )

    def read(self, path: str, start: int, length: int | None) -> bytes:
        """Return a range of a file."""
        opened = self.open(path)
        left = max(0, opened.size_bytes - start)
        left = left if length is None else min(left, length)
        blocks = []
        try:
            while left and (block := opened.fetch(start, left)):  # the system gives at most 2 GiB at a time
                blocks.append(block)
                start, left = start + len(block), left - len(block)
        finally:
            opened.close()
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def write(self, path: str, source: bytes | BinaryIO, overwrite: bool) -> bool:
        """Write under a temporary name in the same folder, then rename; without `overwrite`, link."""
        if not overwrite and os.path.lexists(path):
            return False
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.tmp-{secrets.token_hex(8)}"
        try:
            with open(temporary, "xb") as file:
                shutil.copyfileobj(BytesIO(source) if isinstance(source, bytes) else source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(temporary, path)
                return True
            return _link(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def delete(self, path: str) -> None:
        """Delete a file."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def rename(self, source: str, target: str) -> None:
        """Rename a file."""
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        os.makedirs(path, exist_ok=True)


def _is_folder(item: "os.DirEntry[str]") -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False


def _entry(item: "os.DirEntry[str]") -> Entry | None:
    try:
        status = item.stat()
    except FileNotFoundError:
        if not item.is_symlink():
            return None  # deleted while we looked: a temporary file of another driver, most likely
        status = item.stat(follow_symlinks=False)  # a broken link is listed: reading it will say what it is
    except OSError:  # a link to itself, or into a folder that is shut
        status = item.stat(follow_symlinks=False)
    return Entry(item.path, status.st_size, {"modified": timestamp(status.st_mtime)})


def _link(temporary: str, path: str) -> bool:
    """Give the file its name if nobody has it: a link is exclusive where a rename is not."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here: some mounted stores
        if os.path.lexists(path):
            return False
        os.rename(temporary, path)
    return True
