"""The command line of ``scripts/benchmark.py``."""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from fma_prep.benchmark import charts, corpus, growth, simulate
from fma_prep.benchmark.analysis import tables, verdicts
from fma_prep.benchmark.contenders import CONTENDERS, ORIGINAL, OURS
from fma_prep.benchmark.publish import publish
from fma_prep.benchmark.run import FORMAT, Settings, benchmark
from fma_prep.errors import DatasetError, NotFoundError, UsageError

__all__ = ["main", "parser"]

_SMOKE_HOURS, _SMOKE_REPETITIONS, _SMOKE_MEAN_S, _SMOKE_GROWTH = 1 / 6, 2, 30.0, (10,)
_SMOKE_CONTENDERS = (OURS, ORIGINAL, "soundfile+soxr", "ffmpeg")  # or it would take over five minutes
_MEAN_S = 240.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/benchmark.py``."""
    p = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Measure this pipeline beside the original one and the alternatives, on the same files in one run; "
        "print tables, write results.json, tables.md and charts.",
    )
    p.add_argument("--smoke", action="store_true", help="ten minutes of audio, two repetitions, marked as such")
    p.add_argument("--hours", type=float, default=4.0, help="of audio, made from a seed (default: %(default)s)")
    p.add_argument("--input", type=Path, metavar="FOLDER", help="audio of one's own instead")
    p.add_argument("--seed", type=int, default=0, help="of the corpus (default: %(default)s)")
    p.add_argument("--workers", type=_list, metavar="N,N", help="default: 1, 2, 4 … up to the processors that are here")
    p.add_argument("--master", help="a Spark master to measure besides; its nodes must see these files")
    p.add_argument("--contenders", type=_list, metavar="LIST", help=f"of {', '.join(CONTENDERS)} (default: all)")
    p.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: %(default)s")
    p.add_argument("--growth", type=_list, metavar="N,N", help="numbers of songs; 0 for none (default: 10,20,40,80)")
    p.add_argument(
        "--output", type=Path, default=Path("build/benchmark"), metavar="FOLDER", help="default: %(default)s"
    )
    p.add_argument("--cache", type=Path, default=Path(".cache"), metavar="FOLDER", help="of the corpus: %(default)s")
    p.add_argument("--publish", type=Path, metavar="FOLDER", help="write performance.md there too, as for docs")
    p.add_argument("--render", type=Path, metavar="RESULTS", help="draw and print results.json again, measure nothing")
    p.add_argument(
        "--simulate",
        type=Path,
        nargs="?",
        const=Path("build/benchmark/results.json"),
        metavar="RESULTS",
        help="schedule fma_full on 16 to 4,096 cores, from the costs in results.json (default: %(const)s)",
    )
    return p


def main(arguments: list[str] | None = None) -> None:
    """Run the command.

    Raises
    ------
    UsageError, NotFoundError
        If the options cannot be.
    RunError
        If a contender fails.
    """
    options = parser().parse_args(arguments)
    if options.simulate:
        _simulate(options)
        return
    if options.render:
        results = _load(options.render)
    else:
        results = _measure(options)
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    said = tables(results) + "\n" + "\n".join(verdicts(results)) + "\n"
    drawn = charts.draw(results, options.output)
    (options.output / "tables.md").write_text(said)
    print(said)
    if options.publish:
        print(f"Published: {publish(results, options.publish)}")
    print(f"Results, tables and {len(drawn)} charts: {options.output}")


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    counts = tuple(map(int, options.growth)) if options.growth else (10, 20, 40, 80)
    hours, repetitions, mean_s = options.hours, options.repetitions, _MEAN_S
    if options.smoke:
        hours, repetitions, mean_s = _SMOKE_HOURS, _SMOKE_REPETITIONS, _SMOKE_MEAN_S
        counts = counts if options.growth else _SMOKE_GROWTH
    contenders = options.contenders or (_SMOKE_CONTENDERS if options.smoke else tuple(CONTENDERS))
    if unknown := set(contenders) - set(CONTENDERS):
        raise UsageError(f"must be some of {', '.join(CONTENDERS)}", f"--contenders {', '.join(sorted(unknown))}")
    if not hours > 0 or repetitions < 1:
        raise UsageError("must be above 0", "--hours and --repetitions")
    workers = options.workers or _powers_of_two(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        if options.input:
            found = corpus.from_folder(options.input)
            tracks = corpus.subset(found, list(found.seconds), Path(folder) / "input")  # without what cannot be decoded
        else:
            planned = corpus.planned(hours * 3600, mean_s, options.seed)
            tracks = corpus.make(options.cache, planned, os.cpu_count() or 1)
        settings = Settings(
            corpus=tracks,
            cache=options.cache,
            work=Path(folder) / "work",
            contenders=tuple(contenders),
            workers=tuple(workers),
            master=options.master,
            repetitions=repetitions,
            smoke=options.smoke,
        )
        # the short part first: what does not work here should show before the hour is spent
        grown = growth.grow(counts, Path(folder), workers[-1]) if any(counts) else None
        return benchmark(settings) | {"growth": grown}


def _simulate(options: argparse.Namespace) -> None:
    found = simulate.simulation(_load(options.simulate), simulate.Cluster())
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "simulation.json").write_text(json.dumps(found, indent=1) + "\n")
    chart = charts.save(options.output / "simulation.png", found, simulate.chart)
    print(simulate.table(found))
    print(f"Drawn: {chart}")


def _load(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as e:
        raise NotFoundError("there are no results", str(path), "Run the benchmark first.") from e
    except ValueError as e:
        raise DatasetError("is not JSON", str(path)) from e
    if results.get("format") != FORMAT:
        raise DatasetError(f"does not hold a {FORMAT}", str(path))
    return results


def _powers_of_two(most: int) -> list[str]:
    return [str(2**i) for i in range(most.bit_length()) if 2**i <= most]


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
