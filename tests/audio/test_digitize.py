"""From bytes to codes: every kind of track, the original pipeline as the oracle, and memory."""

import hashlib
import io
import re
import subprocess
import sys

import numpy as np
import pytest

from fma_prep.audio import mulaw, synth
from fma_prep.audio.digitize import digitize
from fma_prep.audio.original import original, original_codes
from fma_prep.audio.recipe import Recipe
from fma_prep.errors import TrackError
from tests.audio.tracks import SECONDS, TRACKS, file


def codes(data, **settings):
    return np.frombuffer(digitize(io.BytesIO(data), Recipe(**settings)).codes, np.uint8)


def check(track, decoder):
    """Assert that a track becomes what a person would say."""
    stream = io.BytesIO(track.make())
    if track.reason is not None:
        with pytest.raises(TrackError, match=track.reason) as caught:
            digitize(stream, Recipe(decoder=decoder))
        assert caught.value.stage == "decode"
        return
    found = digitize(stream, Recipe(decoder=decoder))
    assert found.n_samples / 8000 == pytest.approx(track.seconds, rel=0.03, abs=0.15)
    assert found.silent == track.silent
    assert len(found.codes) == found.n_samples
    assert found.codes_sha256 == hashlib.sha256(found.codes).hexdigest()
    if track.warning and decoder == "av":
        assert re.search(track.warning, "\n".join(found.source.warnings))


@pytest.mark.parametrize("name", TRACKS)
def test_every_kind_of_track_is_judged_as_a_person_would(name):
    check(TRACKS[name], "av")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKS)
def test_the_reference_decoder_judges_alike(name):
    if name != "flac with flipped bytes":  # it plays what the checksum says is wrong, or not
        check(TRACKS[name], "pydub")


ORACLE = {
    "mp3": {},
    "48 kHz": {"rate_hz": 48000},
    "flac": {"container": "flac"},
}
MORE = {
    "vbr": {"vbr": 2},
    "22.05 kHz": {"rate_hz": 22050},
    "96 kHz": {"rate_hz": 96000, "container": "wav"},
    "mono": {"channels": 1},
    "wav 24": {"container": "wav", "codec": "pcm_s24le"},
    "ogg": {"container": "ogg"},
    "m4a": {"container": "m4a"},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", [*ORACLE.values(), *MORE.values()])
def test_codes_are_those_of_the_original_pipeline(options):
    data = file(**options)
    mine = codes(data).astype(int)
    for wav, alike in (("float", 0.999), ("16-bit", 0.994)):
        theirs = original_codes(io.BytesIO(data), wav)
        assert abs(len(mine) - len(theirs)) < 200  # of an M4A, ffmpeg cuts the padding
        n = min(len(mine), len(theirs))
        apart = np.abs(mine[:n] - theirs[:n])
        assert apart.max() <= 1
        assert np.mean(apart == 0) >= alike


def test_quiet_music_too_is_that_of_the_original_through_a_float_wav():
    data = synth.encode(0.01 * synth.music(2), 44100)
    apart = np.abs(codes(data).astype(int) - original_codes(io.BytesIO(data), "float"))
    assert apart.max() <= 1
    assert np.mean(apart == 0) >= 0.999


@pytest.mark.parametrize(
    "hz", [np.linspace(20, 20_000, 10 * 44100), np.full(10 * 44100, 9000.0)], ids=["sweep", "9 kHz"]
)
def test_where_the_filter_leaves_next_to_nothing_the_codes_are_the_same_too(hz):
    tone = 0.9 * np.sin(2 * np.pi * np.cumsum(hz) / 44100).astype(np.float32)
    data = synth.encode(tone, 44100, "wav", codec="pcm_f32le")
    apart = np.abs(codes(data).astype(int) - original_codes(io.BytesIO(data), "float"))
    assert apart.max() <= 1
    assert np.mean(apart == 0) >= 0.999


def test_the_original_itself_is_the_floor_dialect():
    mine = codes(file(), quantizer="floor").astype(int)
    apart = np.abs(mine - original(io.BytesIO(file())))
    assert apart.max() <= 1
    assert np.mean(apart == 0) >= 0.994


def test_left_right_and_mix_differ():
    assert len({codes(file(), channel=channel).tobytes() for channel in ("left", "right", "mix")}) == 3


def test_a_silent_channel_is_silence_and_not_its_noise():
    found = digitize(io.BytesIO(TRACKS["a silent left channel"].make()), Recipe(quantizer="floor"))
    assert found.silent
    assert found.peak < 1e-4
    assert set(found.codes) == {mulaw.zero_code("floor")}


def test_the_peak_is_what_samples_were_divided_by():
    found = digitize(io.BytesIO(file("wav")), Recipe())
    assert found.peak == float(f"{found.peak:.6g}")
    levels = mulaw.decode(np.frombuffer(found.codes, np.uint8))
    assert np.abs(levels).max() == pytest.approx(1, abs=0.03)
    assert found.clipped == 0


def test_without_normalising_overshoot_is_clipped_and_counted():
    x = np.sign(synth.music(1))  # square: any filter overshoots
    found = digitize(io.BytesIO(synth.encode(x, 44100, "flac")), Recipe(normalize="none"))
    assert found.peak > 1.05
    assert found.clipped > 100
    assert not found.silent
    soft = digitize(io.BytesIO(synth.encode(x / 2, 44100, "flac")), Recipe(normalize="none"))
    assert soft.clipped == 0
    assert mulaw.decode(np.frombuffer(soft.codes, np.uint8)).max() < 0.7


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100])
def test_any_sample_rate(rate_hz):
    found = digitize(io.BytesIO(file("wav")), Recipe(sample_rate=rate_hz))
    assert (found.sample_rate, found.n_samples) == (rate_hz, SECONDS * rate_hz)


def test_at_the_same_rate_samples_are_only_quantised():
    x = synth.music(1, 8000)
    found = codes(synth.encode(x, 8000, "wav", codec="pcm_f32le"), normalize="none")
    assert np.array_equal(found, mulaw.encode(np.ascontiguousarray(x[:, 0])))


def test_seconds_are_told_by_stage():
    seconds = digitize(io.BytesIO(file()), Recipe()).seconds
    assert set(seconds) == {"decode", "resample", "quantize"}
    assert all(s > 0 for s in seconds.values())


MEASURE = """
import resource, sys
from fma_prep.audio.digitize import digitize
from fma_prep.audio.recipe import Recipe
with open(sys.argv[1], "rb") as stream:
    found = digitize(stream, Recipe())
print(found.n_samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_three_hours_fit_in_600_mb(tmp_path):
    path = tmp_path / "long.mp3"
    piece = file(seconds=60, bit_rate_bps=320_000, xing=False)
    with path.open("wb") as stream:
        for _ in range(180):
            stream.write(piece)
    program = [sys.executable, "-c", MEASURE, path]
    n_samples, resident_mb = map(int, subprocess.run(program, check=True, capture_output=True).stdout.split())
    assert n_samples >= 3 * 3600 * 8000
    assert resident_mb < 600
