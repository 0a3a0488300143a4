"""The subband decoder gives what full decoding and resampling give, and tells the same truth."""

import io
import platform
import re

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio import mulaw, subband, subband_core, synth
from fma_prep.audio.digitize import digitize
from fma_prep.audio.recipe import Recipe
from fma_prep.audio.resample import resample
from fma_prep.errors import SetupError, TrackError
from tests.audio import frames
from tests.audio.tracks import TRACKS, file, half, id3

pytestmark = pytest.mark.usefixtures("native_core")

EDGE = 64  # outputs at both ends that feel where a sound was cut


def decoded(data, **settings):
    decoding = subband.decode(io.BytesIO(data), Recipe(decoder="subband", **settings))
    return np.concatenate(list(decoding)), decoding.source


def fully_decoded(data, channel="left", sample_rate=8000):
    """The same by all of libavcodec's decoder, unclipped, and the resampler."""
    with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate_hz = container.streams.audio[0].rate
    left_right = np.concatenate(blocks, axis=1)
    one = {"left": left_right[0], "right": left_right[-1], "mix": left_right.mean(axis=0)}[channel]
    return resample(np.ascontiguousarray(one), rate_hz, sample_rate)


def assert_the_same(data, channel="left", sample_rate=8000):
    found, source = decoded(data, channel=channel, sample_rate=sample_rate)
    expected = fully_decoded(data, channel, sample_rate)
    assert source.decoder == "subband"
    assert len(found) == len(expected)
    inside = slice(EDGE * sample_rate // 8000, -EDGE * sample_rate // 8000)
    signal, error = expected[inside].astype(float), (found - expected)[inside].astype(float)
    assert np.sum(signal**2) >= 1e10 * np.sum(error**2)  # 100 dB
    scale = float(np.abs(expected).max())
    codes, wanted = (mulaw.encode(x[inside], full_scale=scale).astype(int) for x in (found, expected))
    assert np.mean(codes == wanted) >= 0.998
    assert np.abs(codes - wanted).max() <= 1


def castanets(rate_hz, seconds=2):
    """Clicks over a soft tone: encoders answer with short blocks."""
    rng = np.random.default_rng(3)
    x = 0.05 * np.sin(np.arange(int(seconds * rate_hz))[:, None] / np.array([20, 27]))
    for at in rng.integers(0, len(x) - 400, 40):
        x[at : at + 400] += (rng.standard_normal(400) * np.exp(-np.arange(400) / 40) * 0.5)[:, None] * rng.random(2)
    return x.astype(np.float32)


CONSTANT = [(44100, kbits) for kbits in (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)]
LOW = [(22050, 56), (24000, 64), (16000, 32), (12000, 48), (22050, 160), (16000, 8)]


@pytest.mark.parametrize("channel", ["left", "right", "mix"])
def test_it_equals_full_decoding(channel):
    assert_the_same(file(seconds=3), channel)


@pytest.mark.parametrize(("rate_hz", "kbits"), [(48000, 128), (32000, 96), (44100, 320)])
def test_it_equals_full_decoding_at_other_rates(rate_hz, kbits):
    assert_the_same(file(rate_hz=rate_hz, bit_rate_bps=kbits * 1000, seconds=2))


def test_short_blocks():
    assert_the_same(synth.encode(castanets(44100), 44100, bit_rate_bps=128_000))


@pytest.mark.slow
@pytest.mark.parametrize(("rate_hz", "kbits"), [*CONSTANT, (48000, 320), (32000, 48), *LOW])
def test_all_bit_rates(rate_hz, kbits):
    for channels in (1, 2) if kbits in {32, 64, 128} else (2,):
        assert_the_same(file(rate_hz=rate_hz, bit_rate_bps=kbits * 1000, channels=channels, seconds=2))


@pytest.mark.slow
@pytest.mark.parametrize("quality", range(10))
def test_all_qualities_of_vbr(quality):
    assert_the_same(file(vbr=quality, seconds=2))


@pytest.mark.slow
@pytest.mark.parametrize("sample_rate", [8000, 16000])
@pytest.mark.parametrize("rate_hz", [44100, 48000, 24000])
def test_other_targets_and_short_blocks(rate_hz, sample_rate):
    bit_rate_bps = 128_000 if rate_hz >= 32000 else 64_000
    assert_the_same(synth.encode(castanets(rate_hz), rate_hz, bit_rate_bps=bit_rate_bps), "left", sample_rate)


@pytest.mark.parametrize(
    "kind",
    [
        {"mode": 3},
        {"mode": 0, "crc": True},
        {"mode": 1, "mode_extension": 2},
        {"mode": 1, "mode_extension": 1},
        {"mode": 1, "mode_extension": 3, "crc": True},
        {"mode": 3, "version": 2},
        {"mode": 1, "mode_extension": 2, "version": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(s, marks=pytest.mark.slow) for s in (0, 3, 4))])
def test_whatever_the_standard_allows(kind, seed):
    """Intensity stereo, mixed blocks, shared scale factors, subblock gains: what no encoder at hand makes."""
    data = frames.stream(seed, rate_index=seed % 3, n=20, **kind)
    found, _ = decoded(data)
    expected = fully_decoded(data)
    signal, error = expected[EDGE:-EDGE].astype(float), (found - expected)[EDGE:-EDGE].astype(float)
    # 90 dB: no music is as loud in the subbands left out, of which the resampler lets that much through
    assert np.sum(signal**2) >= 1e9 * np.sum(error**2)


def test_a_stream_cut_from_the_middle_begins_with_what_it_has():
    """The first frames ask for bits of frames that are not there: as FMA's clips do."""
    data = file(seconds=3, xing=False)
    assert_the_same(data[data.index(data[:2], len(data) // 2) :])


OTHERWISE = {
    # what is lost is counted by its size, so that a large hole is damage, whatever a header promises
    "a large hole": "damaged: 24 of",
    "20,000 flipped bytes": "damaged|nothing of",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKS)
def test_the_same_truth_of_every_kind_of_track(name):
    track = TRACKS[name]
    recipe = Recipe(decoder="subband")
    if track.reason:
        with pytest.raises(TrackError, match=OTHERWISE.get(name, track.reason)):
            digitize(io.BytesIO(track.make()), recipe)
        return
    found = digitize(io.BytesIO(track.make()), recipe)
    assert found.silent == track.silent
    assert found.source.seconds_found == pytest.approx(track.seconds, abs=0.11)
    assert not track.warning or any(re.search(track.warning, warning) for warning in found.source.warnings)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (lambda: file("wav", seconds=1), {}),
        (lambda: file("m4a", seconds=1), {}),
        (lambda: file(rate_hz=8000, seconds=1), {}),
        (lambda: file(seconds=1) + file(rate_hz=48000, seconds=1), {}),
        (lambda: file(seconds=1) + file(seconds=1, channels=1), {}),
        (lambda: file(seconds=1), {"sample_rate": 48000}),
        (lambda: file(seconds=1), {"resampler": "kaiser_fast"}),
    ],
    ids=["wav", "m4a", "8 kHz", "another rate", "other channels", "a higher rate", "kaiser_fast"],
)
def test_what_it_does_not_handle_goes_to_av(data, settings):
    found = digitize(io.BytesIO(data()), Recipe(decoder="subband", **settings))
    assert found.source.decoder == "av"
    assert found.codes == digitize(io.BytesIO(data()), Recipe(**settings)).codes


@pytest.mark.parametrize("before", [b"", id3(50)])
def test_free_format_is_refused_plainly(before):
    data = bytearray(frames.stream(0, n=8))
    size = data.index(data[:4], 4)
    for at in range(0, len(data), size):
        data[at + 2] &= 0x0F
    with pytest.raises(TrackError, match="free format"):
        decoded(before + bytes(data))


def test_the_source_is_told():
    _, source = decoded(file(vbr=2, seconds=3))
    assert (source.rate_hz, source.channels, source.codec, source.vbr) == (44100, 2, "mp3", True)
    assert source.seconds_found == source.seconds_promised == 3
    assert 100_000 < source.bit_rate_bps < 320_000
    assert (source.bad_packets, source.clipped_samples, source.warnings) == (0, 0, [])


def test_samples_beyond_full_scale_are_not_clipped():
    loud = np.tile(np.float32([1] * 50 + [-1] * 50), 441)
    found, source = decoded(synth.encode(np.stack([loud, loud], axis=1), 44100))
    assert np.abs(found).max() > 1.1
    assert source.clipped_samples == 0


def test_a_frame_with_a_wrong_checksum_is_told():
    data = bytearray(frames.stream(0, crc=True, n=20))
    _, source = decoded(bytes(data))
    assert source.warnings[0] == "20 of 20 frames do not fit their checksums"


def test_a_frame_that_explodes_is_silenced_and_counted():
    data = bytearray(file(seconds=4))
    at = data.index(data[:2], len(data) // 2)
    data[at + 4 : at + 36] = b"\xff" * 32  # side information that says the loudest there can be
    found, source = decoded(bytes(data))
    assert source.bad_packets >= 1
    assert np.abs(found).max() < 2


@pytest.mark.parametrize("size", [1 << 12, 1 << 14, 70_001])
def test_reads_do_not_matter(size, monkeypatch):
    data = file(seconds=3)
    whole, _ = decoded(data)
    monkeypatch.setattr(subband, "_READ_BYTES", size)
    monkeypatch.setattr(subband, "_OUT_SLOTS", 36 + size % 100)
    found, _ = decoded(data)
    assert np.array_equal(found, whole)


@settings(deadline=None, max_examples=25)
@given(st.binary(max_size=3000), st.integers(0, 3000), st.sampled_from(["left", "mix"]))
def test_any_bytes_at_all(junk, at, channel):
    data = half(file(seconds=1))
    data = data[:at] + junk + data[at + len(junk) // 2 :]
    try:
        found, _ = decoded(data, channel=channel)
    except TrackError:
        return
    assert np.isfinite(found).all()
    assert np.abs(found).max(initial=0) < 64


def test_a_missing_core_is_told_before_a_job(monkeypatch, tmp_path):
    monkeypatch.setattr(subband_core, "library_path", lambda: tmp_path / "layer3-none.so")
    subband_core.load.cache_clear()
    try:
        with pytest.raises(SetupError, match=r"layer3-none.so: .* was not built\. Run"):
            subband.require()
        (tmp_path / "layer3-none.so").write_bytes(b"no library")
        with pytest.raises(SetupError, match="cannot be loaded"):
            subband.require()
    finally:
        subband_core.load.cache_clear()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="asks for x86_64's newer instructions")
def test_a_cpu_that_is_too_old_is_told(monkeypatch):
    monkeypatch.setattr(subband_core, "_cpu_flags", lambda: {"fpu", "sse2"})
    subband_core.load.cache_clear()
    try:
        with pytest.raises(SetupError, match="avx2"):
            subband.require()
    finally:
        subband_core.load.cache_clear()
