"""A few tracks to look at and listen to: the spectrogram before and after, and the sound that the codes hold."""

import base64
import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy.signal import spectrogram  # type: ignore[import-untyped]

from fma_prep.audio import mulaw
from fma_prep.audio.decode import decode
from fma_prep.audio.recipe import Channel
from fma_prep.dataset.storage import Store
from fma_prep.errors import FmaPrepError
from fma_prep.report.codes import codes_of
from fma_prep.report.collect import Place

__all__ = ["Excerpt", "chosen", "excerpt"]

_SECONDS = 10.0
_WIDTH, _HEIGHT = 420, 160
_FLOOR_DB, _CEILING_DB = -110.0, -30.0


@dataclass(frozen=True)
class Excerpt:
    """Some seconds of a track.

    Attributes
    ----------
    credit : str
        Title, artist and licence, as far as they are known.
    start_s, seconds : float
        From where in the track, and how long.
    wav, after, before : str
        As data URIs: the sound decoded from the codes; its spectrogram up to half its sample rate; the source's
        spectrogram, up to half of `source_rate_hz`, empty where the source cannot be read.
    missing : str
        Why there is no `before`.
    """

    track: str
    credit: str
    start_s: float
    seconds: float
    sample_rate: int
    wav: str
    after: str
    before: str = ""
    source_rate_hz: int = 0
    missing: str = ""


def chosen(places: Sequence[Place], count: int, seed: int = 0) -> list[Place]:
    """Return some tracks at random, with sound in them."""
    audible = [place for place in places if not place.silent and place.n_samples >= place.sample_rate]
    order = np.random.default_rng(seed).permutation(len(audible))
    return [audible[i] for i in sorted(order[:count])]


def excerpt(store: Store, place: Place, recipe: Mapping[str, Any], source: Store | None) -> Excerpt:
    """Return ten seconds from the middle of a track.

    Parameters
    ----------
    store : Store
        Of the dataset.
    place : Place
    recipe : mapping
        The settings of the dataset's recipe.
    source : Store or None
        Of the tracks that it was made from.
    """
    count = min(place.n_samples, int(_SECONDS * place.sample_rate))
    first = (place.n_samples - count) // 2
    after = mulaw.decode(codes_of(store, place, first, count), mu=recipe["mu"], quantizer=recipe["quantizer"])
    start_s, seconds = first / place.sample_rate, count / place.sample_rate
    before, rate_hz, missing = "", 0, "its folder is not known here"
    if source is not None:
        try:
            sound, rate_hz = _source(source, place.track, recipe["channel"], start_s, seconds)
            before, missing = _picture(sound, rate_hz), ""
        except FmaPrepError as e:
            missing = str(e)
    wav, picture = _wav(after, place.sample_rate), _picture(after, place.sample_rate)
    return Excerpt(
        place.track, place.credit, start_s, seconds, place.sample_rate, wav, picture, before, rate_hz, missing
    )


def _source(
    source: Store, track: str, channel: Channel, start_s: float, seconds: float
) -> tuple[NDArray[np.float32], int]:
    """Return a piece of the source's channel as float32 [n], and its rate; decodes no further than it must."""
    blocks, have, rate_hz = [], 0, 0
    with source.open(track) as stream:
        decoding = decode(stream, channel=channel)
        for block in decoding:
            blocks.append(block)
            have, rate_hz = have + len(block), decoding.rate_hz
            if have >= (start_s + seconds) * rate_hz:
                break
    return np.concatenate(blocks)[round(start_s * rate_hz) :][: round(seconds * rate_hz)], rate_hz


def _picture(x: NDArray[np.float32], rate_hz: int) -> str:
    """Return a spectrogram in dB as a PNG, time to the right, frequency up to half of `rate_hz`."""
    window = 2 ** int(np.log2(rate_hz / 25))
    step = max(1, (len(x) - window) // _WIDTH)
    _, _, power = spectrogram(x, rate_hz, nperseg=window, noverlap=max(0, window - step), mode="psd")
    level = np.clip((10 * np.log10(power + 1e-15) - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1)
    rows = np.linspace(level.shape[0] - 1, 0, _HEIGHT).astype(int)
    columns = np.linspace(0, level.shape[1] - 1, _WIDTH).astype(int)
    file = io.BytesIO()
    colours = (mpl.colormaps["magma"](level[np.ix_(rows, columns)])[..., :3] * 255).astype(np.uint8)
    imsave(file, colours, format="png")
    return _data_uri("image/png", file.getvalue())


def _wav(x: NDArray[np.float32], rate_hz: int) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate_hz, 0, "NONE", "NONE"))
        out.writeframes(np.rint(x * 32767).astype("<i2").tobytes())
    return _data_uri("audio/wav", file.getvalue())


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
