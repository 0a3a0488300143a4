"""The original pipeline, as its authors published it: the yardstick for speed, and the oracle for the codes.

MP3 → pydub → a WAV file → scipy → float64 → left channel → resampy → scaled → mu-law → ``numpy.digitize``.
"""

import io
import tempfile
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.recipe import Quantizer
from fma_prep.audio.reference import audio_segment, to_wav

__all__ = ["original", "original_codes"]


def original(stream: BinaryIO, codec: str = "mp3", rate_out_hz: int = 8000) -> NDArray[np.int64]:
    """Return the codes of a track, by the very steps of the original: int64 [n] from 0 to 255, dialect `floor`.

    Parameters
    ----------
    stream : binary file
    codec : str
        ffmpeg's name for it; without one, pydub would ask ffprobe, which no wheel has.
    rate_out_hz : int
    """
    segment = audio_segment().from_file(stream, codec=codec)
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        segment.export(wav.name, format="wav").close()
        samples = _left_channel(wav.name, rate_out_hz)
    codes: NDArray[np.int64] = np.digitize(_companded(samples), np.linspace(-1, 1, 256)) - 1
    return codes


def original_codes(
    stream: BinaryIO, wav: Literal["float", "16-bit"], quantizer: Quantizer = "nearest", rate_out_hz: int = 8000
) -> NDArray[np.uint8]:
    """Return the codes that the original pipeline gives, for any codec, through a float WAV file if wished.

    A float WAV is clipped to [-1, 1]: without the rounding to 16 bits, it is what this package should agree with.
    """
    file, _ = to_wav(stream, "pcm_f32le" if wav == "float" else "pcm_s16le")
    with file:
        samples = _left_channel(io.BytesIO(file.read()), rate_out_hz)
    levels = (_companded(samples) + 1) / 2 * 255
    codes: NDArray[np.uint8] = np.floor(levels + (0.5 if quantizer == "nearest" else 0)).astype(np.uint8)
    return codes


def _companded(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `samples` scaled to full level, by mu-law with mu = 255."""
    scaled = samples / np.abs(samples).max()
    companded: NDArray[np.float64] = np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log1p(255)
    return companded


def _left_channel(wav: str | io.BytesIO, rate_out_hz: int) -> NDArray[np.float64]:
    """Return the left channel of a WAV file at `rate_out_hz`."""
    import resampy  # type: ignore[import-untyped]  # noqa: PLC0415  # loads numba, which takes seconds
    import scipy.io.wavfile  # type: ignore[import-untyped]  # noqa: PLC0415

    rate_hz, samples = scipy.io.wavfile.read(wav)
    left = samples.reshape(len(samples), -1)[:, 0].astype(np.float64)
    if samples.dtype == np.int16:
        left /= 2**15
    resampled: NDArray[np.float64] = resampy.resample(np.clip(left, -1, 1), rate_hz, rate_out_hz, filter="kaiser_best")
    return resampled
