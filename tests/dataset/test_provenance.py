"""What a staged folder's ledger says of its tracks."""

import json

import pytest

from fma_prep.dataset import provenance
from fma_prep.dataset.storage import open_store
from fma_prep.errors import DatasetError

LINE = {"path": "000/000001.mp3", "state": "done", "id": 1, "licence": "Attribution 4.0 International", "bytes": 5}


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path), create=True)


def write(store, *lines):
    store.write("_ledger.jsonl", b"\n".join(json.dumps(line).encode() for line in lines))


def test_a_folder_without_a_ledger_has_none(store):
    assert provenance.load(store) == {}
    assert provenance.load(open_store(f"{store.uri}/nowhere")) == {}


def test_only_done_tracks_and_licences_by_spdx(store):
    write(store, LINE, {**LINE, "path": "b.mp3", "state": "failed"})
    (known,) = provenance.load(store).values()
    assert known["licence"] == "CC-BY-4.0"
    assert known["licence_url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert (known["bytes"], known["genres"], known["split"]) == (5, [], None)
    assert set(provenance.FIELDS) | {"bytes", "sha256"} == set(known)


def test_a_url_is_believed_before_a_title_and_neither_if_unknown(store):
    write(store, {**LINE, "licence_url": "http://creativecommons.org/licenses/by-nc/3.0/"})
    assert provenance.load(store)[LINE["path"]]["licence"] == "CC-BY-NC-3.0"
    write(
        store,
        {**LINE, "licence": "FMA-Limited: Download Only", "licence_url": "http://freemusicarchive.org/FMA_License"},
    )
    assert provenance.load(store)[LINE["path"]]["licence"] is None


def test_newer_entries_beside_the_ledger_win(store):
    write(store, LINE)
    store.write("_ledger/000001.json", json.dumps({**LINE, "title": "new"}).encode())
    assert provenance.load(store)[LINE["path"]]["title"] == "new"


def test_hostile_values_become_unknown(store):
    write(store, {**LINE, "id": "1", "title": ["x"], "genres": {"a": 1}, "licence": 5, "bytes": True, "artist_id": 7})
    (known,) = provenance.load(store).values()
    assert [known[key] for key in ("id", "title", "genres", "licence", "bytes", "artist_id")] == [
        None,
        None,
        [],
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"path": 5}', b"[" * 100_000])
def test_a_broken_line_is_named(line, store):
    store.write("_ledger.jsonl", json.dumps(LINE).encode() + b"\n\n" + line)
    with pytest.raises(DatasetError, match=r"_ledger.jsonl, line 3: this line of the ledger"):
        provenance.load(store)
