"""Music-like sound and encoded files, made from a seed: for tests, demos and benchmarks. No part of the pipeline."""

import io
from collections.abc import Callable, Mapping
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["CODECS", "encode", "music"]

Samples = NDArray[np.float32]

_BEAT_S = 0.25
_PENTATONIC = (0, 3, 5, 7, 10)  # semitones: any two of them sound well together
_LOWEST_HZ = (55.0, 220.0, 880.0, 55.0, 110.0, 440.0)  # one register a channel, as far apart as two instruments

CODECS = {"mp3": "libmp3lame", "flac": "flac", "wav": "pcm_s16le", "m4a": "aac", "ogg": "vorbis"}
_MUXERS = {"m4a": "ipod"}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_FRAME_SAMPLES = 4096


def music(seconds: float, rate_hz: int = 44100, seed: int = 0, channels: int = 2) -> Samples:
    """Return something like music: plucked notes, chords, drums, loud and soft passages.

    Channels play different notes in different registers over a quiet common part, so they cannot be taken for each
    other. A longer piece begins with the shorter one, and a channel is the same however many there are.

    Parameters
    ----------
    seconds : float >= 0
    rate_hz : int > 0
    seed : int >= 0
    channels : int, 1 to 6

    Returns
    -------
    float32 [n, channels]
        In (-0.95, 0.95); the peak of ten seconds or more is over 0.8.
    """
    n = round(seconds * rate_hz)
    common = _voice(n, rate_hz, np.random.default_rng([seed, 99]), 110.0)
    parts = [_voice(n, rate_hz, np.random.default_rng([seed, c]), _LOWEST_HZ[c]) for c in range(channels)]
    mixed = np.stack([1.4 * part + 0.3 * common for part in parts], axis=1)
    limited: Samples = (0.95 * np.tanh(mixed)).astype(np.float32)
    return limited


def _voice(n: int, rate_hz: int, rng: np.random.Generator, lowest_hz: float) -> Samples:
    """Return `n` samples of one instrument with a drum, drawing the same random numbers for each beat."""
    out = np.zeros(n, np.float32)
    notes: dict[int, Samples] = {}
    drum = _drum(rate_hz, rng)
    start, beat = 0, 0
    while start < n:
        pitch, drummed, loudness = int(rng.integers(15)), rng.random() < 0.3, rng.uniform(0.3, 1.0)
        loudness *= 0.55 + 0.45 * np.sin(beat / 9)  # passages
        if pitch not in notes:
            notes[pitch] = _note(rate_hz, lowest_hz * 2 ** (_PENTATONIC[pitch % 5] / 12 + pitch // 5))
        for sound, volume in ((notes[pitch], loudness), (drum, 0.4 * loudness * drummed)):
            if volume:
                end = min(n, start + len(sound))
                out[start:end] += np.float32(volume) * sound[: end - start]
        beat += 1
        start = round(beat * _BEAT_S * rate_hz)
    return out


def _note(rate_hz: int, pitch_hz: float) -> Samples:
    """Return 1.5 s of a plucked string: harmonics that fade the faster the higher they are, none beyond Nyquist."""
    t = np.arange(round(1.5 * rate_hz)) / rate_hz
    fundamental = np.exp((-1 + 2j * np.pi * pitch_hz) * t)
    harmonic = np.exp(-2 * t) * np.minimum(1, t * 200) + 0j
    note = np.zeros(len(t))
    for h in range(1, min(9, int(0.45 * rate_hz / pitch_hz) + 1)):
        harmonic *= fundamental
        note += harmonic.imag / h
    return note.astype(np.float32)


def _drum(rate_hz: int, rng: np.random.Generator) -> Samples:
    """Return a tenth of a second of fading noise."""
    t = np.arange(rate_hz // 10) / rate_hz
    return (rng.standard_normal(len(t)) * np.exp(-t * 50)).astype(np.float32)


def encode(  # noqa: PLR0913  # each is a property of the file
    samples: Samples,
    rate_hz: int,
    container: str = "mp3",
    *,
    codec: str = "",
    bit_rate_bps: int = 256_000,
    vbr: int | None = None,
    xing: bool = True,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Return `samples` as the bytes of an audio file. The same samples give the same bytes.

    Parameters
    ----------
    samples : float32 [n, channels] or [n]
        1, 2 or 6 channels (FL, FR, FC, LFE, BL, BR). Integer codecs round and clip them.
    rate_hz : int
        One that the codec has.
    container : {"mp3", "flac", "wav", "m4a", "ogg"}
    codec : str
        ffmpeg's name, when not the usual one of the container (`CODECS`): ``pcm_u8``, ``pcm_s24le``, ``pcm_s32le``,
        ``pcm_f32le``, ``libopus``, ``alac`` …
    bit_rate_bps : int
        Of lossy codecs at a constant bit rate.
    vbr : int, 0 (best) to 9
        Asks for MP3 of a variable bit rate.
    xing : bool
        Whether an MP3 carries the Xing or Info tag that tells its length.
    tags : mapping
        Such as title and artist. Without them, no tag is written.
    """
    samples = samples[:, None] if samples.ndim == 1 else samples
    file = io.BytesIO()
    options = {"write_xing": str(int(xing)), "id3v2_version": "3" if tags else "0"} if container == "mp3" else {}
    options |= {"fflags": "+bitexact"}  # no version string, no random serial number
    with av.open(file, "w", format=_MUXERS.get(container, container), options=options) as output:
        output.metadata.update(tags or {})
        stream = output.add_stream(codec or CODECS[container], rate=rate_hz, layout=_LAYOUTS[samples.shape[1]])
        assert isinstance(stream, av.AudioStream)  # noqa: S101  # for mypy
        stream.codec_context.options = _codec_options(container, vbr)
        stream.codec_context.time_base = Fraction(1, rate_hz)
        if vbr is None:
            stream.codec_context.bit_rate = bit_rate_bps
        formats = [f.name for f in stream.codec_context.codec.audio_formats or []]
        sample_format = "fltp" if "fltp" in formats else formats[0]
        stream.codec_context.format = av.AudioFormat(sample_format)
        for start in range(0, len(samples), _FRAME_SAMPLES):
            frame = _frame(samples[start : start + _FRAME_SAMPLES], sample_format)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _codec_options(container: str, vbr: int | None) -> dict[str, str]:
    options = {"flags": "+bitexact", "strict": "experimental"}  # ffmpeg's own Vorbis encoder is called so
    if container == "mp3":
        options |= {"compression_level": "7"}  # LAME is twice as fast as by default
    if vbr is not None:
        options |= {"flags": "+bitexact+qscale", "global_quality": str(118 * vbr)}  # 118 is FF_QP2LAMBDA
    return options


_TO_FORMAT: dict[str, Callable[[Samples], NDArray[np.generic]]] = {
    "u8": lambda x: (np.clip(np.rint(x * 2.0**7), -(2**7), 2**7 - 1) + 128).astype(np.uint8),
    "s16": lambda x: np.clip(np.rint(x * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16),
    "s32": lambda x: np.clip(np.rint(x.astype(np.float64) * 2.0**31), -(2**31), 2**31 - 1).astype(np.int32),
    "flt": lambda x: x,
    "dbl": lambda x: x.astype(np.float64),
}


def _frame(block: Samples, sample_format: str) -> av.AudioFrame:
    """Return `block` [n, channels] as a frame of `sample_format`, whose final p means planar."""
    values = _TO_FORMAT[sample_format.removesuffix("p")](block)
    planes = values.T if sample_format.endswith("p") else values.reshape(1, -1)
    layout = _LAYOUTS[block.shape[1]]
    return av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=sample_format, layout=layout)
