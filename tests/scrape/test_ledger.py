"""A ledger on stores that cannot append: small entries, folded now and then."""

import io
import json

import pytest

from fma_prep.dataset.provenance import read_ledger
from fma_prep.dataset.storage import open_store
from fma_prep.scrape.lease import Lease
from fma_prep.scrape.ledger import Ledger, entry, path_of


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path), create=True)


@pytest.fixture
def lease(store):
    with Lease(store) as lease:
        yield lease


def body(text=b"ID3"):
    return io.BytesIO(text)


def test_names_are_ids():
    assert [path_of(n) for n in (1, 123, 223432, 1_234_567)] == [
        "000/000001.mp3",
        "000/000123.mp3",
        "223/223432.mp3",
        "1234/1234567.mp3",
    ]


def test_an_entry_without_its_file_is_not_whole(store, lease):
    ledger = Ledger(store, lease)
    ledger.note(entry("000/000001.mp3", "done", id=1, bytes=3))
    ledger.stage(entry("000/000002.mp3", "done", id=2, bytes=3), body())
    ledger.stage(entry("000/000003.mp3", "done", id=3, bytes=3), body())
    store.write("000/000003.mp3", b"I")  # someone cut it
    again = Ledger(store, lease)
    assert [again.has(path_of(n)) for n in (1, 2, 3)] == [False, True, False]


def test_folding_keeps_the_newest_and_the_order_and_survives_a_kill_in_between(store, lease):
    ledger = Ledger(store, lease)
    for number in (3, 1, 2):
        ledger.stage(entry(path_of(number), "done", id=number, bytes=3, title="old"), body())
    small = {e.path: store.read(e.path) for e in store.list("_ledger")}
    assert len(small) == 3
    ledger.fold()
    assert not store.list("_ledger")
    for path, content in small.items():  # as if killed before they were deleted
        store.write(path, content)
    ledger = Ledger(store, lease)
    ledger.note({**ledger.entries[path_of(2)], "title": "new"})
    ledger.fold()
    lines = [json.loads(line) for line in store.read("_ledger.jsonl").splitlines()]
    assert [(line["id"], line["title"]) for line in lines] == [(1, "old"), (2, "new"), (3, "old")]
    assert not store.list("_ledger")


def test_it_folds_by_itself(store, lease):
    ledger = Ledger(store, lease)
    for number in range(1, 300):
        ledger.note(entry(path_of(number), "failed", id=number))
    assert len(store.list("_ledger")) == 299 - 256
    assert len(read_ledger(store)) == 299


def test_what_a_killed_one_left_half_written_is_cleared(store, lease):
    for name in (".tmp-0123456789abcdef", "000/.tmp-0123456789abcdef", "000/tmp-0.mp3"):
        store.write(name, b"half")
    Ledger(store, lease)
    assert [e.path for e in store.list() if not e.path.startswith("_")] == ["000/tmp-0.mp3"]


def test_an_unknown_key_is_a_bug():
    with pytest.raises(TypeError, match="no such key"):
        entry("a", "done", tittle="x")
