"""HDFS by hdfs-native's own client: its fsspec class cuts names at ``#``, ``?`` and ``;``, and lowers nameservices."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from hdfs_native import Client, WriteOptions

from fma_prep.dataset.stores import Entry, Opened
from fma_prep.dataset.stores.local import join_strictly, timestamp
from fma_prep.dataset.uri import Location

__all__ = ["HdfsBackend"]

_EMR_CONF = Path("/etc/hadoop/conf")
# Half a minute: enough for a NameNode that fails over, where the default's minutes only delay "it does not answer".
_PATIENCE = {"dfs.client.failover.max.attempts": 8, "dfs.client.failover.sleep.max.millis": 5000}
_first_used_in: list[int] = []  # the process whose threads the client's library has


class HdfsBackend:
    """Files of one NameNode or nameservice.

    Parameters
    ----------
    location : Location
        Without an authority, the cluster's default filesystem.
    options : mapping
        Hadoop settings; values of any builtin type (the client wants strings, and Java's spelling of a boolean).
    """

    can_rename = True

    def __init__(self, location: Location, options: Mapping[str, Any]) -> None:
        if os.environ.get("SPARK_USER"):  # else a container's files would belong to the NodeManager's user
            os.environ.setdefault("HADOOP_USER_NAME", os.environ["SPARK_USER"])
        _refuse_after_fork()
        options = {**_PATIENCE, **options}
        settings = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in options.items()}
        self._client = Client(f"{location.scheme}://{location.authority}", settings, _configuration())

    def join(self, root: str, path: str) -> str:
        """Return the whole path."""
        return join_strictly(root, path)

    def walk(self, root: str) -> Iterator[Entry]:
        """Yield every file under a folder."""
        with suppress(FileNotFoundError):
            if self.is_folder(root):
                yield from (_entry(s, s.path) for s in self._client.list_status(root, True) if not s.isdir)

    def info(self, path: str) -> Entry:
        """Return size and identity."""
        status = self._client.get_file_info(path)
        if status.isdir:
            raise IsADirectoryError(path)
        return _entry(status, path)

    def is_folder(self, path: str) -> bool:
        """Return whether it is a folder."""
        try:
            return bool(self._client.get_file_info(path).isdir)
        except FileNotFoundError:
            return False

    def open(self, path: str) -> Opened:
        """Open a file."""
        reader = self._client.read(path)
        return Opened(len(reader), lambda start, length: bytes(reader.read_range(start, length)))

    def read(self, path: str, start: int, length: int | None) -> bytes:
        """Return a range of a file."""
        reader = self._client.read(path)
        left = max(0, len(reader) - start)
        left = left if length is None else min(left, length)
        return bytes(reader.read_range(start, left)) if left else b""

    def write(self, path: str, source: bytes | BinaryIO, overwrite: bool) -> bool:
        """Write under a temporary name in the same folder, then rename."""
        if not overwrite and self._exists(path):
            return False
        temporary = f"{os.path.dirname(path).rstrip('/')}/.tmp-{secrets.token_hex(8)}"
        try:
            with self._client.create(temporary, WriteOptions(overwrite=False, create_parent=True)) as file:
                shutil.copyfileobj(BytesIO(source) if isinstance(source, bytes) else source, file, 1 << 20)
            self._client.rename(temporary, path, overwrite)
        except FileExistsError:
            self._client.delete(temporary)
            if overwrite:
                raise
            return False
        except BaseException:
            with suppress(Exception):  # leaving the block by an exception has closed, and so kept, the part
                self._client.delete(temporary)
            raise
        return True

    def delete(self, path: str) -> None:
        """Delete a file."""
        with suppress(FileNotFoundError):
            self._client.delete(path, False)

    def rename(self, source: str, target: str) -> None:
        """Rename a file."""
        self._client.mkdirs(os.path.dirname(target), create_parent=True)
        self._client.rename(source, target, True)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        self._client.mkdirs(path, create_parent=True)

    def _exists(self, path: str) -> bool:
        try:
            self._client.get_file_info(path)
        except FileNotFoundError:
            return False
        return True


def _refuse_after_fork() -> None:
    """Refuse where the client would wait for ever: its threads stayed behind in the process that was forked."""
    if not _first_used_in:
        _first_used_in.append(os.getpid())
    if _first_used_in[0] != os.getpid():
        raise RuntimeError('HDFS was used before this process was forked: start it by "spawn" or "forkserver"')


def _configuration() -> str | None:
    """Return where Hadoop's settings are; None leaves it to the client, which knows HADOOP_CONF_DIR and HADOOP_HOME."""
    if os.environ.get("HADOOP_CONF_DIR") or os.environ.get("HADOOP_HOME"):
        return None
    return str(_EMR_CONF) if _EMR_CONF.is_dir() else None


def _entry(status: Any, path: str) -> Entry:
    return Entry(path, int(status.length), {"modified": timestamp(status.modification_time / 1000)})
