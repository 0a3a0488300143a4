"""What people would otherwise use, each in its best form: ``python -m fma_prep.benchmark.alternatives NAME IN OUT N``.

All do what this pipeline does: left channel, 8 kHz, divided by the peak, 256 levels of mu-law, one uint8 a sample, and
write one file of codes a track. None notices a truncated file or says what became of each track.

Heavy imports are inside the functions: each pays for its own only.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fma_prep.audio.recipe import Quantizer

__all__ = ["ALTERNATIVES", "SUFFIX", "missing"]

SUFFIX = ".codes"
_RATE_HZ = 8000
_FFMPEG = "{ffmpeg} -nostdin -v error -threads 1 -i {track} -af pan=mono\\|c0=c0 -ar {rate} -f f32le {out}"


def soundfile_soxr(track: Path) -> NDArray[np.uint8]:
    """Decode by libsndfile, resample by soxr."""
    import soundfile
    import soxr

    x, rate_hz = soundfile.read(track, dtype="float32", always_2d=True)
    return _codes(soxr.resample(np.ascontiguousarray(x[:, 0]), rate_hz, _RATE_HZ, quality="HQ"))


def librosa(track: Path) -> NDArray[np.uint8]:
    """Use librosa's loader, resampler (soxr_hq) and mu_compress."""
    import librosa as lib

    x, rate_hz = lib.load(track, sr=None, mono=False)
    y = lib.resample(np.atleast_2d(x)[0], orig_sr=rate_hz, target_sr=_RATE_HZ)
    bins = lib.mu_compress(y / np.abs(y).max(), mu=255, quantize=True) + 128  # numbered from 1, or 0 at exactly -1
    codes: NDArray[np.uint8] = np.maximum(bins - 1, 0).astype(np.uint8)
    return codes


def torchaudio(track: Path) -> NDArray[np.uint8]:
    """Use torchaudio's loader, resampler and mu_law_encoding."""
    import torch
    import torchaudio as lib

    torch.set_num_threads(1)
    x, rate_hz = lib.load(str(track))
    y = lib.functional.resample(x[0], rate_hz, _RATE_HZ)
    codes: NDArray[np.uint8] = lib.functional.mu_law_encoding(y / y.abs().max(), 256).to(torch.uint8).numpy()
    return codes


def _codes(y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Divide by the peak; return the nearest of 256 levels of mu-law."""
    y = y / np.abs(y).max()
    compressed = np.sign(y) * np.log1p(255 * np.abs(y)) / np.log1p(255)
    codes: NDArray[np.uint8] = np.floor((compressed + 1) / 2 * 255 + 0.5).astype(np.uint8)
    return codes


def _with_joblib(track_codes: Callable[[Path], NDArray[np.uint8]], source: Path, out: Path, workers: int) -> None:
    """Run over all tracks, the longest first, in processes of joblib; one worker needs none."""
    from joblib import Parallel, delayed

    tracks = sorted(source.rglob("*.*"), key=lambda path: -path.stat().st_size)
    one = delayed(partial(_write, track_codes, source, out))
    Parallel(n_jobs=workers)(one(track) for track in tracks if not track.name.startswith("_"))


def _write(track_codes: Callable[[Path], NDArray[np.uint8]], source: Path, out: Path, track: Path) -> None:
    target = out / (track.relative_to(source).as_posix() + SUFFIX)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(track_codes(track).tobytes())


def _ffmpeg_xargs(source: Path, out: Path, workers: int) -> None:
    """Decode and resample by one ffmpeg a track, under xargs; then one pass of numpy over the small results."""
    import imageio_ffmpeg

    for folder in {path.parent for path in source.rglob("*.*")}:
        (out / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)
    ffmpeg = shlex.quote(imageio_ffmpeg.get_ffmpeg_exe())
    one = _FFMPEG.format(ffmpeg=ffmpeg, track='"$1"', rate=_RATE_HZ, out=f'{shlex.quote(str(out))}/"$1".raw')
    every = f"find . -type f ! -name '_*' -print0 | xargs -0 -P {workers} -n 1 sh -c {shlex.quote(one)} sh"
    subprocess.run(["sh", "-c", every], cwd=source, check=True)  # noqa: S603, S607  # as a person would type it
    raws = sorted(out.rglob("*.raw"))
    from joblib import Parallel, delayed

    Parallel(n_jobs=workers)(delayed(_quantise_raw)(raw) for raw in raws)


def _quantise_raw(raw: Path) -> None:
    raw.with_suffix(SUFFIX).write_bytes(_codes(np.fromfile(raw, np.float32)).tobytes())
    raw.unlink()


# by name: what it is, the modules it needs, how it runs, its dialect of mu-law
ALTERNATIVES: dict[str, tuple[str, tuple[str, ...], Callable[[Path, Path, int], None], Quantizer]] = {
    "soundfile+soxr": (
        "soundfile + soxr + joblib",
        ("soundfile", "soxr", "joblib"),
        partial(_with_joblib, soundfile_soxr),
        "nearest",
    ),
    "librosa": ("librosa + joblib", ("librosa", "joblib"), partial(_with_joblib, librosa), "floor"),
    "ffmpeg": ("ffmpeg by xargs, its own resampler", ("imageio_ffmpeg", "joblib"), _ffmpeg_xargs, "nearest"),
    "torchaudio": ("torchaudio + joblib", ("torchaudio", "joblib"), partial(_with_joblib, torchaudio), "nearest"),
}


def missing(name: str) -> list[str]:
    """Return the modules that alternative `name` needs and this environment lacks."""
    return [module for module in ALTERNATIVES[name][1] if importlib.util.find_spec(module) is None]


if __name__ == "__main__":
    for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[_variable] = "1"
    _name, _source, _out, _workers = sys.argv[1:]
    ALTERNATIVES[_name][2](Path(_source).resolve(), Path(_out).resolve(), int(_workers))
