"""Shards: what is written is what is read, by us and by plain pickle; offsets are exact; hostile ones are refused."""

import hashlib
import io
import json
import os
import pickle
import random
from contextlib import suppress

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.records import read_record, read_shard
from fma_prep.dataset.shards import Target
from fma_prep.dataset.storage import open_store
from fma_prep.errors import DatasetError, TrackError
from tests.dataset.made import Source, digitized, entry

NAMES = [
    "a.mp3",
    "\x8c\x05codesC\x03.mp3",
    "new\nline #?;::[1].mp3",
    "Größe 🎵.mp3",
    os.fsdecode(b"caf\xe9.mp3"),
    "x" * 300,
]


@pytest.fixture
def target():
    fsspec.filesystem("memory").store.clear()
    return Target(open_store("memory://out"), Recipe(), "file:///in")


def written(target, outcomes, partition=0):
    with target.writer(partition) as writer:
        for track, outcome in outcomes:
            writer.add(track, outcome)
        commit = writer.commit()
    return commit, json.loads(target.store.read(f"_commits/{commit.name}"))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.sampled_from([1, 5, 255, 256, 65_000, 66_000, 200_000])),
        min_size=1,
        max_size=4,
    )
)
def test_offsets_are_exact_and_plain_pickle_reads_it(tracks):
    target = Target(open_store("memory://laws"), Recipe(), "file:///in")
    outcomes = [(entry(name), digitized(i, n)) for i, (name, n) in enumerate(tracks)]
    _, record = written(target, outcomes)
    data = target.store.read(record["shard"])
    assert hashlib.sha256(data).hexdigest() == record["sha256"]
    assert record["shard"] == f"part-00000-{record['sha256'][:12]}.pkl"
    stream = io.BytesIO(data)
    assert pickle.load(stream) == {"format": "fma_prep/1", "recipe": Recipe().to_dict()}
    ours = list(read_shard(io.BytesIO(data)))[1:]
    for (track, outcome), line, (offset, codes_offset, mine) in zip(outcomes, record["tracks"], ours, strict=True):
        assert line["record_offset"] == stream.tell() == offset
        theirs = pickle.load(stream)
        assert theirs == mine == read_record(io.BytesIO(data), offset)
        assert list(theirs) == ["track", "codes", "n_samples", "sample_rate", "peak", "codes_sha256"]
        assert (theirs["track"], theirs["codes"]) == (track.path, outcome.codes)
        assert line["codes_offset"] == codes_offset
        assert data[codes_offset : codes_offset + outcome.n_samples] == outcome.codes
    assert stream.tell() == len(data)


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_survive(target, name):
    _, record = written(target, [(entry(name), digitized(0, 3))])
    (_, _, _), (_, codes_offset, mine) = read_shard(io.BytesIO(target.store.read(record["shard"])))
    assert mine["track"] == record["tracks"][0]["track"] == name
    assert codes_offset == record["tracks"][0]["codes_offset"]


def test_a_record_says_all(target):
    outcomes = [
        (entry("a.mp3"), digitized(1, warnings=["text after the last frame"], clipped_samples=7)),
        (entry("b.mp3"), TrackError("decode", "truncated")),
    ]
    commit, record = written(target, outcomes, partition=7)
    assert (commit.done, commit.failed, commit.seconds_of_audio) == (1, 1, 1000 / 8000)
    assert record["fingerprint"] == Recipe().fingerprint
    assert record["input"] == "file:///in"
    assert record["seconds"] == {"decode": 0.5, "resample": 0.25, "write": pytest.approx(0, abs=1)}
    assert {"numpy", "python", "fma_prep"} <= set(record["versions"])
    assert record["start"] <= record["end"]
    done, failed = record["tracks"]
    assert done["shard"] == record["shard"]
    assert (done["status"], done["clipped_samples"], done["source_rate_hz"]) == ("done", 7, 44100)
    assert done["warnings"] == ["text after the last frame"]
    assert (failed["status"], failed["stage"], failed["reason"]) == ("failed", "decode", "truncated")
    assert failed["shard"] is None


def test_a_partition_whose_tracks_all_failed_has_a_record_and_no_shard(target):
    _, record = written(target, [(entry("b.mp3"), TrackError("read", "gone"))])
    assert record["shard"] is None
    assert [e.path for e in target.store.list()] == [
        f"_commits/{e.path}" for e in open_store("memory://out/_commits").list()
    ]


def test_a_second_attempt_writes_the_same_names(target):
    outcomes = [(entry("a.mp3"), digitized(1)), (entry("b.mp3"), TrackError("read", "gone"))]
    first, _ = written(target, outcomes)
    listing = target.store.list()
    second, _ = written(target, outcomes)
    assert first.name == second.name
    assert target.store.list() == listing


def test_records_that_say_something_else_have_another_name(target):
    outcome = digitized(1)
    names = {
        written(target, tracks)[0].name
        for tracks in (
            [(entry("a.mp3"), outcome)],
            [(entry("a.mp3", etag="2"), outcome)],
            [(entry("a.mp3"), outcome), (entry("b.mp3"), TrackError("read", "gone"))],
        )
    }
    assert len(names) == 3


def test_nothing_is_written_before_the_commit(target):
    with target.writer(0) as writer:
        writer.add(entry("a.mp3"), digitized(1, 20_000_000))
    assert target.store.list() == []


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/owned",))


def shard(*pickles):
    header = pickle.dumps({"format": "fma_prep/1", "recipe": Recipe().to_dict()}, 5)
    return b"".join([header.replace(b"\x94", b""), *pickles])


def good_record(**changes):
    record = {"track": "a", "codes": b"abc", "n_samples": 3, "sample_rate": 8000, "peak": 1.0, "codes_sha256": "0"}
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, 5)
    pickler.fast = True
    pickler.dump({**record, **changes})
    return buffer.getvalue()


def test_the_hostile_tests_start_from_a_good_shard():
    assert len(list(read_shard(io.BytesIO(shard(good_record()))))) == 2


@pytest.mark.parametrize(
    "pickled",
    [
        pickle.dumps(Evil(), 5),
        pickle.dumps(Evil(), 0),
        pickle.dumps({"track": Evil()}, 5),
        b"\x80\x05\x8e" + (1 << 60).to_bytes(8, "little") + b"abc.",  # a petabyte, it says
        b"\x80\x05B\xff\xff\xff\xffabc.",
        b"\x80\x05\x8d" + (1 << 62).to_bytes(8, "little") + b".",
        b"\x80\x05\x96" + (1 << 62).to_bytes(8, "little") + b".",  # BYTEARRAY8
        b"\x80\x05r\xff\xff\xff\xff.",  # LONG_BINPUT: a memo of four billion
        b"\x80\x05(((((((u.",
        b"\x80\x05" + b"(" * 100_000 + b".",
        b"\x80\x05" + b"]" * 100_000 + b".",
        b"\x80\x05}\x8c\x01a}\x8c\x01a}\x8c\x01a}sss.",
        b"\x80\x05\x8b\xff\xff\xff\x7f.",  # LONG4
        b"\x80\x05P1\n.",  # PERSID
        b"\x80\x04}.",
        b".",
        b"\x00",
        good_record()[:-5],
        good_record(n_samples=4),
        good_record(codes="abc"),
        good_record(peak=True),
        good_record(more=1),
        good_record(track=None),
    ],
)
def test_hostile_or_damaged_shards_are_refused(pickled):
    for data in (shard(pickled), shard(good_record(), pickled, b"\x80"), pickled):
        with pytest.raises(DatasetError):
            list(read_shard(io.BytesIO(data)))


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_random_damage_never_does_anything_but_be_refused(rng: random.Random, flips):
    data = bytearray(shard(good_record(), good_record()))
    for _ in range(flips):
        data[rng.randrange(len(data))] = rng.randrange(256)
    with suppress(DatasetError):
        assert all(isinstance(record, dict) for _, _, record in read_shard(io.BytesIO(bytes(data))))


def test_the_sources_fields_are_the_manifests():
    from fma_prep.dataset.shards import _source

    assert set(_source(digitized(0))) == set(Source.__dataclass_fields__) - {"rate_hz"} | {"source_rate_hz"}
