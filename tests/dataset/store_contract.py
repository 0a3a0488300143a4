"""What every store must do, to be run on any: subclass `StoreContract` and give it a `store` fixture.

::

    class TestHdfs(StoreContract):
        @pytest.fixture
        def store(self): return open_store("hdfs:///tmp/empty-folder", create=True)
"""

import io
import pickle

import pytest

from fma_prep.dataset.storage import Store, list_input
from fma_prep.errors import NotFoundError, StorageError

NAMES = [
    "plain.mp3",
    "with space.mp3",
    " leading and trailing .mp3",
    "a#b.mp3",
    "a%20b.mp3",
    "100%.mp3",
    "a?b.mp3",
    "a?versionId=1.mp3",
    "a;b.mp3",
    "zip::a.mp3",
    "a[1].mp3",
    "a{1}*.mp3",
    "a&b=c+d,e@f!$'().mp3",
    "new\nline.mp3",
    "~tilde.mp3",
    "Größe 音楽 🎵.mp3",
    "back\\slash.mp3",
    'quote".mp3',
    "folder #1/sub?/a.mp3",
    "folder [x]/a::b.mp3",
]


class StoreContract:
    """Inherited by one class a kind of store; `store` is an empty, writable one."""

    names = NAMES

    def test_an_empty_store_lists_nothing(self, store: Store):
        assert store.list() == []
        assert store.list("_commits") == []

    def test_odd_names_mean_themselves(self, store: Store):
        for i, name in enumerate(self.names):
            store.write(name, f"{i}".encode())
        assert [e.path for e in store.list()] == sorted(self.names)
        for i, name in enumerate(self.names):
            data = f"{i}".encode()
            assert store.exists(name)
            assert store.info(name).size_bytes == len(data)
            assert store.read(name) == data
            with store.open(name) as file:
                assert file.read() == data
        for name in self.names:
            store.delete(name)
            assert not store.exists(name)
        assert store.list() == []

    def test_listing_is_recursive_relative_and_tells_identity(self, store: Store):
        for name in ("b/c.mp3", "a.mp3", "b/a/z.mp3"):
            store.write(name, name.encode())
        assert [e.path for e in store.list()] == ["a.mp3", "b/a/z.mp3", "b/c.mp3"]
        assert [e.path for e in store.list("b")] == ["b/a/z.mp3", "b/c.mp3"]
        for entry in store.list():
            assert entry.size_bytes == len(entry.path)
            assert set(entry.identity) in ({"etag"}, {"modified"})
            assert store.info(entry.path) == entry
        assert store.is_folder("b")
        assert not store.is_folder("c")
        assert not store.exists("b")

    def test_a_prefix_of_a_name_is_not_a_folder(self, store: Store):
        store.write("abc/x.mp3", b"x")
        assert store.list("ab") == []
        assert not store.is_folder("ab")

    def test_writing_replaces_or_leaves(self, store: Store):
        assert store.write("x", b"one")
        assert store.write("x", b"two")
        assert store.read("x") == b"two"
        assert not store.write("x", b"three", overwrite=False)
        assert not store.put("x", io.BytesIO(b"three"), overwrite=False)
        assert store.read("x") == b"two"
        assert store.write("y", b"", overwrite=False)
        assert store.read("y") == b""
        assert [e.path for e in store.list()] == ["x", "y"]

    def test_put_takes_the_file_from_its_beginning(self, store: Store):
        file = io.BytesIO(b"0123456789")
        file.seek(5)
        assert store.put("deep/down/x", file)
        assert store.read("deep/down/x") == b"0123456789"

    def test_a_failed_write_leaves_nothing(self, store: Store):
        class Breaks(io.BytesIO):
            def read(self, *_):
                raise ValueError("the spool broke")

        with pytest.raises(StorageError):
            store.put("x", Breaks(b"0123456789"))
        assert store.list() == []
        assert not store.exists("x")

    def test_ranges(self, store: Store):
        data = bytes(range(256)) * 40
        store.write("x", data)
        assert store.read_range("x", 0, 10) == data[:10]
        assert store.read_range("x", 1000, 5) == data[1000:1005]
        assert store.read_range("x", len(data) - 3, 100) == data[-3:]
        assert store.read_range("x", 7, 0) == b""
        with store.open("x") as file:
            assert file.seek(-4, io.SEEK_END) == len(data) - 4
            assert file.read(2) == data[-4:-2]
            assert file.seek(0) == 0
            assert file.read() == data
            assert file.read(1) == b""

    def test_an_empty_file(self, store: Store):
        store.write("empty", b"")
        with store.open("empty") as file:
            assert file.read() == b""
        assert store.info("empty").size_bytes == 0

    def test_missing(self, store: Store):
        assert not store.exists("no/such")
        store.delete("no/such")
        for action in (store.read, store.open, store.info, lambda p: store.read_range(p, 0, 1)):
            with pytest.raises(NotFoundError) as caught:
                action("no/such")
            assert "\n" not in str(caught.value)

    def test_rename_where_there_is_one(self, store: Store):
        store.write("a #1", b"a")
        store.write("b?", b"b")
        if store.can_rename:
            store.rename("a #1", "b?")
            assert [e.path for e in store.list()] == ["b?"]
            assert store.read("b?") == b"a"
        else:
            with pytest.raises(StorageError):
                store.rename("a #1", "b?")

    def test_pickles_without_its_connections(self, store: Store):
        store.write("x", b"x")
        again = pickle.loads(pickle.dumps(store))
        assert again.uri == store.uri
        assert again.read("x") == b"x"

    def test_one_file_a_folder_or_a_glob_as_input(self, store: Store):
        for name in ("set [1]/a #1.mp3", "set [1]/b.FLAC", "set [1]/notes.txt", "set [1]/_ledger.jsonl", "set 1/c.mp3"):
            store.write(name, b"x")
        store.write("set [1]/.hidden/d.mp3", b"x")
        options = store._options

        def listed(tail):
            folder, tracks, skipped = list_input(f"{store.uri}/{tail}", options)
            assert all(folder.read(t.path) == b"x" for t in tracks)
            return [t.path for t in tracks], skipped

        assert listed("") == (["set 1/c.mp3", "set [1]/a #1.mp3", "set [1]/b.FLAC"], ["set [1]/notes.txt"])
        assert listed("set [1]") == (["a #1.mp3", "b.FLAC"], ["notes.txt"])
        assert listed("set [1]/notes.txt") == (["notes.txt"], [])
        assert listed("set*/*.mp3") == (["set 1/c.mp3", "set [1]/a #1.mp3"], [])
        assert listed("set [[]1]") == (["set [1]/a #1.mp3", "set [1]/b.FLAC"], ["set [1]/notes.txt"])
        assert listed("**/c.mp3") == (["set 1/c.mp3"], [])
        assert listed("*.mp3") == ([], [])
        with pytest.raises(NotFoundError):
            listed("nowhere")
