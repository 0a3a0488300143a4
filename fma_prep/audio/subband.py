"""MP3 straight to the target rate, some three times as fast as the fastest chain of a decoder and a resampler.

Of the 32 subbands that an MP3 splits sound into, 7 survive the way to 8 kHz. The native core (`subband_core`) decodes
just these, and one linear map (`subband_map`) turns them into samples at the target rate, as if all had been decoded
and resampled. ``docs/subband.md`` has the mathematics.

Samples are not clipped at ±1 as other decoders' are, so codes of a track that clips differ: this is another recipe.
What is not plain Layer III all the way (another format, a change of rate or channels) is left to the decoder `av`.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio import subband_core
from fma_prep.audio.decode import Decoding
from fma_prep.audio.decode import decode as decode_av
from fma_prep.audio.promise import Promise, after_id3, read_promise
from fma_prep.audio.recipe import Recipe
from fma_prep.audio.source import Source, Tally, judge
from fma_prep.audio.subband_map import SLOT, SubbandMap, subbands_needed
from fma_prep.errors import TrackError

__all__ = ["decode", "require"]

Samples = NDArray[np.float32]

_CHANNELS = {"left": 0, "right": 1, "mix": 2}
_CEILING = 4.0  # of a subband's sample, as of a sound's
_DECODER_DELAY = 529  # samples of sound that the filterbanks are late
_READ_BYTES = 1 << 18
_OUT_SLOTS = 1 << 13
_JUNK_BYTES = 1 << 16  # av looks no further for the first frame either


class _NotOursError(Exception):
    """This is for another decoder."""


def require() -> None:
    """Load the native core.

    Raises
    ------
    SetupError
        If it is not there, or not for this machine; with what to do about it.
    """
    subband_core.load()


def decode(stream: BinaryIO, recipe: Recipe) -> Decoding:
    """Decode the MP3 file in `stream` to samples at the recipe's rate; hand anything else to the decoder `av`.

    Parameters
    ----------
    stream : seekable binary file
        Any bytes at all: they are not trusted.
    recipe : Recipe

    Returns
    -------
    Decoding
        At ``recipe.sample_rate`` if ``source.decoder`` is "subband", else at the file's.

    Raises
    ------
    TrackError
        At stage "decode": there is no sound in it, it is truncated, or too damaged.
    SetupError
        If the native core is missing.
    """
    require()
    promise = read_promise(stream)
    try:
        return _decode(stream, promise, recipe)
    except _NotOursError as e:
        if _is_free_format(stream):
            raise TrackError("decode", "an MP3 of free format, which this tool does not take") from e
        stream.seek(0)
        return decode_av(stream, recipe.channel)


def _is_free_format(stream: BinaryIO) -> bool:
    """Return whether the first frame is of Layer III and says no bit rate."""
    stream.seek(after_id3(stream))
    head = stream.read(4)
    return (
        len(head) == 4 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 == 0 and head[2] & 0x0C != 0x0C
    )


def _decode(stream: BinaryIO, promise: Promise, recipe: Recipe) -> Decoding:
    if recipe.resampler != "kaiser_best":
        raise _NotOursError  # the others let through too much of the subbands that are left out
    rate_hz = _rate_hz(stream)
    if not SubbandMap.handles(rate_hz, recipe.sample_rate):
        raise _NotOursError
    core = subband_core.Stream(_CHANNELS[recipe.channel], subbands_needed(rate_hz, recipe.sample_rate), _CEILING)
    skip = promise.trim[0] + _DECODER_DELAY if promise.trim else 0
    to_target = SubbandMap(rate_hz, recipe.sample_rate, skip)
    blocks, n_slots = list[Samples](), 0
    for slots in _slots(stream, core, to_target.subbands):
        n_slots += len(slots)
        blocks += to_target.push(slots)
    n_samples = _meant(SLOT * n_slots, skip, promise, rate_hz)
    blocks += to_target.finish(n_samples)
    source, tally = _found(core.report, promise, n_samples)
    judge(source, tally, promise.by)
    return Decoding(_first(blocks, n_samples * recipe.sample_rate // rate_hz), source, recipe.sample_rate)


def _rate_hz(stream: BinaryIO) -> int:
    """Return the rate of the first frame, and leave `stream` at its beginning."""
    core = subband_core.Stream(0, 1, _CEILING)
    next(_slots(stream, core, 1, 2 * subband_core.SLOTS), None)
    stream.seek(0)
    if not core.report.rate_hz:
        raise _NotOursError
    return int(core.report.rate_hz)


def _slots(
    stream: BinaryIO, core: subband_core.Stream, subbands: int, out_slots: int = _OUT_SLOTS
) -> Iterator[Samples]:
    """Yield the samples of the lower subbands, float32 [n, subbands], of the file in `stream`: valid until the next."""
    out = np.empty((out_slots, subbands), np.float32)
    rest, final = b"", False
    while not final:
        chunk = stream.read(_READ_BYTES)
        final = not chunk
        data = np.frombuffer(rest + chunk, np.uint8)
        at = 0
        while True:
            consumed, produced = core.decode(data[at:], final, out)
            at += consumed
            if produced:
                yield out[:produced]
            _check(core.report)
            if not (consumed or produced):
                break
        rest = data[at:].tobytes()


def _check(report: subband_core.Report) -> None:
    if report.status == subband_core.Report.CHANGED or (not report.rate_hz and report.junk_bytes > _JUNK_BYTES):
        raise _NotOursError


def _meant(n_samples: int, skip: int, promise: Promise, rate_hz: int) -> int:
    """Return how many of the samples that frames hold are music: without the encoder's delay and padding."""
    music = max(0, n_samples - skip)
    if promise.trim and promise.seconds:
        promised = round(promise.seconds * rate_hz)
        if n_samples <= promised + sum(promise.trim):  # else sound follows that the tag knows nothing of
            return min(music, promised)
    return music


def _found(report: subband_core.Report, promise: Promise, n_samples: int) -> tuple[Source, Tally]:
    """Return what is to be judged."""
    source = Source(
        rate_hz=report.rate_hz,
        channels=report.channels,
        codec="mp3",
        vbr=report.bit_rate_min != report.bit_rate_max if promise.vbr is None else promise.vbr,
        seconds_found=n_samples / report.rate_hz,
        seconds_promised=promise.seconds,
        decoder="subband",
    )
    if report.bad_checksums:
        source.warnings.append(f"{report.bad_checksums} of {report.frames} frames do not fit their checksums")
    tally = Tally(
        good=report.frames,
        bad=report.lost_frames,
        silenced=report.silenced_frames,
        size_bytes=report.sound_bytes,
    )
    return source, tally


def _first(blocks: list[Samples], n: int) -> Iterator[Samples]:
    """Yield the first `n` samples of `blocks`."""
    for block in blocks:
        yield block[:n]
        n -= len(block[:n])
