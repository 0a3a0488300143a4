"""Every kind of track that people have, in one folder, through the real job: none stops the run, none vanishes."""

import os
import re
import time

import pytest

from tests.audio.tracks import TRACKS
from tests.spark.conftest import digitize

pytestmark = pytest.mark.slow

ODD_NAMES = [
    "a b.mp3",
    "a#b.mp3",
    "a%20b.mp3",
    "a?b.mp3",
    "a;b.mp3",
    "a::b.mp3",
    "a[1].mp3",
    "a{b}*.mp3",
    "a\nb.mp3",
    "ä — 音楽.MP3",
    "-rf.mp3",
    "s3:x.mp3",
    "folder#1/100%.mp3",
]
UNREADABLE = "unreadable.mp3"
# Root reads everything, unless it lays this power down.
AS_A_MORTAL = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def names():
    return {kind: f"{n:02d}{track.suffix}" for n, (kind, track) in enumerate(TRACKS.items())}


@pytest.fixture(scope="module")
def ran(names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    for kind, track in TRACKS.items():
        (folder / names[kind]).write_bytes(track.make())
    for name in ODD_NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(TRACKS["0.1 s"].make())
    (folder / UNREADABLE).write_bytes(TRACKS["stereo"].make())
    (folder / UNREADABLE).chmod(0)
    (folder / "notes.txt").write_text("no audio")
    (folder / "_ledger.jsonl").write_text("")
    (folder / "other.wav").write_bytes(TRACKS["wav 16"].make())  # what the ffconcat and the m3u8 would read
    started = time.monotonic()
    ran = digitize(folder, tmp_path_factory.mktemp("out") / "out", "--max-failed", 0.5, prefix=AS_A_MORTAL)
    ran.seconds = time.monotonic() - started
    assert (ran.status, ran.succeeded) == (0, True), ran.err
    return ran


@pytest.mark.parametrize("kind", TRACKS)
def test_each_is_judged_as_a_person_would(kind, names, ran):
    track, line = TRACKS[kind], ran.manifest[names[kind]]
    if track.reason is not None:
        assert (line["status"], line["stage"]) == ("failed", "decode")
        assert re.search(track.reason, line["reason"]), line["reason"]
        return
    assert line["status"] == "done", line["reason"]
    assert line["n_samples"] / 8000 == pytest.approx(track.seconds, abs=0.15)
    assert line["silent"] == track.silent
    assert line["sha256"] is not None
    if track.warning:
        assert any(re.search(track.warning, warning) for warning in line["warnings"])


def test_every_name_works(ran):
    assert {name: ran.manifest[name]["status"] for name in ODD_NAMES} == dict.fromkeys(ODD_NAMES, "done")


def test_what_may_not_be_read_is_a_failure_to_read(ran):
    line = ran.manifest[UNREADABLE]
    assert (line["status"], line["stage"]) == ("failed", "read")
    assert "refused" in line["reason"] or "may not" in line["reason"] or "denied" in line["reason"]


def test_other_files_are_counted_and_nothing_else_is_a_track(ran, names):
    assert set(ran.manifest) == {*names.values(), *ODD_NAMES, UNREADABLE, "other.wav"}
    assert "1 other files skipped" in ran.out


def test_the_closing_table_counts_reasons(ran):
    failed = sum(track.reason is not None for track in TRACKS.values()) + 1
    assert f"{failed} failed" in ran.out
    assert "this is not an audio file" in ran.out
