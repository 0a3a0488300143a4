"""Tracks arrive ahead, in order, whole or with the reason why not, and bounded in bytes."""

import hashlib
import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from fma_prep.dataset.storage import Entry, open_store
from fma_prep.errors import RefusedError, TrackError
from fma_prep.spark import read_ahead as module
from fma_prep.spark.read_ahead import read_ahead


class SlowStore:
    """Delivers zeros after `latency_s` a request, and remembers how many bytes were asked for and not yet taken."""

    def __init__(self, latency_s=0.0, refuse=()):
        self.latency_s, self.refuse = latency_s, refuse
        self.lock, self.at_once, self.most_at_once = threading.Lock(), 0, 0

    def read_range(self, path, _start, length):
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.latency_s)
        with self.lock:
            self.at_once -= 1
        if path in self.refuse:
            raise RefusedError("you may not", path)
        return bytes(length)


def taken(fetched):
    with fetched.stream as stream:
        return stream.read()


def test_what_arrives_is_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1000)  # so that tracks come in several requests, and spool to disk
    contents = {f"{n}.mp3": bytes([n]) * (n * 700) for n in range(9)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    store = open_store(str(tmp_path))
    arrived = list(read_ahead(store, {}, store.list()))
    assert {f.entry.path: taken(f) for f in arrived} == contents
    assert {f.entry.path: f.sha256 for f in arrived} == {p: hashlib.sha256(c).hexdigest() for p, c in contents.items()}


def test_a_track_that_shrank_or_went_is_a_failure_to_read(tmp_path):
    (tmp_path / "shrank.mp3").write_bytes(bytes(100))
    store = open_store(str(tmp_path))
    shrank, went = read_ahead(store, {}, [Entry("shrank.mp3", 200), Entry("went.mp3", 10)])
    for fetched in (shrank, went):
        assert isinstance(fetched.error, TrackError)
        assert (fetched.error.stage, fetched.stream) == ("read", None)
    assert "100 bytes arrived of 200" in shrank.error.reason


def test_what_the_ledger_knows_to_be_cut_is_not_even_read():
    cut, whole = read_ahead(SlowStore(refuse=["cut"]), {"cut": 200}, [Entry("cut", 100), Entry("whole", 100)])
    assert (cut.error.stage, cut.error.reason) == ("decode", "truncated: 100 bytes are there of the 200 in the ledger")
    assert taken(whole) == bytes(100)


def test_a_refusal_stays_one():
    refused, fine = read_ahead(SlowStore(refuse=["a"]), {}, [Entry("a", 1), Entry("b", 1)])
    assert isinstance(refused.error, RefusedError)
    assert taken(fine) == b"\0"


def test_latency_is_hidden():
    tracks = [Entry(str(n), 1000) for n in range(32)]
    store = SlowStore(latency_s=0.05)
    assert [taken(f) for f in read_ahead(store, {}, tracks)] == [bytes(1000)] * 32
    assert store.most_at_once == module.AHEAD_TRACKS


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_never_more_ahead_than_the_bound_or_one_track(sizes):
    with_bound = 6000
    original, module.AHEAD_BYTES = module.AHEAD_BYTES, with_bound
    try:
        store, ahead = SlowStore(), 0
        asked = []
        store.read_range = lambda path, _start, length: asked.append(int(path)) or bytes(length)
        for n, fetched in enumerate(read_ahead(store, {}, [Entry(str(n), size) for n, size in enumerate(sizes)])):
            assert taken(fetched) == bytes(sizes[n])
            ahead = sum(sizes[i] for i in list(asked) if i >= n)
            assert ahead <= max(with_bound, sizes[n])
    finally:
        module.AHEAD_BYTES = original


def test_a_store_that_hangs_costs_one_track(monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.2)
    released = threading.Event()
    store = SlowStore()
    read = store.read_range
    store.read_range = lambda path, start, length: (path == "hung" and released.wait(20), read(path, start, length))[1]
    hung, fine = read_ahead(store, {}, [Entry("hung", 1), Entry("fine", 1)])
    released.set()
    assert hung.error.stage == "read"
    assert taken(fine) == b"\0"


def test_what_nobody_takes_is_closed(monkeypatch):
    arriving = read_ahead(SlowStore(latency_s=0.01), {}, [Entry(str(n), 10) for n in range(20)])
    assert taken(next(arriving)) == bytes(10)
    arriving.close()  # an unclosed file would be a warning, and warnings are errors here
