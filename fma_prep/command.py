"""What every command shares: options with one home and one spelling each, and how a command ends.

Exit status: 0 done; 1 the run failed; 2 bad usage; 130 interrupted (the same command goes on where it was).
"""

import argparse
import dataclasses
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fma_prep.audio.recipe import CHOICES, Recipe
from fma_prep.dataset.licences import wanted
from fma_prep.errors import FmaPrepError

__all__ = [
    "add_licence_option",
    "add_recipe_options",
    "add_storage_option",
    "digitize_parser",
    "finish",
    "recipe_of",
]

_RECIPE_HELP = {
    "sample_rate": "of the training set, in Hz",
    "channel": "which channel of the track; mono passes through",
    "normalize": "divide by the peak, or clip",
    "quantizer": "the mu-law dialect: nearest level (WaveNet, torchaudio) or floor (numpy.digitize)",
    "mu": "compression; there are 256 levels whatever it is",
    "decoder": "av is PyAV; pydub runs ffmpeg; subband takes MP3 straight to the sample rate",
    "resampler": "resampy's filter of that name",
}
# Of s3fs, gcsfs, adlfs, …; "SSEKMSKeyId" names a key, it is none.
_SECRET = re.compile(
    r"secret|token|passw|credential|^key$|(access|account|private|api)_?key|sas_|SSECustomerKey$", re.IGNORECASE
)


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting of `Recipe`, with its default."""
    group = parser.add_argument_group("recipe: what decides which codes a track becomes")
    for field in dataclasses.fields(Recipe):
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=float if field.name == "mu" else type(field.default),
            choices=CHOICES.get(field.name),
            default=field.default,
            metavar=None if field.name in CHOICES else field.name.upper(),
            help=f"{_RECIPE_HELP[field.name]} (default: %(default)s)",
        )


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the options of `add_recipe_options` spell.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """
    return Recipe(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)})


def add_storage_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--storage-options``; its value becomes ``{"input": {...}, "output": {...}}``."""
    parser.add_argument(
        "--storage-options",
        type=_storage_options,
        default={"input": {}, "output": {}},
        metavar="JSON|@FILE",
        help='passed to fsspec: {"input": {...}, "output": {...}}; credentials only in a @FILE',
    )


def add_licence_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--licence``; its value is a filter for `fma_prep.dataset.licences.matches`, or None: all."""
    parser.add_argument(
        "--licence",
        type=wanted,
        metavar="LIST",
        help="only tracks under these licences, as in by,by-sa,cc0; an unknown licence matches none",
    )


def digitize_parser() -> argparse.ArgumentParser:
    """Return the parser of ``jobs/digitize.py``."""
    parser = argparse.ArgumentParser(
        prog="digitize.py",
        description="Turn a folder of audio into a mu-law training set. "
        "Run it again to go on where a run stopped, or to try failed reads again.",
    )
    parser.add_argument("input", metavar="INPUT", help="a folder, glob or file; here, s3://… or hdfs://…")
    parser.add_argument("output", metavar="OUTPUT", help="the folder of the dataset")
    add_recipe_options(parser)
    parser.add_argument("--master", help="where Spark runs (default: what spark-submit says, else local[*])")
    parser.add_argument("--partitions", type=_partitions, metavar="auto|N", help="how many shards (default: auto)")
    parser.add_argument(
        "--max-failed", type=_fraction, default=0.05, help="the run fails above this fraction (default: %(default)s)"
    )
    parser.add_argument(
        "--track-timeout",
        type=_positive,
        default=300.0,
        metavar="SECONDS",
        help="a track may take this long, and longer by its size (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what OUTPUT holds, once the new is whole")
    add_licence_option(parser)
    add_storage_option(parser)
    return parser


def finish(main: Callable[[], int | None]) -> NoReturn:
    """Run `main` and leave with the exit status that its result or error asks for.

    An error of ours becomes one line on standard error; a bug keeps its traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        status = main() or 0
    except FmaPrepError as e:
        print(f"{Path(sys.argv[0]).name}: {e}", file=sys.stderr)
        status = e.exit_status
    except KeyboardInterrupt:
        print(f"\n{Path(sys.argv[0]).name}: interrupted. The same command goes on where it was.", file=sys.stderr)
        status = 130
    sys.stdout.flush()
    sys.exit(status)


def _storage_options(text: str) -> dict[str, dict[str, Any]]:
    from_file = text.startswith("@")
    try:
        given = json.loads(Path(text[1:]).read_text("utf-8") if from_file else text)
    except OSError as e:
        raise argparse.ArgumentTypeError(f"cannot read {text[1:]}: {e.strerror}") from e
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"is not JSON: {e}") from e
    if not isinstance(given, dict) or not all(isinstance(part, dict) for part in given.values()):
        raise argparse.ArgumentTypeError('must be of the form {"input": {...}, "output": {...}}')
    if unknown := set(given) - {"input", "output"}:
        raise argparse.ArgumentTypeError(f"has only the parts input and output, not {', '.join(sorted(unknown))}")
    if not from_file and (secret := _secret_in(given)):
        raise argparse.ArgumentTypeError(
            f"{secret} would be seen by everyone who lists processes; put it into a @FILE, or use the standard chain"
        )
    return {"input": {}, "output": {}, **given}


def _secret_in(options: dict[str, Any]) -> str | None:
    """Return the first key, at any depth, that names a credential."""
    for name, value in options.items():
        if _SECRET.search(name):
            return name
        if isinstance(value, dict) and (found := _secret_in(value)):
            return found
    return None


def _partitions(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 100_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be auto or a number from 1 to 100000, not {text}")


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a fraction from 0 to 1, not {text}")
    return value


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return value
