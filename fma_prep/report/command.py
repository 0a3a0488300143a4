"""The command line of ``scripts/report.py``."""

import argparse
import tempfile
import webbrowser
from pathlib import Path

from fma_prep.command import add_storage_option
from fma_prep.dataset.storage import open_store
from fma_prep.report.page import make_page

__all__ = ["REPORT", "main", "parser"]

REPORT = "_report.html"


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/report.py``."""
    p = argparse.ArgumentParser(
        prog="report.py", description="Make one self-contained HTML page from a dataset's manifest and shards."
    )
    p.add_argument("output", metavar="OUTPUT", help="the dataset; here, s3://… or hdfs://…")
    p.add_argument("--to", type=Path, metavar="FILE", help=f"where the page goes (default: {REPORT} in the dataset)")
    p.add_argument("--open", action="store_true", help="show it in a browser")
    p.add_argument(
        "--excerpts", type=int, default=3, metavar="N", help="tracks to show and play (default: %(default)s)"
    )
    add_storage_option(p)
    return p


def main(arguments: list[str] | None = None) -> None:
    """Make the page, and print where it is.

    Raises
    ------
    FmaPrepError
        If there is no dataset, or the page cannot be written.
    """
    options = parser().parse_args(arguments)
    store = open_store(options.output, options.storage_options["output"])
    page = make_page(store, options.storage_options["input"], options.excerpts).encode("utf-8", "replace")
    local: Path | None = options.to
    if local is not None:
        local.write_bytes(page)
    else:
        store.write(REPORT, page)
        if store.scheme == "file":
            local = Path(options.output.removeprefix("file://")) / REPORT
    print(f"Report: {local.resolve() if local else store.name(REPORT)}")
    if options.open:
        if local is None:
            with tempfile.NamedTemporaryFile(suffix=".html", delete=False) as file:
                file.write(page)
            local = Path(file.name)
        webbrowser.open(local.resolve().as_uri())
