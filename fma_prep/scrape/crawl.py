"""From listings to a staged folder, resumable at every track.

The way of a track: a row of a listing, its own page (for licence and genres), its file into a local spool, its entry
in the ledger, its file in the store. Nothing here knows of HTTP (`fetch`), of markup (`pages`) or of files (`ledger`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fma_prep.dataset.licences import matches, spdx
from fma_prep.dataset.storage import Store
from fma_prep.errors import ScrapeError
from fma_prep.scrape import pages
from fma_prep.scrape.fetch import Fetcher
from fma_prep.scrape.lease import Lease
from fma_prep.scrape.ledger import Ledger, entry, path_of, spool
from fma_prep.scrape.pages import Listing, Row
from fma_prep.scrape.progress import Progress
from fma_prep.scrape.transport import FetchError, LoginError, TemporaryError

__all__ = ["Outcome", "Wish", "crawl", "listing_url"]

_PAGE_SIZES = (20, 200)  # what the site offers, from and to
_MOST_PAGES = 1000
_GIVE_UP_AFTER = 5


@dataclass(frozen=True)
class Wish:
    """What a person wants scraped.

    Parameters
    ----------
    listings : tuple of str
        URLs of genre and chart pages.
    limit : int or None
        How many tracks OUTPUT should hold of these listings in the end, those that are there included.
    licences : frozenset or None
        As `fma_prep.dataset.licences.wanted` returns it.
    """

    listings: tuple[str, ...]
    limit: int | None = None
    licences: frozenset[str] | None = None
    retry_failed: bool = False
    most_pages: int = _MOST_PAGES


@dataclass
class Outcome:
    """What came of it."""

    staged: int = 0
    staged_bytes: int = 0
    there: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)  # path -> why
    broken_rows: int = 0

    def count(self, state: str, path: str, reason: str) -> None:
        """Count a track that is not there. One behind a login is no failure of ours."""
        if state in ("skipped", "locked"):
            self.skipped[reason] += 1
        else:
            self.failed[path] = reason

    @property
    def failed_fraction(self) -> float:
        """Failed ones among all that were wanted."""
        return len(self.failed) / max(1, len(self.failed) + self.staged + self.there)


def listing_url(site: str, *, genre: str = "", chart: str = "") -> str:
    """Return the address of a genre's or chart's listing."""
    root = site.rstrip("/")
    return f"{root}/genre/{quote(genre, safe='')}/" if genre else f"{root}/music/charts/{quote(chart, safe='')}"


def crawl(store: Store, fetcher: Fetcher, wish: Wish, progress: Progress, lease: Lease) -> Outcome:
    """Stage what is wished for; go on where an earlier run stopped.

    Raises
    ------
    ScrapeError
        The site is not what it should be, asks to be left alone, or is down. What was staged stays.
    StorageError
        The store does not take it.
    """
    outcome = Outcome()
    ledger = Ledger(store, lease)
    try:
        _stage_all(fetcher, wish, progress, ledger, outcome)
    finally:
        ledger.fold()
    return outcome


def _stage_all(fetcher: Fetcher, wish: Wish, progress: Progress, ledger: Ledger, outcome: Outcome) -> None:
    progress.expect(wish.limit)
    in_vain = 0
    for row in _rows(fetcher, wish, progress, outcome):
        if wish.limit is not None and outcome.staged + outcome.there >= wish.limit:
            return
        state = _settled(ledger, row, wish, outcome) or _stage(fetcher, wish, ledger, row, outcome)
        if state == "done" or wish.limit is None:
            progress.track()
        if state in ("failed", "unreachable"):
            progress.note(f"track {row.id} {state}: {ledger.entries[path_of(row.id)]['reason']}")
        in_vain = in_vain + 1 if state == "unreachable" else 0
        if in_vain >= _GIVE_UP_AFTER:
            last = ledger.entries[path_of(row.id)]["reason"]
            down = f"{in_vain} tracks in a row could not be had, the last because: {last}"
            raise ScrapeError(down, row.page_url, "Try again later: the same command goes on where it was.")


def _settled(ledger: Ledger, row: Row, wish: Wish, outcome: Outcome) -> str:
    """Return the state of a track that needs no request, or an empty string."""
    path = path_of(row.id)
    if ledger.has(path):
        outcome.there += 1
        return "done"
    old = ledger.entries.get(path, {})
    state, reason = str(old.get("state")), str(old.get("reason"))
    unwanted = state == "skipped" and not matches(_licence(old), wish.licences)
    hopeless = state in ("failed", "locked") and not wish.retry_failed
    if unwanted or hopeless:
        outcome.count(state, path, reason)
        return state
    return ""


def _state_after(error: FetchError) -> str:
    if isinstance(error, LoginError):
        return "locked"
    return "unreachable" if isinstance(error, TemporaryError) else "failed"


def _stage(fetcher: Fetcher, wish: Wish, ledger: Ledger, row: Row, outcome: Outcome) -> str:
    """Fetch one track and its page; return the state of its entry."""
    path = path_of(row.id)
    facts = _facts(row)
    try:
        facts, file_url = _look_up(fetcher, row)
        if not matches(_licence(facts), wish.licences):
            reason = f"licence not wanted: {_licence(facts) or facts['licence'] or facts['licence_url'] or 'unknown'}"
            ledger.note(entry(path, "skipped", **facts | {"reason": reason}))
            outcome.count("skipped", path, reason)
            return "skipped"
        with spool() as body:
            arrived = fetcher.track(file_url, body)
            found = {"file_url": arrived.url, "bytes": arrived.size_bytes, "sha256": arrived.sha256}
            ledger.stage(entry(path, "done", **facts | found), body)
    except FetchError as error:
        state = _state_after(error)
        ledger.note(entry(path, state, **facts | {"reason": error.problem}))
        outcome.count(state, path, error.problem)
        return state
    outcome.staged += 1
    outcome.staged_bytes += arrived.size_bytes
    return "done"


def _look_up(fetcher: Fetcher, row: Row) -> tuple[dict[str, Any], str]:
    """Open a track's page; return what is known now, and where its file may be."""
    html, url = fetcher.page(row.page_url)
    try:
        page = pages.parse_track(html, url)
    except ScrapeError as error:
        raise FetchError(error.problem, url) from error
    own = page.row if page.row and page.row.id == row.id else row
    facts = _facts(row) | {
        "genres": list(page.genres or row.genres),
        "licence": page.licence or None,
        "licence_url": page.licence_url or None,
    }
    # The stream redirects to the file, so it is one request more.
    file_url = row.file_url or own.file_url or row.stream_url or own.stream_url
    if not file_url:
        raise LoginError("the page links to no file, as it does where one must log in")
    return facts, file_url


def _facts(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title or None,
        "artist": row.artist or None,
        "artist_id": row.artist_id or None,
        "album": row.album or None,
        "genres": list(row.genres),
        "page_url": row.page_url,
    }


def _licence(found: dict[str, Any]) -> str | None:
    return spdx(found.get("licence_url")) or spdx(found.get("licence"))


def _rows(fetcher: Fetcher, wish: Wish, progress: Progress, outcome: Outcome) -> Iterator[Row]:
    """Yield each track once, over all listings."""
    seen: set[int] = set()
    for start in wish.listings:
        for listing in _pages(fetcher, start, wish, progress):
            outcome.broken_rows += len(listing.broken)
            if wish.limit is None and len(wish.listings) == 1:
                progress.expect(listing.total)
            for row in listing.rows:
                if row.id not in seen:
                    seen.add(row.id)
                    yield row


def _pages(fetcher: Fetcher, start: str, wish: Wish, progress: Progress) -> Iterator[Listing]:
    """Yield the pages of one listing, to its end: a last or empty page, one without anything new, or too many."""
    seen: set[int] = set()
    size = min(max(wish.limit or _PAGE_SIZES[1], _PAGE_SIZES[0]), _PAGE_SIZES[1])
    url = _with_query(start, page=1, pageSize=size)
    for number in range(1, wish.most_pages + 1):
        listing = _listing(fetcher, url, number)
        for broken in listing.broken:
            progress.note(f"page {number}: {broken}")
        yield listing
        ids = {row.id for row in listing.rows}
        if listing.is_last or (ids <= seen and not listing.broken):
            return
        seen |= ids
        url = listing.next_url or _with_query(start, page=number + 1, pageSize=size)
    progress.note(f"stopped after {wish.most_pages} pages of {start}")


def _listing(fetcher: Fetcher, url: str, number: int) -> Listing:
    html, final = fetcher.page(url)
    listing = pages.parse_listing(html, final)
    if number == 1 and not listing.rows and listing.total != 0:
        problem = "no track was understood on this page, though it is the first"
        if listing.broken:
            problem += f" ({listing.broken[0]})"
        raise ScrapeError(problem, url, "Its layout may have changed: please report it.")
    return listing


def _with_query(url: str, **numbers: int) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name: str(n) for name, n in numbers.items()}
    return urlunsplit(parts._replace(query=urlencode(query)))
