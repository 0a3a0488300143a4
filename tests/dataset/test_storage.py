"""The contract on what runs without a server, and what is the local disk's own."""

import errno
import os
import subprocess
import sys

import fsspec
import pytest

from fma_prep.dataset import storage
from fma_prep.dataset.storage import list_input, open_store
from fma_prep.errors import NotFoundError, StorageError, UsageError
from tests.dataset.store_contract import StoreContract


class TestLocal(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return open_store(str(tmp_path / "a store #1"), create=True)


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self):
        fsspec.filesystem("memory").store.clear()
        return open_store("memory://a/store", create=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError):
        list_input(str(tmp_path / "nowhere"))


def test_loops_of_links_end_and_a_track_keeps_its_own_name(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").write_bytes(b"a")
    (tmp_path / "again").symlink_to("real")
    (tmp_path / "real" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "broken.mp3").symlink_to("nowhere")
    store = open_store(str(tmp_path))
    assert [e.path for e in store.list()] == ["broken.mp3", "real/a.mp3", "self"]
    with pytest.raises(NotFoundError):
        store.read("broken.mp3")


def test_a_link_out_of_the_folder_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.mp3").write_bytes(b"a")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert [e.path for e in list_input(str(tmp_path / "in"))[1]] == ["link/a.mp3"]


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.mp3")
    store, tracks, _ = list_input(str(tmp_path))
    assert [t.path for t in tracks] == ["a.mp3"]
    with pytest.raises(StorageError, match="not a regular file"):
        store.open("a.mp3")


def test_names_that_are_not_unicode(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    (tmp_path / name).write_bytes(b"x")
    store, tracks, _ = list_input(str(tmp_path))
    assert store.read(tracks[0].path) == b"x"


def test_refusals_are_told_from_absence(tmp_path):
    """As another user when we are root, to whom nothing is refused."""
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "a.mp3").write_bytes(b"x")
    (tmp_path / "shut.mp3").write_bytes(b"x")
    for shut in ("shut", "shut.mp3"):
        (tmp_path / shut).chmod(0)
    program = (
        "import os, sys\n"
        "from fma_prep.dataset.storage import open_store\n"
        "from fma_prep.errors import RefusedError\n"
        "store = open_store(sys.argv[1])\n"
        "store.is_folder()\n"
        "if os.getuid() == 0: os.chdir('/'); os.seteuid(65534)\n"
        "for action in (store.list, lambda: store.read('shut.mp3'), lambda: store.exists('shut/a.mp3'),\n"
        "               lambda: store.list('shut')):\n"
        "    try: action()\n"
        "    except RefusedError as e: print(e)\n"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055) if os.getuid() == 0 else None
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stdout + done.stderr
    assert all("may not" in line and str(tmp_path) in line for line in lines)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a\0b"])
def test_no_name_leads_out_of_the_store(tmp_path, path):
    store = open_store(str(tmp_path / "in"), create=True)
    for action in (store.read, store.delete, lambda p: store.write(p, b"")):
        with pytest.raises(StorageError, match="not a path inside"):
            action(path)


def test_a_full_disk_is_said_in_a_line_and_leaves_nothing():
    store = open_store("/dev/full/x")
    with pytest.raises(StorageError, match="part of its path is a file"):
        store.write("y", b"x")


def test_repr_and_errors_hide_options(tmp_path):
    store = open_store(str(tmp_path), {"secret": "hunter2"})
    assert "hunter2" not in repr(store)
    with pytest.raises(UsageError) as caught:
        open_store("s3://KEY:hunter2@bucket/x")
    assert "hunter2" not in str(caught.value)


def test_written_files_are_readable_by_others(tmp_path):
    previous = os.umask(0o022)
    try:
        open_store(str(tmp_path)).write("x", b"x")
    finally:
        os.umask(previous)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (RuntimeError("OperationFailed: Failed to complete file in time"), True),
        (RuntimeError("org.apache.hadoop.hdfs.server.namenode.SafeModeException"), True),
        (ConnectionResetError(), True),
        (OSError(errno.ESTALE, "stale"), True),
        (OSError(errno.ENOSPC, "full"), False),
        (RuntimeError("AccessControlException: Permission denied"), False),
        (FileNotFoundError(), False),
    ],
)
def test_only_what_may_work_in_a_second_is_tried_again(tmp_path, monkeypatch, error, again):
    monkeypatch.setattr(storage, "_PAUSES_S", (0.0, 0.0))
    store, attempts = open_store(str(tmp_path)), []

    def fail(path, source, overwrite):
        attempts.append(path)
        raise error

    store.write("a", b"")
    monkeypatch.setattr(store._backend, "write", fail)
    with pytest.raises(StorageError):
        store.write("a", b"")
    assert len(attempts) == (3 if again else 1)
