"""Decoding as the original pipeline does it: an ffmpeg program writes a WAV file, pydub reads it. The yardstick.

It is slower than decoding in process, rounds to 16 bits, and holds the track in memory.
"""

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any, BinaryIO

import numpy as np

from fma_prep.audio.decode import (
    CODECS,
    FORMATS,
    Decoding,
    Piece,
    decoding_by,
    opened,
    sound_of,
    used_channels,
)
from fma_prep.audio.recipe import Channel
from fma_prep.audio.source import Source, Tally
from fma_prep.errors import SetupError, TrackError

__all__ = ["audio_segment", "decode", "ffmpeg_program", "to_wav"]

_BLOCK_SAMPLES = 1 << 16
_TIMEOUT_S = 3600
_LOG_BYTES = 1 << 20


@lru_cache(maxsize=1)
def ffmpeg_program() -> str:
    """Return the path of the static ffmpeg in imageio-ffmpeg's wheel."""
    import imageio_ffmpeg  # noqa: PLC0415  # only here is it needed

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as e:
        raise SetupError("there is no ffmpeg program", "", "Install the package imageio-ffmpeg") from e


@lru_cache(maxsize=1)
def audio_segment() -> Any:
    """Return pydub's AudioSegment, using the static ffmpeg."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no ffmpeg on PATH, and old syntax
        from pydub import AudioSegment  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
    AudioSegment.converter = ffmpeg_program()
    return AudioSegment


def to_wav(stream: BinaryIO, codec: str = "pcm_s16le") -> tuple[IO[bytes], int]:
    """Decode the first sound stream with the ffmpeg program.

    Files take the place of pipes, so that nothing can block, MP4 can be read from its end, and the WAV gets its length.

    Returns
    -------
    wav : binary file
        A temporary file, at its beginning.
    bad_packets : int
        As far as ffmpeg tells, anywhere in the file.
    """
    wav = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    with tempfile.TemporaryFile() as encoded, tempfile.TemporaryFile() as log:
        stream.seek(0)
        shutil.copyfileobj(stream, encoded)
        encoded.seek(0)
        limits = ["-format_whitelist", FORMATS, "-codec_whitelist", CODECS, "-protocol_whitelist", "fd"]
        command = [ffmpeg_program(), "-nostdin", "-loglevel", "error", "-threads", "1", *limits, "-i", "fd:"]
        command += ["-map", "0:a:0", "-c:a", codec, "-threads", "1", "-f", "wav", "fd:"]
        done = subprocess.run(  # noqa: S603  # every argument is ours
            command, stdin=encoded, stdout=wav, stderr=log, timeout=_TIMEOUT_S, check=False
        )
        log.seek(0)
        complaints = log.read(_LOG_BYTES)
    if done.returncode or not wav.tell():
        wav.close()
        raise TrackError("decode", "ffmpeg finds no sound in it")
    wav.seek(0)
    return wav, complaints.count(b"Error submitting packet to decoder")


def decode(stream: BinaryIO, channel: Channel = "left") -> Decoding:
    """Begin to decode as `fma_prep.audio.decode.decode` does, by the ffmpeg program and pydub."""
    return decoding_by("pydub", _pieces, stream, channel)


def _pieces(stream: BinaryIO, channel: Channel, source: Source, tally: Tally) -> Iterator[Piece]:
    with opened(stream) as container:
        sound_of(container, source)
    tally.size_bytes = stream.seek(0, 2)
    wav, bad_packets = to_wav(stream)
    with wav:
        segment = audio_segment().from_file(wav, "wav")
    source.rate_hz, source.channels = segment.frame_rate, segment.channels
    if bad_packets:
        source.warnings.append(f"{bad_packets} packets could not be decoded, perhaps of junk or tags around the sound")
    packed = np.frombuffer(segment.raw_data, np.int16).reshape(-1, segment.channels)
    used = used_channels(
        (["FL", "FR"] + ["?"] * segment.channels)[: segment.channels], channel
    )  # a WAV file's channels have that order
    for start in range(0, len(packed), _BLOCK_SAMPLES):
        block = packed[start : start + _BLOCK_SAMPLES, used].T.astype(np.float32) * np.float32(2.0**-15)
        yield Piece(segment.frame_rate, block, [0])
