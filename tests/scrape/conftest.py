"""A fixture site, and a scraper in this process that is told to hurry."""

import pytest

from fma_prep.dataset.provenance import read_ledger
from fma_prep.dataset.storage import open_store
from fma_prep.scrape.crawl import Wish, crawl, listing_url
from fma_prep.scrape.fetch import Fetcher, Limits, Politeness
from fma_prep.scrape.fixture import FixtureSite
from fma_prep.scrape.lease import Lease
from fma_prep.scrape.progress import Progress

SONG_SECONDS = 0.3  # of 128 to 256 kbit/s: about 8 kB


class Told(Progress):
    """Keeps what it is told, shows nothing, and never sleeps."""

    def __init__(self):
        super().__init__("scraping")
        self.said, self.waits = [], []

    def wait(self, seconds, why):
        self.waits.append((seconds, why))

    def note(self, text):
        self.said.append(text)


class Room:
    """A store, and a function that scrapes into it."""

    def __init__(self, site, folder):
        self.site, self.store = site, open_store(str(folder), create=True)

    def scrape(self, limits=None, politeness=None, progress=None, **wish):
        """Return the outcome and what was said; entries of the ledger are in `ledger`."""
        progress = progress or Told()
        polite = Politeness(**{"delay_s": 0, "pause_s": 0, "backoff_s": 0.01, **(politeness or {})})
        fetcher = Fetcher(self.site.hosts, "fma_prep/test (+t@example.org)", polite, Limits(**(limits or {})), progress)
        wish.setdefault("listings", (listing_url(self.site.url, chart="all"),))
        try:
            with Lease(self.store) as lease:
                return crawl(self.store, fetcher, Wish(**wish), progress, lease), progress
        finally:
            fetcher.close()

    @property
    def ledger(self):
        return read_ledger(self.store)

    def entry(self, song):
        return next(e for e in self.ledger.values() if e["id"] == song.id)

    def tracks(self):
        """Return the bytes of each track by path."""
        return {e.path: self.store.read(e.path) for e in self.store.list() if not e.path.startswith("_")}


@pytest.fixture
def site(request):
    """A site of six songs, or as the test's parameters say."""
    with FixtureSite(**{"songs": 6, "seconds": SONG_SECONDS, **getattr(request, "param", {})}) as site:
        yield site
    assert not site.errors


@pytest.fixture
def room(site, tmp_path):
    return Room(site, tmp_path / "music")
