"""How long a file says it is: what its Xing, Info, VBRI, FLAC, RIFF or MP4 header promises.

A file that holds less was cut off. Other sources will not do: libavformat guesses the duration of an MP3 without a tag
from its bit rate, wrong by half on healthy files. Headers are hostile: every read is bounded and nothing is believed
beyond a number, and a header that cannot be understood promises nothing.

Formats: ID3v2.4 §3.1; ISO 11172-3 §2.4.2.3 and 13818-3 (frames); the descriptions of the Xing, LAME and VBRI tags;
RFC 9639 §8.2 (FLAC); RIFF/WAVE and EBU Tech 3306 (RF64); ISO 14496-12 §8 (MP4).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

__all__ = ["Promise", "after_id3", "read_promise"]


@dataclass(frozen=True)
class Promise:
    """What a file says of itself.

    Attributes
    ----------
    by : str
        ``"Xing"``, ``"Info"``, ``"VBRI"``, ``"FLAC"``, ``"RIFF"`` or ``"MP4"``; empty if nothing is promised.
    seconds : float or None
        How long it should be.
    vbr : bool or None
        Whether its bit rate varies; None if not said.
    trim : (int, int) or None
        Samples that the encoder put before and behind the music, as its tag says.
    """

    by: str = ""
    seconds: float | None = None
    vbr: bool | None = None
    trim: tuple[int, int] | None = None


NOTHING = Promise()

_MAX_STEPS = 4096  # boxes, chunks or tags: more make no audio file
_JUNK_BYTES = 1 << 16  # libavformat looks no further for the first frame either


def read_promise(stream: BinaryIO) -> Promise:
    """Return what the file in `stream` promises, and leave `stream` at its beginning.

    Parameters
    ----------
    stream : seekable binary file
        Any bytes at all.
    """
    try:
        start = after_id3(stream)
        magic = _read(stream, start, 12)
        if magic[:4] == b"fLaC":
            return _flac(_read(stream, start + 4, 38))
        if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:] == b"WAVE":
            return _riff(stream, start + 12)
        if magic[4:8] == b"ftyp":
            return _mp4(stream)
        return _mpeg(_read(stream, start, _JUNK_BYTES + 4096))
    except (struct.error, IndexError, ZeroDivisionError, OverflowError):  # it ends in its header, or says 0 Hz
        return NOTHING
    finally:
        stream.seek(0)


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    if offset >= 1 << 62:
        return b""
    stream.seek(offset)
    return stream.read(size)


def after_id3(stream: BinaryIO) -> int:
    """Return where the audio begins after any ID3v2 tags."""
    offset = 0
    for _ in range(_MAX_STEPS):
        head = _read(stream, offset, 10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        offset += 10 + size + (10 if head[5] & 0x10 else 0)  # with a footer
    return offset


class _Frame(NamedTuple):
    """An MPEG audio frame header."""

    version: int  # 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5
    layer: int
    rate_hz: int
    mono: bool
    size_bytes: int

    @property
    def samples(self) -> int:
        if self.layer == 1:
            return 384
        return 1152 if self.version == 3 or self.layer == 2 else 576

    def same_stream(self, other: "_Frame") -> bool:
        return self[:3] == other[:3]


_KBITS = {
    (3, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _frame(data: bytes, offset: int) -> _Frame | None:
    """Return the frame header at `offset`, if there is one."""
    if offset + 4 > len(data) or data[offset] != 0xFF or data[offset + 1] & 0xE0 != 0xE0:
        return None
    b1, b2, b3 = data[offset + 1 : offset + 4]
    version, layer, kbit_index, rate_index = b1 >> 3 & 3, 4 - (b1 >> 1 & 3), b2 >> 4, b2 >> 2 & 3
    if version == 1 or layer == 4 or kbit_index in (0, 15) or rate_index == 3:
        return None
    rate_hz = (44100, 48000, 32000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bits_per_s = 1000 * _KBITS[3 if version == 3 else 2, layer][kbit_index]
    padding = b2 >> 1 & 1
    if layer == 1:
        size = (12 * bits_per_s // rate_hz + padding) * 4
    else:
        size = (144 if version == 3 or layer == 2 else 72) * bits_per_s // rate_hz + padding
    return _Frame(version, layer, rate_hz, b3 >> 6 == 3, size)


def _mpeg(data: bytes) -> Promise:
    """Return what a tag in the first frame of MPEG audio says."""
    offset = data.find(b"\xff")
    while 0 <= offset < _JUNK_BYTES:
        if frame := _frame(data, offset):
            if promise := _tag(data[offset : offset + frame.size_bytes], frame):
                return promise
            following = _frame(data, offset + frame.size_bytes)
            if following and frame.same_stream(following):
                break  # this is the first frame, and it carries no tag
        offset = data.find(b"\xff", offset + 1)
    return NOTHING


def _tag(data: bytes, frame: _Frame) -> Promise | None:
    """Return what the Xing, Info or VBRI tag in the frame `data` says, or None if there is none."""
    side_info = (17 if frame.mono else 32) if frame.version == 3 else (9 if frame.mono else 17)
    xing, vbri = data[4 + side_info :], data[4 + 32 :]
    if xing[:4] in (b"Xing", b"Info"):
        name, n_frames, trim = xing[:4].decode(), _xing_frames(xing), _trim(xing)
    elif vbri[:4] == b"VBRI":
        name, trim = "VBRI", None
        (n_frames,) = struct.unpack_from(">I", vbri, 14)
    else:
        return None
    seconds = max(0, n_frames * frame.samples - sum(trim or ())) / frame.rate_hz
    return Promise(name, seconds or None, name != "Info", trim)


def _xing_frames(tag: bytes) -> int:
    flags, n_frames = struct.unpack_from(">II", tag, 4)
    return int(n_frames) if flags & 1 else 0


def _trim(tag: bytes) -> tuple[int, int] | None:
    """Return how many samples of delay and padding a decoder leaves out, by the encoder's part of the Xing tag."""
    encoder = tag[8 + sum((4, 4, 100, 4)[bit] for bit in range(4) if tag[7] >> bit & 1) :]
    if len(encoder) < 24 or encoder[:4] not in (b"LAME", b"Lavf", b"Lavc"):
        return None
    both = int.from_bytes(encoder[21:24])
    return both >> 12, both & 0xFFF


def _flac(block: bytes) -> Promise:
    """Return what the STREAMINFO block says, which must come first."""
    if block[0] & 0x7F != 0:
        return NOTHING
    (bits,) = struct.unpack_from(">Q", block, 4 + 10)
    rate_hz, samples = bits >> 44, bits & (1 << 36) - 1
    return Promise("FLAC", samples / rate_hz or None)


def _riff(stream: BinaryIO, offset: int) -> Promise:
    """Return how long the data chunk should be."""
    data_bytes_64 = bytes_per_s = fact_samples = rate_hz = 0
    for _ in range(_MAX_STEPS):
        head = _read(stream, offset, 8)
        name, (size,) = head[:4], struct.unpack("<I", head[4:])
        if name == b"data":
            if size == 0xFFFFFFFF and data_bytes_64:
                size = data_bytes_64
            elif size in (0, 0x7FFFF000, 0x7FFFFFFF) or size >= 0xFFFFF000:
                return NOTHING  # written to a pipe, by a program that did not know
            seconds = fact_samples / rate_hz if fact_samples else size / bytes_per_s
            return Promise("RIFF", seconds or None, False)
        if name == b"ds64":
            (data_bytes_64,) = struct.unpack("<8xQ", _read(stream, offset + 8, 16))
        elif name == b"fmt ":
            tag, rate_hz, align = struct.unpack("<H2xI4xH", _read(stream, offset + 8, 14))
            bytes_per_s = rate_hz * align if tag in (1, 3, 6, 7, 0xFFFE) else 0  # else compressed: a fact must say
        elif name == b"fact" and not bytes_per_s:
            (fact_samples,) = struct.unpack("<I", _read(stream, offset + 8, 4))
        offset += 8 + size + size % 2
    return NOTHING


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and end of the content of each MP4 box from `start` to `end`."""
    for _ in range(_MAX_STEPS):
        head = _read(stream, start, 16)
        if start >= end or len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head[:8])
        content = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", head[8:])
            content += 8
        stop = end if size == 0 else start + size
        if stop < content:
            return
        yield name, content, min(stop, end)
        start = stop


def _mp4(stream: BinaryIO) -> Promise:
    """Return how long the first sound track is after its edits."""
    end = stream.seek(0, 2)
    moov = next((box[1:] for box in _boxes(stream, 0, end) if box[0] == b"moov"), None)
    if moov is None:
        return NOTHING
    boxes = list(_boxes(stream, *moov))
    _, movie_s = next((_duration(stream, box[1], 0) for box in boxes if box[0] == b"mvhd"), (0, 0))
    for name, *trak in boxes:
        if name != b"trak":
            continue
        inside = {box[0]: box[1:] for box in _boxes(stream, *trak)}
        media = {box[0]: box[1:] for box in _boxes(stream, *inside.get(b"mdia", (0, 0)))}
        if b"hdlr" in media and _read(stream, media[b"hdlr"][0] + 8, 4) == b"soun":
            edited, _ = _duration(stream, inside[b"tkhd"][0], 4) if b"tkhd" in inside else (0, 0)
            length, timescale = _duration(stream, media[b"mdhd"][0], 0) if b"mdhd" in media else (0, 1)
            return Promise("MP4", (edited / movie_s if edited and movie_s else length / timescale) or None)
    return NOTHING


def _duration(stream: BinaryIO, start: int, skip: int) -> tuple[int, int]:
    """Return the duration and time scale in an mvhd or mdhd box (`skip` 0), or the duration in a tkhd box (4).

    A tkhd has a track number and a reserved field where the others have their time scale. All ones mean unknown.
    """
    box = _read(stream, start, 36)
    wide = box[0] == 1
    scale_at = 20 if wide else 12
    (timescale,) = struct.unpack_from(">I", box, scale_at)
    (duration,) = struct.unpack_from(">Q" if wide else ">I", box, scale_at + 4 + skip)
    return (0 if duration == (1 << (64 if wide else 32)) - 1 else duration), timescale
