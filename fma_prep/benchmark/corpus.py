"""The corpus: hours of music-like tracks made from a seed, once, and kept."""

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fma_prep.audio import synth
from fma_prep.audio.decode import decode
from fma_prep.errors import NotFoundError, TrackError
from fma_prep.progress import progress

__all__ = ["Corpus", "Track", "from_folder", "make", "planned", "subset"]

_ABOUT = "_corpus.json"  # begins with _, so it is no track
_SHORTEST_S = 10.0
_SUFFIXES = {".mp3", ".flac", ".ogg", ".wav"}  # what all contenders can decode


@dataclass(frozen=True)
class Track:
    """One track: its file name, length in seconds and encoding."""

    name: str
    seconds: float
    rate_hz: int = 44100
    channels: int = 2
    bit_rate_bps: int = 256_000
    vbr: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Corpus:
    """A folder of tracks, all of which every contender can decode.

    Attributes
    ----------
    folder : Path
    seconds : dict
        Length of sound by file name.
    """

    folder: Path
    seconds: dict[str, float]

    @property
    def audio_s(self) -> float:
        """The length of all its sound, in seconds."""
        return sum(self.seconds.values())

    @property
    def size_bytes(self) -> int:
        """The size of its files."""
        return sum((self.folder / name).stat().st_size for name in self.seconds)


def planned(audio_s: float, mean_s: float, seed: int) -> list[Track]:
    """Return what tracks a corpus of that length holds: eight of ten as FMA's are, the rest as other people's are.

    Lengths are log-normal about `mean_s`; their sum is `audio_s`.
    """
    rng = np.random.default_rng(seed)
    count = max(4, round(audio_s / mean_s))
    lengths = rng.lognormal(0, 0.4, count)
    lengths = np.maximum(lengths * audio_s / lengths.sum(), min(_SHORTEST_S, audio_s / count / 2))
    lengths *= audio_s / lengths.sum()
    others = (
        {"bit_rate_bps": 320_000},
        {"rate_hz": 48000, "bit_rate_bps": 192_000},
        {"vbr": 0},
        {"channels": 1, "bit_rate_bps": 128_000},
    )
    return [
        Track(
            f"{i // 1000:03d}/{i:06d}.mp3",
            round(float(s), 2),
            seed=seed + i,
            **(others[i // 10 * 2 % 4 + i % 10 - 8] if i % 10 >= 8 else {}),
        )
        for i, s in enumerate(lengths)
    ]


def make(cache: Path, tracks: Sequence[Track], workers: int) -> Corpus:
    """Return the corpus of `tracks`, from `cache` if it has been made before.

    Parameters
    ----------
    cache : Path
        A folder; the corpus becomes a folder in it, named after what makes it.
    tracks : sequence of Track
    workers : int
        How many processes make it.
    """
    plan = json.dumps([asdict(track) for track in tracks]) + inspect.getsource(synth)
    folder = cache / f"corpus-{hashlib.sha256(plan.encode()).hexdigest()[:12]}"
    corpus = Corpus(folder, {track.name: track.seconds for track in tracks})
    if (folder / _ABOUT).exists():
        return corpus
    unfinished = folder.with_suffix(f".{os.getpid()}")
    longest_first = sorted(tracks, key=lambda track: -track.seconds)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        made = pool.map(_write, [unfinished] * len(tracks), longest_first)
        list(progress("making the corpus", made, total=len(tracks), unit="tracks"))
    (unfinished / _ABOUT).write_text(json.dumps(corpus.seconds))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return corpus


def _write(folder: Path, track: Track) -> None:
    sound = synth.music(track.seconds, track.rate_hz, track.seed, track.channels)
    path = folder / track.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(synth.encode(sound, track.rate_hz, bit_rate_bps=track.bit_rate_bps, vbr=track.vbr))


def from_folder(folder: Path) -> Corpus:
    """Return the audio of a folder of one's own as a corpus; what cannot be decoded is left out.

    Raises
    ------
    NotFoundError
        If nothing is left.
    """
    seconds = {}
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    for path in progress("looking at the corpus", files, unit="tracks"):
        with path.open("rb") as stream, suppress(TrackError):
            decoding = decode(stream)
            rate_hz = decoding.rate_hz
            seconds[path.relative_to(folder).as_posix()] = sum(map(len, decoding)) / rate_hz
    if not seconds:
        raise NotFoundError("has no MP3, FLAC, Ogg or WAV file that can be decoded", str(folder))
    return Corpus(folder, seconds)


def subset(corpus: Corpus, names: Sequence[str], folder: Path) -> Corpus:
    """Return a corpus of some of its files, linked into a new `folder`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(corpus.folder / name)
        except OSError:  # another file system
            shutil.copyfile(corpus.folder / name, path)
    return Corpus(folder, {name: corpus.seconds[name] for name in names})
