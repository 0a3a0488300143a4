"""Runs on one OUTPUT: what a resume does again, who wins, what an overwrite deletes, and that a kill harms nothing."""

import csv
import io
import json
import random

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio.recipe import Recipe
from fma_prep.dataset import commits
from fma_prep.dataset.manifest import begin, read_manifest
from fma_prep.dataset.plan import plan
from fma_prep.dataset.records import read_record
from fma_prep.dataset.storage import open_store
from fma_prep.errors import DatasetError, NotFoundError, RunError, TrackError, UsageError
from tests.dataset.made import digitized, entry

TRACKS = [entry(f"{i:02d}.mp3", 1000 + i) for i in range(10)]
INPUT = "file:///in"


@pytest.fixture
def store():
    fsspec.filesystem("memory").store.clear()
    return open_store("memory://out")


def outcome(track, seed=0):
    return digitized(seed + int(track.path[:2]), 800 + track.size_bytes)


def work(run, bins, outcomes=outcome, most=None):
    """Do what is left as tasks would; `most` partitions only, as if killed then."""
    todo = run.left(bins)
    for partition, tracks in todo[:most]:
        with run.target.writer(partition) as writer:
            for track in tracks:
                writer.add(track, outcomes(track))
            writer.commit()
    return [t.path for _, tracks in todo[:most] for t in tracks]


def whole_run(store, tracks=TRACKS, *, outcomes=outcome, recipe=None, most=None, **options):
    finish = {k: options.pop(k) for k in ("provenance", "max_failed") if k in options}
    run = begin(store, recipe or Recipe(), options.pop("input_uri", INPUT), tracks, **options)
    did = work(run, plan(tracks, 3, 1), outcomes, most)
    return run.finish(**finish), sorted(did)


def holds(store):
    """Return what the manifest leads to: codes by track."""
    return {
        line["track"]: store.read_range(line["shard"], line["codes_offset"], line["n_samples"])
        for line in read_manifest(store)
        if line["status"] == "done"
    }


EXPECTED = {t.path: outcome(t).codes for t in TRACKS}


def test_a_run_leaves_everything(store):
    summary, did = whole_run(store)
    assert did == [t.path for t in TRACKS]
    assert (summary.ok, summary.tracks, summary.done, summary.failed, summary.shards) == (True, 10, 10, 0, 3)
    assert summary.hours == pytest.approx(sum(len(c) for c in EXPECTED.values()) / 8000 / 3600, abs=1e-6)
    assert summary.seconds == {"decode": 5.0, "resample": 2.5, "write": pytest.approx(0, abs=1)}
    assert holds(store) == EXPECTED
    assert store.exists("_SUCCESS")
    assert not store.exists("_ATTRIBUTION.csv")
    for line in read_manifest(store):
        with store.open(line["shard"]) as file:
            assert read_record(file, line["record_offset"])["track"] == line["track"]


def test_the_same_again_does_nothing_and_reads_no_record(store, monkeypatch):
    whole_run(store)
    before = store.read("_manifest.jsonl"), store.list()
    monkeypatch.setattr(commits, "load_json", None)
    summary, did = whole_run(store)
    assert did == []
    assert summary.ok
    assert summary.seconds == {"decode": 5.0, "resample": 2.5, "write": pytest.approx(0, abs=1)}
    assert store.read("_manifest.jsonl") == before[0]
    assert [e.path for e in store.list()] == [e.path for e in before[1]]


@pytest.mark.parametrize("most", [0, 1, 2])
def test_a_killed_run_is_completed_to_the_same_bytes(store, most):
    whole_run(store)
    undisturbed = {e.path: store.read(e.path) for e in store.list() if e.path.startswith(("part", "_manifest"))}
    fsspec.filesystem("memory").store.clear()
    work(begin(store, Recipe(), INPUT, TRACKS), plan(TRACKS, 3, 1), most=most)
    whole_run(store)
    assert {e.path: store.read(e.path) for e in store.list() if e.path.startswith(("part", "_manifest"))} == undisturbed


def test_new_changed_and_vanished_tracks(store):
    whole_run(store)
    changed = [entry("00.mp3", 1000, etag="2"), *TRACKS[2:], entry("77.mp3")]
    summary, did = whole_run(store, changed)
    assert did == ["00.mp3", "77.mp3"]
    assert [line["track"] for line in read_manifest(store)] == [t.path for t in changed]
    assert summary.tracks == 10
    _, did = whole_run(store)  # they come back as they were: nothing was forgotten
    assert did == []
    assert holds(store) == EXPECTED


def test_failures_to_read_are_tried_again_and_those_to_decode_kept(store):
    def failing(track):
        stages = {"03.mp3": "read", "04.mp3": "decode"}
        return TrackError(stages[track.path], "no") if track.path in stages else outcome(track)

    summary, _ = whole_run(store, outcomes=failing, max_failed=0.5)
    assert summary.failures == {"read: no": 1, "decode: no": 1}
    summary, did = whole_run(store, max_failed=0.5)
    assert did == ["03.mp3"]
    assert summary.failures == {"decode: no": 1}
    by_track = {line["track"]: line for line in read_manifest(store)}
    assert (by_track["04.mp3"]["stage"], by_track["04.mp3"]["reason"]) == ("decode", "no")
    assert by_track["04.mp3"]["shard"] is None


def test_too_many_failures_leave_no_success_and_are_resumed(store):
    def failing(track):
        return TrackError("read", "no") if track.path < "05" else outcome(track)

    summary, _ = whole_run(store, outcomes=failing)
    assert not summary.ok
    assert not store.exists("_SUCCESS")
    assert len(list(read_manifest(store))) == 10
    summary, did = whole_run(store)
    assert (summary.ok, len(did)) == (True, 5)
    assert store.exists("_SUCCESS")
    assert holds(store) == EXPECTED


def test_nothing_done_is_never_a_success(store):
    summary, _ = whole_run(store, outcomes=lambda _: TrackError("decode", "no"), max_failed=1.0)
    assert not summary.ok


def test_a_track_whose_task_never_committed_is_a_line_and_tried_again(store):
    summary, _ = whole_run(store, most=2)
    assert summary.failed == summary.failures["read: not tried: the run ended before its turn"] > 0
    assert len(list(read_manifest(store))) == 10
    assert whole_run(store)[0].done == 10


@pytest.mark.parametrize("other", [{"recipe": Recipe(mu=100)}, {"input_uri": "file:///elsewhere"}])
@pytest.mark.parametrize("finished", [True, False])
def test_another_recipe_or_input_is_refused(store, other, finished):
    if finished:
        whole_run(store)
    else:
        work(begin(store, Recipe(), INPUT, TRACKS), plan(TRACKS, 3, 1), most=1)
    with pytest.raises(UsageError, match=r"mu=255|file:///in") as caught:
        whole_run(store, **other)
    assert "--overwrite" in str(caught.value)


def test_the_form_of_the_input_does_not_matter(store):
    whole_run(store, input_uri="/in/")
    assert whole_run(store, input_uri="file:/in")[1] == []


def test_a_checkpoint_saves_the_next_run_its_reading(store, monkeypatch):
    run = begin(store, Recipe(), INPUT, TRACKS)
    work(run, plan(TRACKS, 3, 1), most=2)
    run.checkpoint(PROVENANCE)
    assert not store.exists("_SUCCESS")
    done = [line["track"] for line in read_manifest(store) if line["status"] == "done"]
    assert 0 < len(done) < 10
    with monkeypatch.context() as nothing_is_read:
        nothing_is_read.setattr(commits, "load_json", None)
        assert begin(store, Recipe(), INPUT, TRACKS).settled == len(done)
    _, did = whole_run(store)
    assert not set(did) & set(done)
    assert holds(store) == EXPECTED


def test_a_checkpoint_never_touches_what_is_being_replaced(store):
    whole_run(store)
    before = store.read("_manifest.jsonl")
    run = begin(store, Recipe(mu=100), INPUT, TRACKS, overwrite=True)
    work(run, plan(TRACKS, 3, 1))
    run.checkpoint()
    assert store.read("_manifest.jsonl") == before
    assert store.exists("_SUCCESS")


def test_no_tracks_never_replace_a_dataset(store):
    whole_run(store)
    with pytest.raises(NotFoundError):
        begin(store, Recipe(), INPUT, [])


class TestTwoDrivers:
    def test_both_do_all_and_agree(self, store):
        bins = plan(TRACKS, 3, 1)
        first, second = (begin(store, Recipe(), INPUT, TRACKS) for _ in range(2))
        work(first, bins, most=2)
        work(second, plan(TRACKS, 4, 1))  # planned otherwise: every track twice
        work(first, bins)
        first.finish()
        manifest = store.read("_manifest.jsonl")
        second.finish()
        assert store.read("_manifest.jsonl") == manifest
        assert holds(store) == EXPECTED
        by_track = {line["track"]: line["shard"] for line in read_manifest(store)}
        for name in commits.list_commits(store):
            record = json.loads(store.read(f"_commits/{name}"))
            assert all(by_track[line["track"]] <= record["shard"] for line in record["tracks"])

    def test_records_that_arrive_while_one_finishes(self, store, monkeypatch):
        bins = plan(TRACKS, 3, 1)
        first, second = (begin(store, Recipe(), INPUT, TRACKS) for _ in range(2))
        work(first, bins, most=2)
        write = first._write

        def slowly(*arguments):
            write(*arguments)
            if second.left(bins):
                work(second, bins)
                second.catch_up()

        monkeypatch.setattr(first, "_write", slowly)
        assert first.finish().done == 10
        assert holds(store) == EXPECTED

    def test_a_summary_of_another_manifest_is_not_believed(self, store):
        whole_run(store)
        store.write("_manifest.jsonl", b"".join(store.read("_manifest.jsonl").splitlines(True)[:5]))
        assert whole_run(store)[1] == []
        assert holds(store) == EXPECTED

    def test_another_recipe_that_came_in_meanwhile(self, store):
        first = begin(store, Recipe(), INPUT, TRACKS)
        work(begin(store, Recipe(mu=100), INPUT, TRACKS), plan(TRACKS, 3, 1))
        with pytest.raises(UsageError, match="another recipe"):
            first.finish()


class TestOverwrite:
    other = Recipe(mu=100)

    @staticmethod
    def changed(track):
        return outcome(track, seed=50)

    def test_replaces_and_deletes_what_it_replaced_and_nothing_else(self, store):
        whole_run(store)
        theirs = "part-00000-aaaaaaaaaaaa.pkl"
        store.write(theirs, b"another driver's")
        store.write("notes.txt", b"a person's")
        old = {e.path for e in store.list() if e.path.startswith(("part-", "_commits"))} - {
            "part-00000-aaaaaaaaaaaa.pkl"
        }
        summary, did = whole_run(store, outcomes=self.changed, recipe=self.other, overwrite=True)
        assert (summary.ok, len(did)) == (True, 10)
        assert holds(store) == {t.path: self.changed(t).codes for t in TRACKS}
        left = {e.path for e in store.list()}
        assert not left & old
        assert {theirs, "notes.txt", "_SUCCESS"} <= left
        assert "_overwrite.json" not in left
        assert whole_run(store, recipe=self.other)[1] == []

    def test_the_same_codes_keep_their_shards(self, store):
        whole_run(store)
        shards = [e for e in store.list() if e.path.startswith("part-")]
        _, did = whole_run(store, overwrite=True)
        assert len(did) == 10
        assert [e.path for e in store.list() if e.path.startswith("part-")] == [e.path for e in shards]
        assert holds(store) == EXPECTED

    def test_until_the_switch_the_old_one_stands(self, store):
        whole_run(store)
        run = begin(store, self.other, INPUT, TRACKS, overwrite=True)
        work(run, plan(TRACKS, 3, 1), self.changed, most=2)
        assert holds(store) == EXPECTED
        assert store.exists("_SUCCESS")
        with pytest.raises(UsageError, match="not completed"):
            begin(store, Recipe(), INPUT, TRACKS)
        with pytest.raises(UsageError, match="not completed"):
            begin(store, self.other, INPUT, TRACKS)
        _, did = whole_run(store, outcomes=self.changed, recipe=self.other, overwrite=True)
        assert 0 < len(did) < 10
        assert holds(store) == {t.path: self.changed(t).codes for t in TRACKS}

    def test_one_that_fails_too_often_does_not_switch(self, store):
        whole_run(store)
        summary, _ = whole_run(store, outcomes=lambda _: TrackError("read", "no"), overwrite=True)
        assert not summary.ok
        assert holds(store) == EXPECTED
        assert store.exists("_SUCCESS")

    def test_a_driver_of_the_old_one_may_not_write_over_it(self, store):
        old = begin(store, Recipe(), INPUT, TRACKS)
        work(old, plan(TRACKS, 3, 1), most=1)
        whole_run(store, outcomes=self.changed, recipe=self.other, overwrite=True)
        work(old, plan(TRACKS, 3, 1))
        with pytest.raises(RunError):
            old.finish()
        assert holds(store) == {t.path: self.changed(t).codes for t in TRACKS}
        assert whole_run(store, recipe=self.other)[1] == []

    def test_killed_anywhere_the_same_command_completes_it(self, store):
        """At each write or delete of the whole overwrite in turn; at every moment the manifest leads to whole data."""
        new = {t.path: self.changed(t).codes for t in TRACKS}
        for moment in range(200):
            fsspec.filesystem("memory").store.clear()
            whole_run(store)
            dying = Dying(store, moment)
            try:
                whole_run(dying, outcomes=self.changed, recipe=self.other, overwrite=True)
            except KilledError:
                assert holds(store) in (EXPECTED, new)
                whole_run(store, outcomes=self.changed, recipe=self.other, overwrite=True)
            else:
                assert moment > 15
                break
            assert holds(store) == new
            assert store.exists("_SUCCESS")
            names = {e.path for e in store.list()}
            assert len(names) == 3 + 3 + 3, names
        else:
            pytest.fail("it never came to its end")


class KilledError(Exception):
    pass


class Dying:
    """A store whose process is killed before its n-th change."""

    def __init__(self, store, left):
        self._store, self._left = store, left

    def __getattr__(self, name):
        if name in ("write", "put", "delete"):
            self._left -= 1
            if self._left < 0:
                raise KilledError
        return getattr(self._store, name)


@pytest.mark.parametrize("seed", range(5))
def test_plain_runs_killed_anywhere_are_completed(store, seed):
    rng = random.Random(seed)  # noqa: S311  # a seeded one, for a test
    for _ in range(6):
        try:
            whole_run(Dying(store, rng.randrange(12)))
        except KilledError:
            continue
    whole_run(store)
    assert holds(store) == EXPECTED


PROVENANCE = {
    "00.mp3": {
        "title": "=cmd()",
        "artist": "Öl",
        "album": "\ud800",
        "licence": "CC-BY-4.0",
        "licence_url": "https://x/by",
        "page_url": "https://p",
    },
    "01.mp3": {"title": "B", "genres": ["Rock"], "split": "training", "licence": None, "secret": "no column of ours"},
}


def test_provenance_travels_and_can_be_corrected(store):
    summary, _ = whole_run(store, provenance=PROVENANCE)
    assert set(summary.hours_by_licence) == {"CC-BY-4.0", "unknown"}
    assert summary.hours_by_licence["CC-BY-4.0"] == pytest.approx(len(EXPECTED["00.mp3"]) / 8000 / 3600, abs=1e-6)
    first, second, third, *_ = read_manifest(store)
    assert (first["licence"], second["genres"], third["title"]) == ("CC-BY-4.0", ["Rock"], None)
    assert "secret" not in second
    rows = list(csv.DictReader(io.StringIO(store.read("_ATTRIBUTION.csv").decode())))
    assert (rows[0]["artist"], rows[0]["page_url"]) == ("Öl", "https://p")
    assert rows[0]["title"] == "'=cmd()"  # no formula for a spreadsheet
    corrected = {**PROVENANCE, "00.mp3": {**PROVENANCE["00.mp3"], "licence": "CC0-1.0"}}
    _, did = whole_run(store, provenance=corrected)
    assert did == []
    assert next(read_manifest(store))["licence"] == "CC0-1.0"
    assert "CC0-1.0" in store.read("_ATTRIBUTION.csv").decode()


@pytest.mark.parametrize("name", ["_manifest.jsonl", "_summary.json"])
def test_damage_is_said_not_guessed_around(store, name):
    whole_run(store)
    store.write(name, store.read(name)[:-30])
    with pytest.raises(DatasetError, match=name):
        list(read_manifest(store)) if "manifest" in name else begin(store, Recipe(), INPUT, TRACKS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["done", "read", "decode"]), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_records_does_not_matter(said, rng):
    manifests = []
    for order in range(2):
        fsspec.filesystem("memory").store.clear()
        store = open_store("memory://law")
        run = begin(store, Recipe(), INPUT, TRACKS)
        for i, status, partition in said if order else said[::-1]:
            with run.target.writer(partition) as writer:
                writer.add(TRACKS[i], outcome(TRACKS[i]) if status == "done" else TrackError(status, "no"))
                writer.commit()
        if rng.random() < 0.5:
            run.finish()
            run = begin(store, Recipe(), INPUT, TRACKS)
        run.finish()
        manifests.append(store.read("_manifest.jsonl"))
    assert manifests[0] == manifests[1]
    states = {line["track"]: line["stage"] or line["status"] for line in map(json.loads, manifests[0].splitlines())}
    for track in TRACKS:
        heard = {status for i, status, _ in said if TRACKS[i] == track}
        assert states[track.path] == next(s for s in ("done", "decode", "read") if s in heard or s == "read")
