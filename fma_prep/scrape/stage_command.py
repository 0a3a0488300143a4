"""The commands that stage what is there already: the published data set, and a person's own folder."""

import argparse
import posixpath
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from fma_prep.command import add_licence_option, add_storage_option
from fma_prep.dataset.storage import Store, list_input, open_store, refuse_inside
from fma_prep.dataset.uri import parse
from fma_prep.errors import UsageError
from fma_prep.scrape.archives import Archive, check_archive, read_metadata
from fma_prep.scrape.console import number, status, summary
from fma_prep.scrape.fetch import Limits
from fma_prep.scrape.folder import items, read_table
from fma_prep.scrape.lease import Lease
from fma_prep.scrape.ledger import Ledger
from fma_prep.scrape.progress import Progress
from fma_prep.scrape.staging import Item, stage

__all__ = ["stage_fma", "stage_fma_parser", "stage_folder", "stage_folder_parser"]


def stage_fma_parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/stage_fma.py``."""
    parser = argparse.ArgumentParser(
        prog="stage_fma.py",
        description="Stage the tracks of a zip of the FMA data set (github.com/mdeff/fma), each checked by its sha1. "
        "Run it again to go on where it stopped.",
    )
    parser.add_argument("zip", metavar="ZIP", help="fma_small.zip or another; here, s3://… or hdfs://…")
    parser.add_argument(
        "--metadata", metavar="FILE", help="fma_metadata.zip, or tracks.csv: licence, artist, genres, split"
    )
    parser.add_argument(
        "--check-archive", action="store_true", help="first compare the zip itself with its published sha1"
    )
    parser.add_argument("--limit", type=number(int, 1), metavar="N", help="only the first N tracks by id")
    _add_common(parser)
    return parser


def stage_folder_parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/stage_folder.py``."""
    parser = argparse.ArgumentParser(
        prog="stage_folder.py",
        description="Stage a folder of your own audio, with its licences. Run it again to go on where it stopped.",
    )
    parser.add_argument("source", metavar="SOURCE", help="a folder, glob or file; here, s3://… or hdfs://…")
    parser.add_argument("--metadata", metavar="CSV", help="columns path, title, artist, genres (a;b), licence, split …")
    parser.add_argument("--licence-is", metavar="LICENCE", help="of all tracks without one: a URL, a title or SPDX")
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="OUTPUT", help="the folder to fill; here, s3://… or hdfs://…")
    add_licence_option(parser)
    parser.add_argument(
        "--workers", type=number(int, 1), default=4, metavar="N", help="how many at once (default: %(default)s)"
    )
    most_mb = Limits().track_bytes / 1e6
    parser.add_argument(
        "--track-mb", type=number(float, 0.001), default=most_mb, help="largest track (default: %(default).0f)"
    )
    parser.add_argument(
        "--max-failed",
        type=number(float, 0),
        default=0.05,
        help="the run fails above this fraction (default: %(default)s)",
    )
    add_storage_option(parser)


def stage_fma(arguments: Sequence[str] | None = None) -> int:
    """Stage a zip as the command line says; return the exit status.

    Raises
    ------
    FmaPrepError
        The zip or its metadata is not what it should be, or a store refuses.
    """
    options = stage_fma_parser().parse_args(arguments)
    source, name = _file(options.zip, options)
    if options.check_archive:
        check_archive(source, name)
    metadata = read_metadata(*_file(options.metadata, options)) if options.metadata else {}
    with closing(Archive(source, name, int(options.track_mb * 1e6))) as archive:
        return _run(options, archive.items(metadata, options.limit))


def stage_folder(arguments: Sequence[str] | None = None) -> int:
    """Stage a folder as the command line says; return the exit status.

    Raises
    ------
    FmaPrepError
        There is nothing in it, its table is not what it should be, or a store refuses.
    """
    options = stage_folder_parser().parse_args(arguments)
    refuse_inside(options.output, options.source)
    source, tracks, others = list_input(options.source, options.storage_options["input"])
    table: dict[str, dict[str, Any]] = {}
    if options.metadata:
        store, name = _file(options.metadata, options)
        table = read_table(store.read(name).decode("utf-8-sig", "replace"), store.name(name))
        strangers = table.keys() - {track.path for track in tracks}
        if strangers:
            problem = f"{len(strangers)} paths in it are no tracks of SOURCE, such as {min(strangers)}"
            raise UsageError(problem, store.name(name), "Paths are relative to SOURCE.")
    result = _run(options, items(source, tracks, table, options.licence_is))
    if others:
        print(f"  {len(others)} other files were left, such as {others[0]!r}")
    return result


def _run(options: argparse.Namespace, found: Iterable[Item]) -> int:
    store = open_store(options.output, options.storage_options["output"], create=True)
    with closing(Progress("staging")) as progress, Lease(store) as lease:
        outcome = stage(found, Ledger(store, lease), progress, options.licence, options.workers)
    print(summary(outcome, store.uri))
    return status(outcome, options.max_failed)


def _file(uri: str, options: argparse.Namespace) -> tuple[Store, str]:
    """Return the store of a file's folder, and its name."""
    location = parse(uri)
    folder, name = posixpath.split(location.path)
    if not name:
        raise UsageError("not a file", uri)
    return open_store(str(location.at(folder)), options.storage_options["input"]), name
