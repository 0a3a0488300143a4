"""What tests and benchmarks are made of must itself be as said."""

import io

import av
import numpy as np
import pytest

from fma_prep.audio import synth

FILES = {
    "mp3": {},
    "mp3 mono": {"channels": 1},
    "mp3 22.05": {"rate_hz": 22050, "bit_rate_bps": 64000},
    "mp3 V2": {"vbr": 2},
    "mp3 V2 without a tag": {"vbr": 2, "xing": False},
    "flac": {"container": "flac"},
    "flac 24": {"container": "flac", "codec": "flac", "rate_hz": 96000},
    "wav 8": {"container": "wav", "codec": "pcm_u8"},
    "wav 16": {"container": "wav"},
    "wav 24": {"container": "wav", "codec": "pcm_s24le"},
    "wav 32": {"container": "wav", "codec": "pcm_s32le"},
    "wav float": {"container": "wav", "codec": "pcm_f32le"},
    "wav 5.1": {"container": "wav", "channels": 6},
    "m4a": {"container": "m4a"},
    "m4a 5.1": {"container": "m4a", "channels": 6, "rate_hz": 48000},
    "alac": {"container": "m4a", "codec": "alac"},
    "ogg": {"container": "ogg"},
    "opus": {"container": "ogg", "codec": "libopus", "rate_hz": 48000},
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_what_was_asked_for(name):
    options = {"rate_hz": 44100, **FILES[name]}
    channels = options.pop("channels", 2)
    samples = synth.music(0.5, options["rate_hz"], channels=channels)
    data = synth.encode(samples, **options)
    assert data == synth.encode(samples, **options)
    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.audio[0]
        decoded = np.concatenate([f.to_ndarray().reshape(-1) for f in file.decode(stream)])
        assert (stream.rate, stream.codec_context.channels) == (options["rate_hz"], channels)
    assert len(decoded) / channels / options["rate_hz"] == pytest.approx(0.5, abs=0.06)


def test_channels_are_loud_bounded_and_clearly_different():
    x = synth.music(10)
    assert x.dtype == np.float32
    assert x.shape == (441_000, 2)
    assert np.all(np.abs(x).max(axis=0) > 0.8)
    assert np.abs(x).max() < 0.95
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.3


def test_the_same_seed_is_the_same_piece_however_long_or_wide():
    x = synth.music(2, 8000, seed=3, channels=6)
    assert np.array_equal(synth.music(2, 8000, seed=3)[:8000], x[:8000, :2])
    assert np.array_equal(synth.music(1, 8000, seed=3), x[:8000, :2])
    assert not np.array_equal(synth.music(1, 8000, seed=4), x[:8000, :2])


def test_a_tag_is_written_only_when_asked_for():
    x = synth.music(0.3)
    assert b"A song" in synth.encode(x, 44100, tags={"title": "A song"})
    assert synth.encode(x, 44100)[:3] != b"ID3"
    assert b"Info" in synth.encode(x, 44100)
    assert b"Info" not in synth.encode(x, 44100, xing=False)
