"""How time grows with the number of songs, as the first team plotted it: scraping, converting, digitising."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from tqdm import tqdm

from fma_prep.benchmark import corpus as corpora
from fma_prep.benchmark.contenders import CONTENDERS, ORIGINAL, OURS, ROOT, environment
from fma_prep.benchmark.measure import run_measured

__all__ = ["grow"]

_SONG_S = 30.0
_CONVERT = """mkdir -p "$2/000" && cd "$1" && find . -name '*.mp3' -print0 |
    xargs -0 -P "$3" -I TRACK "$4" -nostdin -v error -threads 1 -i TRACK "$2/TRACK.wav\""""


def grow(counts: Sequence[int], cache: Path, work: Path, workers: str) -> dict[str, Any]:
    """Measure each step on 30-second songs, for each count of them.

    Parameters
    ----------
    counts : sequence of int
    cache, work : Path
        Folders for the songs, which are kept, and for outputs, which are not.
    workers : str
        How many, where there can be more than one.
    """
    songs = [corpora.Track(f"000/{i:06d}.mp3", _SONG_S, seed=i) for i in range(max(counts))]
    whole = corpora.make(cache, songs, int(workers))
    steps = _steps(workers)
    seconds: dict[str, dict[str, float]] = {step: {} for step in steps}
    bar = tqdm(total=len(counts) * len(steps), desc="by number of songs", unit="run", disable=None)
    for count in counts:
        folder = work / f"songs-{count}"
        corpora.subset(whole, [song.name for song in songs[:count]], folder)
        for step, command in steps.items():
            output = work / "grown"
            shutil.rmtree(output, ignore_errors=True)
            cost = run_measured(
                command(count, folder, output), result=work / "cost.json", env=environment(), log=work / "grown.log"
            )
            seconds[step][str(count)] = cost.wall_s
            bar.update()
    bar.close()
    return {
        "seconds": seconds,
        "caption": f"{_SONG_S:.0f}-second songs, {workers} workers; scraped from the fixture site on this machine "
        "without pauses (a live site is asked for about 1,000 songs an hour).",
    }


def _steps(workers: str) -> dict[str, Callable[[int, Path, Path], list[str]]]:
    return {
        "scraping (fixture site)": lambda count, _, output: [
            *(sys.executable, str(ROOT / "scripts/scrape.py"), str(output)),
            *("--limit", str(count), "--pause", "0"),
        ],
        "converting (decoding to WAV)": lambda _, folder, output: [
            *("sh", "-c", _CONVERT, "sh", str(folder), str(output), workers, imageio_ffmpeg.get_ffmpeg_exe())
        ],
        "digitising (fma_prep)": lambda _, folder, output: CONTENDERS[OURS].command(folder, output, workers),
        "digitising (original)": lambda _, folder, output: CONTENDERS[ORIGINAL].command(folder, output, workers),
    }
