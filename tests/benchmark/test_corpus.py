"""The corpus is the same for everybody who has the seed, and is made once."""

import pytest

from fma_prep.benchmark import corpus


def test_a_plan_has_the_length_that_was_asked_for():
    tracks = corpus.planned(14_400, 240, seed=0)
    assert sum(track.seconds for track in tracks) == pytest.approx(14_400, abs=1)
    assert len({track.name for track in tracks}) == len(tracks) == 60
    assert sum((t.rate_hz, t.channels, t.bit_rate_bps, t.vbr) == (44100, 2, 256_000, None) for t in tracks) >= 48


def test_another_seed_is_another_corpus():
    assert corpus.planned(600, 30, 1) == corpus.planned(600, 30, 1) != corpus.planned(600, 30, 2)


@pytest.mark.slow
def test_is_made_once_and_whole(tmp_path):
    tracks = corpus.planned(4, 1, seed=0)
    made = corpus.make(tmp_path, tracks, 2)
    assert sorted(p.relative_to(made.folder).as_posix() for p in made.folder.rglob("*.mp3")) == list(made.seconds)
    stamps = [p.stat().st_mtime_ns for p in made.folder.rglob("*.mp3")]
    assert corpus.make(tmp_path, tracks, 2) == made
    assert [p.stat().st_mtime_ns for p in made.folder.rglob("*.mp3")] == stamps
    assert made.audio_s == pytest.approx(4, abs=0.1)
    found = corpus.from_folder(made.folder)
    assert found.audio_s == pytest.approx(made.audio_s, abs=0.5)
    some = corpus.subset(made, ["000/000001.mp3"], tmp_path / "some")
    assert some.size_bytes == (made.folder / "000/000001.mp3").stat().st_size
