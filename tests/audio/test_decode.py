"""Decoding: the right channel at the right scale, and the truth about what was wrong."""

import dataclasses
import io
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fma_prep.audio.decode as module
from fma_prep.audio import reference, synth
from fma_prep.audio.decode import decode, opened, used_channels
from fma_prep.errors import TrackError
from tests.audio import tracks

MUSIC = synth.music(1, seed=5)
INTEGERS = {("wav", "pcm_u8"): 8, ("wav", "pcm_s16le"): 16, ("wav", "pcm_s24le"): 24, ("wav", "pcm_s32le"): 32}
INTEGERS |= {("flac", ""): 16, ("m4a", "alac"): 24}
FLOATS = [("wav", "pcm_f32le"), ("wav", "pcm_f64le")]


def samples(data, channel="left", decode=decode):
    decoding = decode(io.BytesIO(data), channel)
    return np.concatenate(list(decoding)), decoding.source


@pytest.mark.parametrize(("container", "codec"), [*INTEGERS, *FLOATS])
@pytest.mark.parametrize(
    ("channel", "expected"), [("left", MUSIC[:, 0]), ("right", MUSIC[:, 1]), ("mix", MUSIC.mean(1))]
)
def test_lossless_files_come_back(container, codec, channel, expected):
    found, source = samples(synth.encode(MUSIC, 44100, container, codec=codec), channel)
    step = 2.0 ** (1 - INTEGERS[container, codec]) if (container, codec) in INTEGERS else 0
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= step / 2 + 1e-7
    assert (source.rate_hz, source.channels, source.bad_packets, source.clipped_samples) == (44100, 2, 0, 0)
    assert source.seconds_found == source.seconds_promised == 1


@pytest.mark.parametrize("container", ["wav", "flac"])
@pytest.mark.parametrize(("bits", "codes"), [(8, "pcm_u8"), (16, "pcm_s16le"), (32, "pcm_s32le")])
def test_full_scale_is_one(container, bits, codes):
    x = np.repeat(np.float32([[-1], [0], [0.5]]), 2000, axis=0)
    found, _ = samples(synth.encode(x, 44100, container, codec=codes if container == "wav" else ""))
    assert sorted(set(found.tolist())) == [-1, 0, 0.5]


@pytest.mark.parametrize("channel", ["left", "right", "mix"])
def test_mono_is_each_channel(channel):
    x = synth.music(0.2, channels=1)
    assert np.array_equal(samples(synth.encode(x, 44100, "wav", codec="pcm_f32le"), channel)[0], x[:, 0])


@pytest.mark.parametrize(
    ("names", "left", "right", "mix"),
    [
        (["FC"], [0], [0], [0]),
        (["FL", "FR"], [0], [1], [0, 1]),
        (["FC", "FL", "FR"], [1], [2], [0, 1, 2]),
        (["FR", "FL"], [1], [0], [0, 1]),
        (["DL", "DR"], [0], [1], [0, 1]),
        (["?", "?", "?"], [0], [1], [0, 1, 2]),
    ],
)
def test_left_and_right_are_those_named_so_or_the_first_two(names, left, right, mix):
    assert [used_channels(names, channel) for channel in ("left", "right", "mix")] == [left, right, mix]


@pytest.mark.parametrize(("channel", "index"), [("left", 0), ("right", 1)])
def test_front_left_and_right_are_found_by_name(channel, index):
    """In AAC 5.1 the centre is coded first; in WAV the order is that of the mask."""
    x = np.zeros((44100, 6), np.float32)
    x[:, index] = 0.5 * np.sin(np.arange(44100) / 10)
    for container in ("wav", "m4a"):
        found, source = samples(synth.encode(x, 44100, container), channel)
        assert source.channels == 6
        assert np.std(found) == pytest.approx(0.5 / np.sqrt(2), abs=0.01)


def test_samples_beyond_full_scale_are_clipped_and_counted():
    x = np.zeros((10_000, 2), np.float32)
    x[5000:5010, 0], x[7000:7005, 0], x[:, 1] = 1.5, -3.9, 2
    found, source = samples(synth.encode(x, 44100, "wav", codec="pcm_f32le"))
    assert source.clipped_samples == 15
    assert (found.max(), found.min()) == (1, -1)
    assert source.bad_packets == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 4.1, -94_825, 1e30])
def test_a_wild_frame_is_silenced_and_counted(value):
    x = np.full((100_000, 1), 0.5, np.float32)
    x[70_000] = value
    for codec in ("pcm_f32le", "pcm_f64le"):
        found, source = samples(synth.encode(x, 44100, "wav", codec=codec))
        assert len(found) == len(x)
        assert set(found.tolist()) == {0, 0.5}
        assert 0 < np.count_nonzero(found == 0) <= 4096
        assert (source.bad_packets, source.clipped_samples) == (1, 0)


def test_a_double_beyond_any_float_is_wild():
    data = bytearray(synth.encode(np.full((9000, 1), 0.5, np.float32), 44100, "wav", codec="pcm_f64le"))
    data[-800:-792] = np.float64(1e300).tobytes()
    assert samples(bytes(data))[1].bad_packets == 1


def test_too_many_wild_frames_are_damage():
    x = np.full((100_000, 1), 0.5, np.float32)
    x[::10_000] = np.nan
    with pytest.raises(TrackError, match="damaged: 10 of"):
        samples(synth.encode(x, 44100, "wav", codec="pcm_f32le"))


def test_another_rate_in_mid_file_is_brought_to_the_first():
    t = np.arange(2 * 48000)
    tones = [np.sin(2 * np.pi * 440 * t[: 2 * hz] / hz)[:, None].astype(np.float32) / 2 for hz in (44100, 48000)]
    data = b"".join(synth.encode(tone, hz, xing=False) for tone, hz in zip(tones, (44100, 48000), strict=True))
    found, source = samples(data)
    assert source.rate_hz == 44100
    assert len(found) == pytest.approx(4.1 * 44100, abs=3000)
    spectrum = np.abs(np.fft.rfft(found[-66150:-22050]))  # of the second
    assert np.argmax(spectrum) == 440


def test_a_rate_that_keeps_changing_is_damage(monkeypatch):
    """Each change costs a resampler: a file of changes would hold a worker for hours."""
    monkeypatch.setattr(module, "_MAX_CHANGES", 20)
    frames = [tracks.file(rate_hz=hz, seconds=0.15, xing=False, bit_rate_bps=128_000) for hz in (44100, 48000)]
    with pytest.raises(TrackError, match="keep changing"):
        samples(b"".join(frames) * 11)


def test_what_is_before_and_after_the_sound_is_no_damage():
    for before, after in ((tracks.junk(10_000), b""), (b"", b"text " * 3000), (tracks.id3(5000), tracks.ape_tag())):
        _, source = samples(before + tracks.file() + after)
        assert source.bad_packets == 0


@pytest.mark.parametrize(("options", "vbr"), [({}, False), ({"vbr": 4}, True)])
@pytest.mark.parametrize("xing", [True, False])
def test_bit_rates_are_found_with_and_without_a_tag(options, vbr, xing):
    data = tracks.file(xing=xing, **options)
    _, source = samples(data)
    assert source.vbr == vbr
    assert source.bit_rate_bps == pytest.approx(len(data) * 8 / tracks.SECONDS, rel=0.03)
    assert source.codec == "mp3"


@pytest.mark.parametrize("decoder", [decode, reference.decode], ids=["av", "pydub"])
@pytest.mark.parametrize(
    "script", ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n"]
)
def test_no_other_file_is_opened(tmp_path, script, decoder):
    other = tmp_path / "other.wav"
    other.write_bytes(tracks.file("wav"))
    with pytest.raises(TrackError, match="not an audio file"):
        samples(script.format(other).encode(), decode=decoder)


def test_the_whitelist_holds_on_ffmpegs_command_line(tmp_path):
    (tmp_path / "other.wav").write_bytes(tracks.file("wav"))
    with pytest.raises(TrackError, match="no sound"):
        reference.to_wav(io.BytesIO(f"ffconcat version 1.0\nfile '{tmp_path}/other.wav'\n".encode()))


def test_a_cover_is_not_decoded():
    """Picture decoders have had more holes than any other; no track needs one."""
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
        "a5f645400000000049454e44ae426082"
    )
    data = tracks.id3(content=pixel) + tracks.file()
    with opened(io.BytesIO(data)) as container:
        assert [(s.type, s.codec_context.name) for s in container.streams][1] == ("video", "png")
        assert container.streams.video[0].codec_context.width == 0
    assert samples(data)[1].seconds_found == tracks.SECONDS


def test_a_codec_that_no_music_needs_is_not_let_in():
    with pytest.raises(TrackError, match="g722"):
        samples(synth.encode(synth.music(1, 16000, channels=1), 16000, "wav", codec="g722"))


def test_a_codec_that_nobody_knows():
    data = tracks.file("wav").replace(b"fmt \x10\0\0\0\1\0", b"fmt \x10\0\0\0\x77\x77", 1)
    with pytest.raises(TrackError, match="unknown way"):
        samples(data)


def test_nobody_records_at_that_rate():
    data = tracks.file("wav").replace((44100).to_bytes(4, "little"), (4_000_000).to_bytes(4, "little"), 1)
    with pytest.raises(TrackError, match="4000000 Hz"):
        samples(data)


@pytest.mark.parametrize("reads", [1, 3])
def test_a_store_that_fails_is_no_broken_track(reads):
    class Failing(io.BytesIO):
        left = reads

        def read(self, size=-1):
            if not self.left:
                raise ConnectionResetError
            self.left -= 1
            return super().read(size)

    with pytest.raises(ConnectionResetError):
        list(decode(Failing(tracks.file("wav"))))


def test_what_is_missing_is_told_even_where_it_may_be():
    _, source = samples(tracks.TRACKS["a small hole"].make())
    assert source.bad_packets == 1
    assert any("are missing" in warning for warning in source.warnings)


def test_the_source_is_builtins_only():
    settings = dataclasses.asdict(samples(tracks.file())[1])
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.slow
def test_pydub_is_the_same_but_for_16_bits():
    for options in ({}, {"container": "flac"}, {"container": "wav", "codec": "pcm_f32le"}, {"container": "m4a"}):
        mine, source = samples(tracks.file(**options))
        theirs, other = samples(tracks.file(**options), decode=reference.decode)
        n = min(len(mine), len(theirs))
        assert abs(len(mine) - len(theirs)) < 1024  # in an M4A, ffmpeg cuts the padding
        assert np.abs(mine[:n] - theirs[:n]).max() < 1.01 * 2**-15
        assert (source.codec, source.rate_hz, source.channels) == (other.codec, other.rate_hz, other.channels)


@given(st.sampled_from(["mp3", "flac", "wav", "m4a", "ogg"]), st.data())
@settings(max_examples=40, deadline=None)
def test_mutated_files_decode_or_fail_as_tracks_do(container, data):
    mutated = bytearray(tracks.file(container, seconds=0.5))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.binary(min_size=1, max_size=8)), max_size=30)
    ):
        mutated[place : place + len(value)] = value
    end = data.draw(st.integers(0, len(mutated)))
    with suppress(TrackError):
        found, source = samples(bytes(mutated[:end]))
        assert np.all(np.abs(found) <= 1)
        assert source.seconds_found > 0
