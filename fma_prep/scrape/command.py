"""The commands of this room: their options, what they do in order, and what they say in the end."""

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from fma_prep import __version__
from fma_prep.command import add_licence_option, add_storage_option
from fma_prep.dataset.storage import open_store
from fma_prep.errors import UsageError
from fma_prep.scrape.console import number, status, summary
from fma_prep.scrape.crawl import Wish, crawl, listing_url
from fma_prep.scrape.fetch import AGENT, Fetcher, Limits, Politeness
from fma_prep.scrape.fixture import FixtureSite
from fma_prep.scrape.lease import Lease
from fma_prep.scrape.progress import Progress

__all__ = ["scrape", "scrape_parser"]

_EMBEDDED_SONGS, _EMBEDDED_SECONDS, _EMBEDDED_BROKEN = 12, 5.0, (4, 9)
_CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|https?://\S+\.\S+")
_LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|localhost|::1")


def scrape_parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/scrape.py``."""
    parser = argparse.ArgumentParser(
        prog="scrape.py",
        description="Stage tracks of the Free Music Archive, politely, with their licences. Without --site it scrapes "
        "an embedded site of synthesised music. Run it again to go on where it stopped.",
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder to fill; here, s3://… or hdfs://…")
    parser.add_argument("--site", metavar="URL", help="the site; a live one needs --contact")
    parser.add_argument("--contact", metavar="WHO", help="your e-mail or URL, for the User-Agent")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--genre", action="append", metavar="HANDLE", help="as in Hip-Hop; may be given several times")
    what.add_argument("--chart", metavar="HANDLE", default="all", help="such as this-week (default: %(default)s)")
    parser.add_argument(
        "--limit", type=number(int, 1), metavar="N", help="how many tracks OUTPUT should hold of these in the end"
    )
    add_licence_option(parser)
    _add_politeness(parser)
    _add_limits(parser)
    parser.add_argument(
        "--retry-failed", action="store_true", help="ask again for tracks that failed for good or wanted a login"
    )
    add_storage_option(parser)
    return parser


def _add_politeness(parser: argparse.ArgumentParser) -> None:
    polite = parser.add_argument_group("politeness (robots.txt is always obeyed)")
    defaults = Politeness()
    nothing = "; 0 for the embedded site"
    polite.add_argument(
        "--delay", type=number(float, 0), metavar="S", help=f"between requests (default: {defaults.delay_s}{nothing})"
    )
    polite.add_argument(
        "--batch",
        type=number(int, 1),
        metavar="N",
        default=defaults.batch,
        help="songs between pauses (default: %(default)s)",
    )
    polite.add_argument(
        "--pause", type=number(float, 0), metavar="S", help=f"after a batch (default: {defaults.pause_s}{nothing})"
    )
    polite.add_argument(
        "--longest-wait", type=number(float, 0), metavar="S", default=defaults.longest_wait_s,
        help="if the site asks for a longer one, stop and say when to come back (default: %(default)s)",
    )  # fmt: skip


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    most = Limits()
    limits.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST",
        help="where files may lie besides the site and its files. host; may be given several times",
    )  # fmt: skip
    limits.add_argument(
        "--track-mb",
        type=number(float, 0.001),
        default=most.track_bytes / 1e6,
        help="largest track (default: %(default).0f)",
    )
    limits.add_argument(
        "--track-seconds",
        type=number(float, 0.001),
        default=most.track_s,
        help="longest download (default: %(default)s)",
    )
    limits.add_argument(
        "--max-failed",
        type=number(float, 0),
        default=0.05,
        help="the run fails above this fraction (default: %(default)s)",
    )


def scrape(arguments: Sequence[str] | None = None) -> int:
    """Scrape as the command line says; return the exit status.

    Raises
    ------
    FmaPrepError
        Nothing could be read, the site asks to be left alone, or the store refuses.
    """
    options = scrape_parser().parse_args(arguments)
    store = open_store(options.output, options.storage_options["output"], create=True)
    progress = Progress("scraping")
    with _site(options) as (url, hosts, contact, polite), closing(progress):
        limits = Limits(track_bytes=int(options.track_mb * 1e6), track_s=options.track_seconds)
        listings = [listing_url(url, genre=genre) for genre in options.genre or ()] or [
            listing_url(url, chart=options.chart)
        ]
        wish = Wish(tuple(dict.fromkeys(listings)), options.limit, options.licence, options.retry_failed)
        fetcher = Fetcher(hosts, f"{AGENT}/{__version__} (+{contact})", polite, limits, progress)
        with Lease(store) as lease, closing(fetcher):
            outcome = crawl(store, fetcher, wish, progress, lease)
    print(summary(outcome, store.uri))
    return status(outcome, options.max_failed)


@contextmanager
def _site(options: argparse.Namespace) -> Iterator[tuple[str, frozenset[str], str, Politeness]]:
    """Yield the site's address, the hosts that may be asked, who asks, and how politely."""
    if options.site is None:
        with FixtureSite(_EMBEDDED_SONGS, _EMBEDDED_SECONDS, _EMBEDDED_BROKEN) as site:
            yield site.url, site.hosts, "the embedded fixture site", _politeness(options, 0.0, 0.0)
        return
    parts = urlsplit(options.site)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("not a site", f"--site {options.site}", "Give its URL, as in https://freemusicarchive.org.")
    contact = options.contact or ""
    if contact and not (_CONTACT.fullmatch(contact) and contact.isascii() and contact.isprintable()):
        raise UsageError("neither an e-mail address nor a URL", f"--contact {contact}")
    if not contact and not _LOOPBACK.fullmatch(parts.hostname):
        why = "a live site must be able to reach you. Add --contact with your e-mail or URL"
        raise UsageError(
            why, f"--site {options.site}", "For bulk work, take the published data set: scripts/stage_fma.py."
        )
    bare = parts.netloc.rpartition("@")[2].removeprefix("www.")
    hosts = {bare, f"www.{bare}", f"files.{bare}", *options.allow_host}
    defaults = Politeness()
    yield (
        options.site,
        frozenset(hosts),
        contact or "loopback",
        _politeness(options, defaults.delay_s, defaults.pause_s),
    )


def _politeness(options: argparse.Namespace, delay_s: float, pause_s: float) -> Politeness:
    return Politeness(
        delay_s=delay_s if options.delay is None else options.delay,
        batch=options.batch,
        pause_s=pause_s if options.pause is None else options.pause,
        longest_wait_s=options.longest_wait,
    )
