"""One track from encoded bytes to mu-law codes: decode, resample, normalise, quantise."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio import mulaw, reference, subband
from fma_prep.audio.decode import Decoding, decode
from fma_prep.audio.recipe import Recipe
from fma_prep.audio.resample import Resampler
from fma_prep.audio.source import Source
from fma_prep.clock import Clock
from fma_prep.errors import TrackError

__all__ = ["DECODERS", "Digitized", "digitize", "require"]

Samples = NDArray[np.float32]

_SILENT_BELOW = 1e-4  # a decoder leaves 1e-7 of noise in a silent channel: at full level it would be garbage


@dataclass
class Digitized:
    """What a track became.

    Attributes
    ----------
    codes : bytes [n_samples]
        One uint8 mu-law code a sample.
    n_samples, sample_rate : int
    peak : float
        The largest absolute sample after resampling, rounded to 6 significant digits: what samples were divided by, if
        the recipe normalises and the track is not silent.
    silent : bool
        The peak is below 1e-4 and the recipe normalises: every code is the one for zero.
    codes_sha256 : str
    clipped : int
        Samples that resampling took beyond ±1, and that were clipped: none where the recipe normalises.
    source : Source
    seconds : dict
        Time that each stage took: "decode", "resample", "quantize".
    """

    codes: bytes
    n_samples: int
    sample_rate: int
    peak: float
    silent: bool
    codes_sha256: str
    clipped: int
    source: Source
    seconds: dict[str, float]


DECODERS: dict[str, Callable[[BinaryIO, Recipe], Decoding]] = {
    "av": lambda stream, recipe: decode(stream, recipe.channel),
    "pydub": lambda stream, recipe: reference.decode(stream, recipe.channel),
    "subband": subband.decode,  # gives samples at the recipe's rate, which the resampler leaves as they are
}


def require(recipe: Recipe) -> None:
    """Raise SetupError if what the recipe needs is not installed here, before a run finds out track by track."""
    if recipe.decoder == "subband":
        subband.require()


def digitize(stream: BinaryIO, recipe: Recipe) -> Digitized:
    """Return the track in `stream` as mu-law codes.

    Streams: besides the codes, no more than the resampled track is held in memory.

    Parameters
    ----------
    stream : seekable binary file
        Any bytes at all: they are not trusted.
    recipe : Recipe

    Raises
    ------
    TrackError
        At stage "decode": the track is no sound, truncated, too damaged or too short.
    SetupError
        If the recipe's decoder is not installed.
    """
    clock = Clock("decode", "resample", "quantize")
    with clock("decode"):
        decoding = DECODERS[recipe.decoder](stream, recipe)
    decoded = clock.during("decode", decoding)
    resampled = list(clock.during("resample", _resampled(decoded, decoding.rate_hz, recipe)))
    with clock("quantize"):
        peak, clipped = _levels(resampled, recipe)
        silent = recipe.normalize == "peak" and peak < _SILENT_BELOW
        codes = b"".join(_quantized(resampled, peak, silent, recipe))
        digest = hashlib.sha256(codes).hexdigest()
    if not codes:
        raise TrackError("decode", f"too short: {decoding.source.seconds_found:.6f} s give no sample")
    return Digitized(
        codes, len(codes), recipe.sample_rate, peak, silent, digest, clipped, decoding.source, clock.seconds
    )


def _resampled(blocks: Iterable[Samples], rate_hz: int, recipe: Recipe) -> Iterator[Samples]:
    resampler = Resampler(rate_hz, recipe.sample_rate, recipe.resampler)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.finish()


def _levels(blocks: list[Samples], recipe: Recipe) -> tuple[float, int]:
    """Return the peak of `blocks`, rounded as a record carries it, and how many samples `_quantized` will clip."""
    peak = max((float(np.abs(block).max(initial=0)) for block in blocks), default=0.0)
    clipped = 0
    if recipe.normalize == "none" and peak > 1:
        clipped = sum(int(np.count_nonzero(np.abs(block) > 1)) for block in blocks)
    return float(f"{peak:.6g}"), clipped


def _quantized(blocks: list[Samples], peak: float, silent: bool, recipe: Recipe) -> Iterator[bytes]:
    """Yield the codes of `blocks`, taking each from the list, so that its memory can be used again."""
    full_scale = peak if recipe.normalize == "peak" else 1.0
    blocks.reverse()
    while blocks:
        block = blocks.pop()
        if silent:
            yield bytes([mulaw.zero_code(recipe.quantizer)]) * len(block)
        else:
            yield mulaw.encode(block, recipe.mu, recipe.quantizer, full_scale).tobytes()
