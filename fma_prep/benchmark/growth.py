"""How time grows with the number of songs, as the first team plotted it: scraping, converting, digitising."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from fma_prep.benchmark.contenders import CONTENDERS, ORIGINAL, OURS, ROOT, environment
from fma_prep.benchmark.measure import run_measured
from fma_prep.progress import progress
from fma_prep.scrape.fixture import FixtureSite

__all__ = ["grow"]

_SONG_S = 20.0
_CONVERT = """mkdir -p "$2" && cd "$1" && find . -name '*.mp3' -print0 |
    xargs -0 -P "$3" -I TRACK "$4" -nostdin -v error -threads 1 -i TRACK "$2/TRACK.wav\""""

Command = Callable[[int, Path, Path], list[str]]


def grow(counts: Sequence[int], work: Path, workers: str) -> dict[str, Any]:
    """Measure each step on the songs of the fixture site, for each count of them.

    Parameters
    ----------
    counts : sequence of int
    work : Path
        A folder for songs and outputs.
    workers : str
        How many, where there can be more than one.
    """
    with FixtureSite(max(counts), _SONG_S) as site:
        for song in progress("making songs", site.catalogue, unit="songs"):
            song.mp3()  # made and kept, so that the site serves it without delay
        steps = _steps(site, workers)
        seconds: dict[str, dict[str, float]] = {step: {} for step in steps}
        bar = progress("by number of songs", total=len(counts) * len(steps), unit="runs")
        for count in counts:
            folder = work / f"songs-{count}"
            folder.mkdir(parents=True)
            for song in site.catalogue[:count]:
                (folder / f"{song.id:06d}.mp3").write_bytes(song.mp3())
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
        "caption": f"Songs of about {_SONG_S:.0f} s, {workers} workers; scraped from the fixture site on this machine "
        "without pauses (a live site is asked for about 1,000 songs an hour).",
    }


def _steps(site: FixtureSite, workers: str) -> dict[str, Command]:
    scrape = [sys.executable, str(ROOT / "scripts/scrape.py"), "--site", site.url, "--delay", "0", "--pause", "0"]
    scrape += ["--allow-host", site.files_url.removeprefix("http://")]
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    return {
        "scraping (fixture site)": lambda count, _, output: [*scrape, "--limit", str(count), str(output)],
        "converting (ffmpeg to WAV)": lambda _, folder, output: [
            *("sh", "-c", _CONVERT, "sh", str(folder), str(output), workers, ffmpeg)
        ],
        "digitising (fma_prep)": lambda _, folder, output: CONTENDERS[OURS].command(folder, output, workers),
        "digitising (original)": lambda _, folder, output: CONTENDERS[ORIGINAL].command(folder, output, workers),
    }
