"""Promises of files whose length we know, and of files that lie."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio.promise import Promise, read_promise
from tests.audio import tracks

PROMISED = {
    "mp3": ({}, "Info", False),
    "vbr mp3": ({"vbr": 2}, "Xing", True),
    "mono mp3": ({"channels": 1}, "Info", False),
    "22.05 kHz mp3": ({"rate_hz": 22050}, "Info", False),
    "8 kHz mono mp3": ({"rate_hz": 8000, "channels": 1}, "Info", False),
    "flac": ({"container": "flac"}, "FLAC", None),
    "wav": ({"container": "wav"}, "RIFF", False),
    "24-bit wav": ({"container": "wav", "codec": "pcm_s24le"}, "RIFF", False),
    "5.1 wav": ({"container": "wav", "channels": 6}, "RIFF", False),
    "m4a": ({"container": "m4a"}, "MP4", None),
}
UNPROMISED = {"mp3 without a tag": {"xing": False}, "ogg": {"container": "ogg"}}


def promise(data):
    return read_promise(io.BytesIO(data))


@pytest.mark.parametrize("name", PROMISED)
def test_a_healthy_file_promises_what_it_holds(name):
    options, by, vbr = PROMISED[name]
    found = promise(tracks.file(**options))
    assert found == Promise(by, pytest.approx(tracks.SECONDS, abs=0.002), vbr, found.trim)
    assert (found.trim is not None) == (by in {"Xing", "Info"})
    assert not found.trim or found.trim[0] == 576  # LAME's delay


@pytest.mark.parametrize("name", UNPROMISED)
def test_where_nothing_is_promised_nothing_is_made_up(name):
    assert promise(tracks.file(**UNPROMISED[name])) == Promise()


def test_the_stream_is_left_at_its_beginning():
    stream = io.BytesIO(tracks.file())
    read_promise(stream)
    assert stream.tell() == 0


@pytest.mark.parametrize(
    "before", [tracks.id3(100), tracks.id3(3_000_000), tracks.id3(5) + tracks.id3(9), tracks.junk(30_000)]
)
def test_what_comes_before_the_first_frame_does_not_hide_the_tag(before):
    assert promise(before + tracks.file()) == promise(tracks.file())


def vbri(n_frames):
    """A frame of MPEG-1 layer III, 128 kbit/s, 44.1 kHz stereo, with Fraunhofer's tag."""
    tag = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 417 * n_frames, n_frames)
    return (b"\xff\xfb\x90\0" + bytes(32) + tag).ljust(417, b"\0")


def test_vbri():
    assert promise(vbri(1000)) == Promise("VBRI", 1000 * 1152 / 44100, True)


def wav_header(size, name=b"RIFF", more=b""):
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16)
    return name + b"\xff\xff\xff\xffWAVE" + more + fmt + b"data" + struct.pack("<I", size)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0xFFFFFFD0])
def test_a_wav_written_to_a_pipe_promises_nothing(size):
    assert promise(wav_header(size) + bytes(1000)) == Promise()


def test_a_wav_of_more_than_4_gb():
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, 176400 * 50_000, 0, 0)
    assert promise(wav_header(0xFFFFFFFF, b"RF64", ds64)).seconds == 50_000


def test_a_compressed_wav_promises_by_its_fact_chunk():
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 0x55, 2, 44100, 16000, 1, 0)
    fact = b"fact" + struct.pack("<II", 4, 441_000)
    assert promise(b"RIFF\0\0\0\0WAVE" + fmt + fact + b"data" + struct.pack("<I", 99)).seconds == 10


LIES = {
    "a tag of no frames": vbri(0),
    "0 Hz": wav_header(1000).replace(struct.pack("<I", 44100), bytes(4)),
    "a chunk without an end": b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\xff" * 9,
    "chunks of nothing": b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 100_000,
    "a tag of 256 MB": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(100),
    "tags in tags": b"ID3\4\0\0\0\0\0\0" * 100_000,
    "a box in itself": b"\0\0\0\x10ftypM4A \0\0\0\0" + b"\0\0\0\1moov" + bytes(8) * 9,
    "a box of 16 EB": b"\0\0\0\x10ftypM4A \0\0\0\0" + b"\0\0\0\1mdat" + b"\xff" * 8 + bytes(99),
    "boxes of nothing": b"\0\0\0\x10ftypM4A \0\0\0\0" + b"\0\0\0\x08free" * 100_000,
    "flac with no end": b"fLaC\0\0\0\x22",
    "all ones": b"\xff" * 200_000,
}


@pytest.mark.parametrize("name", LIES)
def test_lies_promise_nothing(name):
    assert promise(LIES[name]).seconds is None


@given(st.sampled_from([*PROMISED, *UNPROMISED]), st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_promise_nothing_or_a_number(name, data):
    options = PROMISED[name][0] if name in PROMISED else UNPROMISED[name]
    mutated = bytearray(tracks.file(**options))
    end = data.draw(st.integers(0, len(mutated)))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=20)):
        mutated[place] = value
    found = promise(bytes(mutated[:end]))
    assert found.seconds is None or (np.isfinite(found.seconds) and found.seconds > 0)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC", b"\0\0\0\x10ftyp", b"ID3", b"\xff\xfb\x90\0"]),
)
def test_any_bytes_at_all(data, magic):
    assert promise(magic + data).seconds is None or promise(magic + data).seconds > 0
