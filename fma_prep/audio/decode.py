"""Encoded bytes to float32 samples of one channel, and what was wrong with the bytes.

What a listener would call broken fails; what plays well passes, with its flaws counted. Silence never takes the place
of missing sound, and no other file is ever opened: only demuxers of audio files are let in.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.promise import read_promise
from fma_prep.audio.recipe import Channel
from fma_prep.audio.resample import RATES_HZ, Resampler
from fma_prep.audio.source import Source, Tally, judge
from fma_prep.errors import TrackError

__all__ = [
    "CODECS",
    "FORMATS",
    "Decoding",
    "Piece",
    "decode",
    "decoding_by",
    "opened",
    "sound_of",
    "used_channels",
]

Samples = NDArray[np.float32]

FORMATS = "mp3,flac,wav,w64,ogg,mov,aac,aiff,caf,au,wv"
"""The demuxers that may open a track. Playlists, SDP and concat scripts, which open other files, are not among them."""

CODECS = (
    "mp3float,mp3,mp2float,mp2,mp1float,mp1,flac,aac,alac,vorbis,opus,libopus,wavpack,adpcm_ms,adpcm_ima_wav,"
    "adpcm_ima_qt,pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be"
)
"""The decoders that may see a track's bytes: no picture decoder for a cover, and none that no music needs."""

_BLOCK_SAMPLES = 1 << 16
_BUFFER_BYTES = 1 << 18
_WILD = 4.0  # healthy tracks were seen to reach 1.5, broken frames 94,825
_MAX_DEMUX_ERRORS = 100
_MAX_CHANGES = 1000  # of rate or channels in a file: each costs some milliseconds


class Decoding:
    """A track on its way: iterate once for float32 blocks [n] of one channel in [-1, 1], all at `rate_hz`.

    That is the rate of the source, unless the decoder changed it. Iterating raises TrackError at the end, if the track
    turned out not to be usable.
    """

    def __init__(self, blocks: Iterable[Samples], source: Source, rate_hz: int | None = None) -> None:
        self._blocks = blocks
        self.source = source
        self.rate_hz = rate_hz or source.rate_hz

    def __iter__(self) -> Iterator[Samples]:
        return iter(self._blocks)


def decode(stream: BinaryIO, channel: Channel = "left") -> Decoding:
    """Begin to decode the audio file in `stream`, in process.

    Parameters
    ----------
    stream : seekable binary file
        Any bytes at all: they are not trusted.
    channel : {"left", "right", "mix"}
        `left` and `right` are FL and FR where the channels have names, else channels 0 and 1; `mix` is the mean of all.
        Mono is each of them.

    Raises
    ------
    TrackError
        At stage "decode": here if there is no sound in it; while iterating, if it is truncated or too damaged.
    """
    return decoding_by("av", _av_pieces, stream, channel)


def decoding_by(decoder: str, read_pieces: "PieceReader", stream: BinaryIO, channel: Channel) -> Decoding:
    """Return what `decode` does, of whichever decoder: `read_pieces` brings the samples, here they are judged."""
    promise = read_promise(stream)
    source = Source(seconds_promised=promise.seconds, vbr=promise.vbr, decoder=decoder)
    tally = Tally()
    pieces = read_pieces(stream, channel, source, tally)
    blocks = _at_one_rate(_cleaned(pieces, source, tally), source)
    judged = _judged(blocks, source, tally, promise.by)
    try:
        first = next(judged)  # brings the rate
    except TrackError as e:
        if source.codec or promise.seconds is None:
            raise
        promised = f"{promise.seconds:.1f} s that its {promise.by} header promises"
        raise TrackError("decode", f"nothing of the {promised} can be decoded") from e
    return Decoding(chain([first], judged), source)


def _av_pieces(stream: BinaryIO, channel: Channel, source: Source, tally: Tally) -> Iterator["Piece"]:
    """Decode with ffmpeg's libraries, packet by packet."""
    with opened(stream) as container:
        sound = sound_of(container, source)
        sound.codec_context.thread_count = 1
        if source.codec == "flac":
            sound.codec_context.options = {"err_detect": "crccheck+explode"}  # or it plays what it knows to be wrong
        yield from _gathered(_frames(container, sound, tally), channel, source, tally)


def opened(stream: BinaryIO) -> av.container.InputContainer:
    """Return the audio file in `stream`, opened by ffmpeg's libraries.

    Raises
    ------
    TrackError
        If it is not one.
    """
    options = {"format_whitelist": FORMATS, "codec_whitelist": CODECS, "protocol_whitelist": "none"}
    try:
        return av.open(stream, "r", options=options, metadata_errors="ignore", buffer_size=_BUFFER_BYTES)
    except (av.error.FFmpegError, ValueError) as e:
        raise TrackError("decode", "this is not an audio file" if stream.seek(0, 2) else "the file is empty") from e


def sound_of(container: av.container.InputContainer, source: Source) -> av.AudioStream:
    """Return the first sound stream in `container`, and note its codec.

    Raises
    ------
    TrackError
        If there is none, or if it has a codec that is not let in.
    """
    if not container.streams.audio:
        raise TrackError("decode", "there is no sound in it")
    sound = container.streams.audio[0]
    context: av.AudioCodecContext | None = sound.codec_context
    if context is None:
        raise TrackError("decode", "its sound is coded in an unknown way")
    source.codec = context.codec.canonical_name
    if context.name not in CODECS.split(","):
        raise TrackError("decode", f"its sound is coded as {source.codec}, which is not taken")
    return sound


def _frames(container: av.container.InputContainer, sound: av.AudioStream, tally: Tally) -> Iterator[av.AudioFrame]:
    """Yield what can be decoded, and count the packets."""
    for packet in _packets(container, sound, tally):
        try:
            frames: list[Any] = packet.decode()
        except av.error.FFmpegError:
            tally.bad_since += 1
            continue
        if frames:
            if packet.size:  # the last is empty: it only asks the decoder for what it still has
                tally.saw_good(packet.size)
            yield from frames


def _packets(container: av.container.InputContainer, sound: av.AudioStream, tally: Tally) -> Iterator[Any]:
    """Yield the packets of `sound`, going on where the container is damaged."""
    for _ in range(_MAX_DEMUX_ERRORS):
        try:
            yield from container.demux(sound)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            tally.bad_since += 1
        else:
            return


@dataclass
class Piece:
    """Samples of one rate and layout: float32 [channels that matter, n], and where frames begin in it."""

    rate_hz: int
    samples: Samples
    starts: list[int]


PieceReader = Callable[[BinaryIO, Channel, Source, Tally], Iterator[Piece]]
"""Yields the samples of a file, and notes in Source and Tally what it sees."""


def _gathered(frames: Iterable[av.AudioFrame], channel: Channel, source: Source, tally: Tally) -> Iterator[Piece]:
    """Gather frames, which are short, to pieces that are worth a numpy call."""
    kind: tuple[int, str, str] | None = None
    used: list[int] = []
    block = np.empty((0, 0), np.float32)
    filled, starts = 0, list[int]()
    for frame in frames:
        n, now = frame.samples, (frame.sample_rate, frame.layout.name, frame.format.name)
        if now != kind or filled + n > block.shape[1]:
            if filled and kind:
                yield Piece(kind[0], block[:, :filled], starts)
            if now != kind:
                used, kind = used_channels([c.name for c in frame.layout.channels], channel), now
                _note_kind(frame, source, tally)
            block, filled, starts = np.empty((len(used), max(_BLOCK_SAMPLES, n)), np.float32), 0, []
        starts.append(filled)
        for row, values in zip(block, _values(frame, used), strict=True):
            _convert(values, row[filled : filled + n])
        filled += n
    if filled and kind:
        yield Piece(kind[0], block[:, :filled], starts)


def _note_kind(frame: av.AudioFrame, source: Source, tally: Tally) -> None:
    """Note rate and channels of the first frame, and later that they change."""
    if frame.sample_rate not in RATES_HZ:
        raise TrackError("decode", f"nobody records at a sample rate of {frame.sample_rate} Hz")
    tally.changes += 1
    if tally.changes > _MAX_CHANGES:
        raise TrackError("decode", "damaged: rate or channels keep changing")
    rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
    if not source.rate_hz:
        source.rate_hz, source.channels = rate_hz, channels
    elif (rate_hz, channels) != (source.rate_hz, source.channels) and len(source.warnings) < 10:
        source.warnings.append(f"goes on with {channels} channel(s) at {rate_hz} Hz after {source.seconds_found:.1f} s")


def used_channels(names: list[str], channel: Channel) -> list[int]:
    """Return the indexes of those among the channels `names` that `channel` asks for."""
    if channel == "mix":
        return list(range(len(names)))
    name, index = ("FL", 0) if channel == "left" else ("FR", 1)
    return [names.index(name) if name in names else min(index, len(names) - 1)]


_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64}


def _values(frame: av.AudioFrame, used: list[int]) -> Iterator[NDArray[Any]]:
    """Yield the raw values of each of the `used` channels of `frame`."""
    name, n = frame.format.name, frame.samples
    dtype = _DTYPES[name.removesuffix("p")]
    if name.endswith("p"):  # planar
        for c in used:
            yield np.frombuffer(memoryview(frame.planes[c]), dtype, n)
    else:
        channels = frame.layout.nb_channels
        packed = np.frombuffer(memoryview(frame.planes[0]), dtype, n * channels).reshape(n, channels)
        for c in used:
            yield packed[:, c]


def _convert(values: NDArray[Any], out: Samples) -> None:
    """Write `values` to `out` as floats, where integers reach full scale at ±1."""
    if values.dtype == np.float32:
        out[:] = values
    elif values.dtype == np.float64:
        with np.errstate(over="ignore"):  # a double may be anything; what is wild is silenced later
            out[:] = values
    else:
        np.multiply(values, np.float32(2.0 ** (1 - 8 * values.dtype.itemsize)), out=out)
        if values.dtype == np.uint8:
            out -= 1


def _cleaned(pieces: Iterable[Piece], source: Source, tally: Tally) -> Iterator[tuple[int, Samples]]:
    """Yield rate and samples of each piece with its channels mixed, without wild frames, clipped; count all that."""
    for piece in pieces:
        samples = piece.samples
        peak = max(samples.max(), -samples.min())
        if not peak <= 1:  # also where it is not a number
            if not peak <= _WILD:
                tally.silenced += _silence_wild(piece)
            source.clipped_samples += int(np.count_nonzero(np.abs(samples) > 1))
            np.clip(samples, -1, 1, out=samples)
        source.seconds_found += samples.shape[1] / piece.rate_hz
        yield piece.rate_hz, samples[0] if len(samples) == 1 else samples.mean(axis=0)


def _silence_wild(piece: Piece) -> int:
    """Silence the frames that no healthy file has, and return how many."""
    wild = 0
    for start, stop in zip(piece.starts, [*piece.starts[1:], piece.samples.shape[1]], strict=True):
        frame = piece.samples[:, start:stop]
        if not np.abs(frame).max(initial=0) <= _WILD:
            frame[:] = 0
            wild += 1
    return wild


def _at_one_rate(pieces: Iterable[tuple[int, Samples]], source: Source) -> Iterator[Samples]:
    """Yield the samples of `pieces` at the rate of the first."""
    resampler = None
    last_hz = source.rate_hz
    for rate_hz, samples in pieces:
        if rate_hz != last_hz:
            if resampler:
                yield resampler.finish()
            resampler = Resampler(rate_hz, source.rate_hz) if rate_hz != source.rate_hz else None
            last_hz = rate_hz
        yield resampler.push(samples) if resampler else samples
    if resampler:
        yield resampler.finish()


def _judged(blocks: Iterator[Samples], source: Source, tally: Tally, promised_by: str) -> Iterator[Samples]:
    """Yield `blocks`, complete `source`, and raise at the end if the track turned out not to be usable."""
    for block in blocks:
        if len(block):
            yield block
    judge(source, tally, promised_by)
