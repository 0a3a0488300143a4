"""Enough of MP3 to refuse what is none, or is cut."""

import io

import pytest

from fma_prep.audio import synth
from fma_prep.scrape.mp3 import ends_in_mid_frame, looks_like_mp3

KINDS = [
    {"rate_hz": 44100, "bit_rate_bps": 128_000},
    {"rate_hz": 48000, "bit_rate_bps": 320_000, "tags": {"title": "x"}},
    {"rate_hz": 22050, "bit_rate_bps": 64_000, "xing": False},
    {"rate_hz": 8000, "bit_rate_bps": 16_000},
    {"rate_hz": 44100, "vbr": 4},
]


@pytest.fixture(params=KINDS, ids=str, scope="module")
def mp3(request):
    options = dict(request.param)
    rate_hz = options.pop("rate_hz")
    return synth.encode(synth.music(0.5, rate_hz, channels=1), rate_hz, **options)


def test_mp3_is_known_by_its_first_bytes(mp3):
    assert looks_like_mp3(mp3[:16384])
    assert looks_like_mp3(b"junk" * 50 + mp3[:16384])


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xfb", b"<!DOCTYPE html><html>" * 99, b"\xff" * 5000, bytes(5000), b"RIFF1234WAVE" * 9]
)
def test_other_things_are_not(head):
    assert not looks_like_mp3(head)


def test_a_whole_file_ends_with_a_frame_and_a_cut_one_does_not(mp3):
    assert not ends_in_mid_frame(io.BytesIO(mp3))
    assert not ends_in_mid_frame(io.BytesIO(mp3 + b"TAG" + bytes(125)))
    starts, at = [], 0
    for cut in range(len(mp3) - 150, len(mp3) - 1, 7):
        at += ends_in_mid_frame(io.BytesIO(mp3[:cut]))
        starts.append(cut)
    assert at >= len(starts) - 2  # a cut between two frames cannot be seen


def test_a_cut_tag_is_seen():
    assert ends_in_mid_frame(io.BytesIO(b"ID3\x04\x00\x00\x00\x00\x7f\x7f" + bytes(50)))
