"""Reading a dataset back: all of it, in order, checked, and chosen by split and licence."""

import itertools
import json
import os
import subprocess
import sys

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fma_prep.audio.recipe import Recipe
from fma_prep.dataset import read_dataset
from fma_prep.dataset.manifest import begin, read_manifest
from fma_prep.dataset.plan import plan
from fma_prep.dataset.selection import SPLITS, is_clean, select, split_by_hash
from fma_prep.dataset.storage import open_store
from fma_prep.errors import DatasetError, NotFoundError, TrackError, UsageError
from tests.dataset.made import digitized, entry


def make(store, outcomes, provenance=None, recipe=None, partitions=3):
    """Write a dataset of these outcomes by path."""
    tracks = [entry(path) for path in outcomes]
    run = begin(store, recipe or Recipe(), "file:///in", tracks)
    for partition, some in run.left(plan(tracks, partitions, 1)):
        with run.target.writer(partition) as writer:
            for track in some:
                writer.add(track, outcomes[track.path])
            writer.commit()
    run.finish(provenance, max_failed=1.0)
    return store


OUTCOMES = {
    "new\nline.mp3": digitized(1, 500),
    "Öl #1.mp3": digitized(2, 70_000),
    "a.mp3": digitized(3, 12_345),
    "bad.mp3": TrackError("decode", "truncated"),
    "z.mp3": digitized(4, 1),
}


@pytest.fixture
def store(tmp_path):
    return make(open_store(str(tmp_path / "out")), OUTCOMES)


def test_every_record_in_the_order_of_the_manifest(store):
    records = list(read_dataset(store.uri))
    assert [r["track"] for r in records] == ["a.mp3", "new\nline.mp3", "z.mp3", "Öl #1.mp3"]
    for record in records:
        outcome = OUTCOMES[record["track"]]
        assert record["codes"].dtype == np.uint8
        assert record["codes"].tobytes() == outcome.codes
        assert not record["codes"].flags.writeable
        assert not record["codes"].flags.owndata
        assert (record["n_samples"], record["sample_rate"], record["peak"]) == (outcome.n_samples, 8000, 0.5)


def test_many_more_than_are_read_ahead():
    fsspec.filesystem("memory").store.clear()
    outcomes = {f"{i:03d}": digitized(i, 20) for i in range(150)}
    make(open_store("memory://many"), outcomes)
    assert [r["codes"].tobytes() for r in read_dataset("memory://many")] == [o.codes for o in outcomes.values()]
    assert len(list(itertools.islice(read_dataset("memory://many"), 3))) == 3  # and one may break off


def test_codes_that_rotted_are_refused(store):
    line = next(read_manifest(store))
    data = bytearray(store.read(line["shard"]))
    data[line["codes_offset"]] ^= 1
    store.write(line["shard"], bytes(data))
    with pytest.raises(DatasetError, match="not those that were written"):
        list(read_dataset(store.uri))


def test_no_dataset_is_said_so(tmp_path):
    with pytest.raises(NotFoundError):
        list(read_dataset(str(tmp_path)))


def test_a_manifest_cannot_lead_out_of_the_dataset(store, tmp_path):
    (tmp_path / "secret").write_bytes(b"x" * 1000)
    line = {"track": "a", "status": "done", "shard": "../secret", "codes_offset": 0, "n_samples": 9, "codes_sha256": ""}
    store.write("_manifest.jsonl", json.dumps(line).encode())
    with pytest.raises(Exception, match="not a path inside the store"):
        list(read_dataset(store.uri))


PLAIN = """
import json, numpy as np
for line in map(json.loads, open("_manifest.jsonl")):
    if line["status"] == "done":
        codes = np.fromfile(line["shard"], np.uint8, line["n_samples"], offset=line["codes_offset"])
        print(json.dumps([line["track"], line["codes_sha256"], __import__("hashlib").sha256(codes).hexdigest()]))
"""


def test_without_this_package(store, tmp_path):
    """What the README shows: the manifest's offsets, json and numpy."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN], cwd=tmp_path / "out", env=clean, capture_output=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["a.mp3", "new\nline.mp3", "z.mp3", "Öl #1.mp3"]
    assert all(written == read for _, written, read in rows)


def line(track, **more):
    base = {
        "track": track,
        "status": "done",
        "silent": False,
        "bad_packets": 0,
        "warnings": [],
        "seconds_promised": 1.0,
    }
    return {**base, **more}


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_no_artist_on_two_sides_and_every_track_on_one(artists):
    lines = [line(str(i), artist_id=a, split="training" if own else None) for i, (a, own) in enumerate(artists)]
    if all(own for _, own in artists):
        lines.append(line("x", artist_id=99))
    sides = {s: list(select(lines, split=s)) for s in SPLITS}
    assert sorted(x["track"] for s in sides.values() for x in s) == sorted(x["track"] for x in lines)
    names = [{x["artist_id"] for x in s} for s in sides.values()]
    assert not any(a & b for a, b in itertools.combinations(names, 2))


def test_the_hash_splits_as_promised():
    sides = [split_by_hash({"track": str(i)}) for i in range(20_000)]
    for name, share in SPLITS.items():
        assert abs(sides.count(name) / 20_000 - share) < 0.01
    assert split_by_hash({"track": "a", "artist": "x"}) == split_by_hash({"track": "b", "artist": "x"})


def test_the_data_sets_own_split_counts_where_all_have_one():
    lines = [line(str(i), artist_id=1, split=s) for i, s in enumerate(["training", "test", "Validation"])]
    assert [x["track"] for x in select(lines, split="val")] == ["2"]
    assert [x["track"] for x in select(lines, split="train")] == ["0"]
    lines.append(line("3", artist_id=1))
    assert sorted(len(list(select(lines, split=s))) for s in SPLITS) == [0, 0, 4]


def test_licences_filter_and_do_not_move_splits():
    lines = [line(str(i), licence=x, split="test") for i, x in enumerate(["CC-BY-4.0", "CC-BY-NC-4.0", None])]
    assert [x["track"] for x in select(lines, licence="by")] == ["0"]
    assert [x["track"] for x in select(lines, licence="by,by-nc", split="test")] == ["0", "1"]
    lines.append(line("3", licence=None))  # without a split: so none counts, though it passes no filter
    assert [x["track"] for x in select(lines, licence="by", split=split_by_hash(lines[0]))] == ["0"]
    for wrong in ({"split": "half"}, {"licence": "free"}):
        with pytest.raises(UsageError):
            select(lines, **wrong)


@pytest.mark.parametrize(
    ("more", "clean"),
    [
        ({}, True),
        ({"silent": True}, False),
        ({"bad_packets": 1}, False),
        ({"warnings": ["rate changes"]}, False),
        ({"warnings": ["nothing promised"], "seconds_promised": None}, True),
        ({"warnings": ["nothing promised", "rate changes"], "seconds_promised": None}, False),
    ],
)
def test_clean(more, clean):
    assert is_clean(line("a", **more)) is clean
    assert [x["track"] for x in select([line("a", **more)], clean=True)] == ["a"] * clean
