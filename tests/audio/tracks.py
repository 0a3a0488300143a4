"""Tracks of every kind that people have, good and bad, and what a person would say of each. Made here, from a seed."""

import io
import wave
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from fma_prep.audio import synth

SECONDS = 4


class Track(NamedTuple):
    """One kind of track.

    `reason` is a regular expression: what the failure says, or None if the track is fine; `seconds` is how much sound
    there must be; `warnings` is a regular expression for one of them, if one is wanted.
    """

    make: Callable[[], bytes]
    reason: str | None = None
    seconds: float | None = SECONDS
    suffix: str = ".mp3"
    silent: bool = False
    warning: str | None = None


@cache
def file(container="mp3", rate_hz=44100, seconds=SECONDS, channels=2, **options):
    if container == "mp3" and rate_hz < 32000:
        options.setdefault("bit_rate_bps", 64000)
    return synth.encode(synth.music(seconds, rate_hz, seed=7, channels=channels), rate_hz, container, **options)


def silence(*channels):
    """An MP3 of the music with the given channels silent."""
    x = synth.music(SECONDS, seed=7)
    x[:, channels] = 0
    return synth.encode(x, 44100)


def flipped(n, data=None):
    """The file with `n` bytes turned to something else, none of them in the first frame, which has the tag."""
    data = bytearray(file() if data is None else data)
    rng = np.random.default_rng(n)
    for place in rng.choice(np.arange(2000, len(data)), n, replace=False):
        data[place] ^= int(rng.integers(1, 256))
    return bytes(data)


def hole(size_bytes, **options):
    """The file with zeros in its middle."""
    data = bytearray(file(**options))
    middle = len(data) // 2
    data[middle : middle + size_bytes] = bytes(size_bytes)
    return bytes(data)


def junk(n):
    return np.random.default_rng(n).integers(0, 255, n, np.uint8).tobytes()  # no 255: nothing looks like a frame


def id3(size_bytes=0, content=b""):
    """An ID3v2.3 tag with a picture: `content`, or one that is none of that size."""

    def syncsafe(n):
        return bytes(n >> shift & 0x7F for shift in (21, 14, 7, 0))

    picture = b"\0image/png\0\3\0" + (content or junk(size_bytes))
    frame = b"APIC" + len(picture).to_bytes(4) + b"\0\0" + picture
    return b"ID3\3\0\0" + syncsafe(len(frame)) + frame


def ape_tag():
    """An APEv2 tag with one item, as they follow the last frame."""
    item = (5).to_bytes(4, "little") + bytes(4) + b"Title\0" + b"Music"
    rest = (len(item) + 32).to_bytes(4, "little") + (1).to_bytes(4, "little")
    header, footer = (b"APETAGEX" + (2000).to_bytes(4, "little") + rest + flags + bytes(8) for flags in APE_FLAGS)
    return header + item + footer


APE_FLAGS = (b"\0\0\0\xa0", b"\0\0\0\x80")


def half(data):
    return data[: len(data) // 2]


def wav_without_samples():
    stream = io.BytesIO()
    with wave.open(stream, "wb") as wav:
        wav.setparams((2, 2, 44100, 0, "NONE", ""))
    return stream.getvalue()


def faststart_m4a():
    """An M4A whose index comes first, as the web has them: cut in half, it still opens."""
    data = file("m4a")
    boxes, at = {}, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        boxes[data[at + 4 : at + 8]] = data[at : at + size]
        at += size
    moov = bytearray(boxes[b"moov"])
    at = moov.index(b"stco") + 8
    for i in range(int.from_bytes(moov[at : at + 4])):
        place = at + 4 + 4 * i
        moov[place : place + 4] = (int.from_bytes(moov[place : place + 4]) + len(moov)).to_bytes(4)
    return boxes.pop(b"ftyp") + bytes(moov) + b"".join(box for name, box in boxes.items() if name != b"moov")


NOT_AUDIO, TRUNCATED, DAMAGED = "not an audio file", "truncated", "damaged"
UNPROMISED = "nothing in the file says"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
FFCONCAT = b"ffconcat version 1.0\nfile 'other.wav'\n"
M3U8 = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n"
HTML = b"<!DOCTYPE html><html><head><title>404</title></head><body>" + b"<p>Not here</p>" * 500 + b"</body></html>"

TRACKS = {
    # no audio
    "empty": Track(lambda: b"", "the file is empty"),
    "html": Track(lambda: HTML, NOT_AUDIO),
    "sdp": Track(lambda: SDP, NOT_AUDIO),
    "ffconcat": Track(lambda: FFCONCAT, NOT_AUDIO),
    "m3u8": Track(lambda: M3U8, NOT_AUDIO),
    "zeros": Track(lambda: bytes(1_000_000), NOT_AUDIO),
    "random bytes": Track(lambda: np.random.default_rng(0).bytes(1_000_000), NOT_AUDIO),
    "a zip": Track(lambda: b"PK\3\4" + junk(5000), NOT_AUDIO),
    # less than there should be
    "1 kB of an mp3": Track(lambda: file()[:1024], "nothing of the 4.0 s"),
    "half with a tag": Track(lambda: half(file()), TRUNCATED),
    "half of a vbr with a tag": Track(lambda: half(file(vbr=2)), TRUNCATED),
    "half without a tag": Track(lambda: half(file(xing=False)), None, SECONDS / 2, warning=UNPROMISED),
    "half a wav": Track(lambda: half(file("wav")), TRUNCATED, suffix=".wav"),
    "half a flac": Track(lambda: half(file("flac")), TRUNCATED, suffix=".flac"),
    "half an m4a": Track(lambda: half(file("m4a")), f"{TRUNCATED}|{NOT_AUDIO}", suffix=".m4a"),
    "half an m4a, index first": Track(lambda: half(faststart_m4a()), TRUNCATED, suffix=".m4a"),
    "97 % of an mp3": Track(lambda: file()[: len(file()) * 97 // 100], TRUNCATED),
    "99 % of an mp3": Track(lambda: file()[: len(file()) * 99 // 100]),
    # damage
    "100 flipped bytes": Track(lambda: flipped(100)),
    "5,000 flipped bytes": Track(lambda: flipped(5000), f"{DAMAGED}|{TRUNCATED}"),
    "20,000 flipped bytes": Track(lambda: flipped(20_000), "nothing of the 4.0 s|" + DAMAGED),
    "flac with flipped bytes": Track(lambda: flipped(300, file("flac")), DAMAGED, suffix=".flac"),
    "flac with a flipped byte": Track(lambda: flipped(1, file("flac")), suffix=".flac"),
    "a small hole": Track(lambda: hole(1500)),
    "a large hole": Track(lambda: hole(20_000), TRUNCATED),
    "junk before the first frame": Track(lambda: junk(10_000) + file()),
    # extra data
    "a 3 MB tag": Track(lambda: id3(3_000_000) + file()),
    "a 20 MB tag": Track(lambda: id3(20_000_000) + file()),
    "text after the last frame": Track(lambda: file() + b"Thank you for listening. " * 400),
    "an APE tag after the last frame": Track(lambda: file() + ape_tag()),
    "an ID3v1 tag after the last frame": Track(lambda: file() + b"TAG" + b"Title".ljust(125)),
    "1 s with trailing text": Track(lambda: file(seconds=1) + b"Thank you for listening. " * 400, seconds=1),
    "two files, one after the other": Track(lambda: file() + file(), seconds=2 * SECONDS),
    "44.1 and 48 kHz": Track(lambda: file() + file(rate_hz=48000), seconds=2 * SECONDS, warning="48000 Hz after 4"),
    "mono and stereo": Track(
        lambda: file(channels=1) + file(),
        seconds=2 * SECONDS,
        warning=r"goes on with 2 channel\(s\) at 44100 Hz after 4",
    ),
    "stereo and mono": Track(
        lambda: file() + file(channels=1), seconds=2 * SECONDS, warning=r"goes on with 1 channel\(s\)"
    ),
    # healthy
    "stereo": Track(file),
    "mono": Track(lambda: file(channels=1)),
    "vbr": Track(lambda: file(vbr=2)),
    "vbr without a tag": Track(lambda: file(vbr=2, xing=False), warning=UNPROMISED),
    "22.05 kHz": Track(lambda: file(rate_hz=22050)),
    "8 kHz": Track(lambda: file(rate_hz=8000)),
    "32 kHz": Track(lambda: file(rate_hz=32000)),
    "48 kHz": Track(lambda: file(rate_hz=48000)),
    "wav 8": Track(lambda: file("wav", codec="pcm_u8"), suffix=".wav"),
    "wav 16": Track(lambda: file("wav"), suffix=".wav"),
    "wav 24": Track(lambda: file("wav", codec="pcm_s24le"), suffix=".wav"),
    "wav 32": Track(lambda: file("wav", codec="pcm_s32le"), suffix=".wav"),
    "wav float": Track(lambda: file("wav", codec="pcm_f32le"), suffix=".wav"),
    "wav double": Track(lambda: file("wav", codec="pcm_f64le"), suffix=".wav"),
    "wav 96 kHz": Track(lambda: file("wav", 96000), suffix=".wav"),
    "wav 5.1": Track(lambda: file("wav", channels=6), suffix=".wav"),
    "flac": Track(lambda: file("flac"), suffix=".flac"),
    "flac 96 kHz": Track(lambda: file("flac", 96000), suffix=".flac"),
    "m4a": Track(lambda: file("m4a"), suffix=".m4a"),
    "m4a 5.1": Track(lambda: file("m4a", channels=6), suffix=".m4a"),
    "m4a, index first": Track(faststart_m4a, suffix=".m4a"),
    "alac": Track(lambda: file("m4a", codec="alac"), suffix=".m4a"),
    "ogg": Track(lambda: file("ogg"), suffix=".ogg", warning=UNPROMISED),
    "opus": Track(lambda: file("ogg", 48000, codec="libopus"), suffix=".ogg"),
    "an m4a named .mp3": Track(lambda: file("m4a")),
    # quiet and short
    "silence": Track(lambda: silence(0, 1), silent=True),
    "a silent left channel": Track(lambda: silence(0), silent=True),
    "a silent right channel": Track(lambda: silence(1)),
    "0.1 s": Track(lambda: file(seconds=0.1), seconds=0.1),
    "0.1 s wav": Track(lambda: file("wav", seconds=0.1), seconds=0.1, suffix=".wav"),
    "too short for a sample": Track(lambda: file("wav", seconds=3 / 44100), "too short", suffix=".wav"),
    "no sample at all": Track(wav_without_samples, "no sound", suffix=".wav"),
}
