"""What stops a run, and what only fails a track."""

import pytest

from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.shards import Commit, Target
from fma_prep.dataset.storage import Entry, open_store
from fma_prep.dataset.summary import Summary
from fma_prep.errors import RefusedError, RunError, SetupError, TrackError
from fma_prep.spark.closing import closing_table, require_ok
from fma_prep.spark.pipeline import Outcome, digitize_track, write_shard
from fma_prep.spark.progress import Tally
from fma_prep.spark.read_ahead import Fetched


class Total:
    """An accumulator without Spark."""

    value = Tally()

    def add(self, more):
        self.value = self.value + more


@pytest.fixture
def target(tmp_path):
    return Target(open_store(str(tmp_path / "out"), create=True), Recipe(), "file:///in")


def outcomes(*results):
    return iter([Outcome(Fetched(Entry(f"{n}.mp3", 10)), result) for n, result in enumerate(results)])


def written(target, *results):
    total = Total()
    (said,) = write_shard(target, [7], total, 0, outcomes(*results))
    return said, total.value


def test_failed_tracks_are_written_down(target):
    said, tally = written(target, TrackError("decode", "truncated"), RefusedError("you may not", "1.mp3"))
    assert isinstance(said, Commit)
    assert said.failed == tally.tracks == tally.failed == 2
    assert tally.fatal is None
    assert [e.path.partition("-none")[0] for e in target.store.list()] == ["_commits/part-00007"]


def test_twenty_refusals_in_a_row_stop_the_run(target):
    refused = RefusedError("you may not", "x")
    said, tally = written(target, *[refused] * 19, TrackError("decode", "truncated"), *[refused] * 19)
    assert isinstance(said, Commit)
    said, tally = written(target, *[refused] * 20)
    assert isinstance(said, RefusedError)
    assert tally == Tally(fatal=said)


def test_what_is_wrong_with_the_machine_is_no_tracks_fault(target):
    said, tally = written(target, SetupError("no such decoder"))
    assert isinstance(said, SetupError)
    assert tally.fatal is said
    assert target.store.list() == []


def test_a_store_that_cannot_be_written_is_returned_not_raised(tmp_path):
    (tmp_path / "file").write_text("")
    total = Total()
    target = Target(open_store(str(tmp_path / "file")), Recipe(), "file:///in")
    (said,) = write_shard(target, [0], total, 0, outcomes(TrackError("decode", "truncated")))
    assert total.value.fatal is said


def test_nothing_left_to_do_writes_nothing(target):
    assert list(write_shard(target, [], Total(), 0, outcomes())) == []


def test_a_track_that_did_not_arrive_keeps_its_reason():
    error = TrackError("read", "it went")
    assert digitize_track(Recipe(), 5, Fetched(Entry("x", 1), error=error)).result is error


def test_the_closing_table_tells_what_was_left_out():
    summary = Summary(ok=True, tracks=3, done=2, failed=1, hours=1.5, failures={"decode: truncated": 1})
    table = closing_table(summary, "s3://b/out", {"other files skipped": 0, "left out by licence": 8}, Tally(), 1.0)
    assert "2 done, 1 failed, 8 left out by licence" in table
    assert "skipped" not in table
    assert "1 decode: truncated" in table
    assert "nothing was left to do" in table


@pytest.mark.parametrize(
    ("done", "says"), [(2, "more than --max-failed 0.05 allows"), (0, "3 of 3 tracks failed. See")]
)
def test_a_run_that_failed_says_why(done, says):
    with pytest.raises(RunError, match=says):
        require_ok(Summary(ok=False, tracks=3, done=done, failed=3 - done), "s3://b/out", 0.05)
