"""What a scrape must leave behind, the same in every store: a test's body, for the local disk, S3 and HDFS alike."""

import json

import pytest

from fma_prep.dataset import provenance
from fma_prep.dataset.storage import open_store
from fma_prep.errors import RunError
from fma_prep.scrape.command import scrape
from fma_prep.scrape.fixture import FixtureSite
from fma_prep.scrape.lease import Lease


def ledger_of(store, site):
    """Return the ledger's entries, but for times and for the ports of this run."""
    lines = [json.loads(line) for line in store.read("_ledger.jsonl").splitlines()]
    for line in lines:
        line.pop("fetched_at")
        for key in ("page_url", "file_url"):
            line[key] = (line[key] or "").replace(site.url, "SITE").replace(site.files_url, "FILES")
    return lines


def contents(store):
    """Return every file of a store but the ledger."""
    return {e.path: store.read(e.path) for e in store.list() if e.path != "_ledger.jsonl"}


def scrapes_as_onto_the_local_disk(uri, options, tmp_path):
    """Scrape into `uri` by halves, beside an undisturbed run onto the local disk; compare, and try to come second.

    Parameters
    ----------
    uri : str
        An OUTPUT that does not exist yet.
    options : dict
        For the store's fsspec class.
    tmp_path : Path
    """
    (tmp_path / "options.json").write_text(json.dumps({"output": options}))
    stored = ["--storage-options", f"@{tmp_path / 'options.json'}"]
    with FixtureSite(songs=8, seconds=0.3) as site:
        site.troubles[site.song(3).id] = "login-redirect"
        polite = ["--site", site.url, "--allow-host", site.files_url.removeprefix("http://"), "--delay=0", "--pause=0"]
        assert scrape([str(tmp_path / "local"), *polite]) == 0
        before = dict(site.files_sent)
        assert scrape([uri, *polite, *stored, "--limit=3"]) == 0
        store, local = open_store(uri, options), open_store(str(tmp_path / "local"))
        with Lease(store), pytest.raises(RunError, match=r"another scraper \(process"):
            scrape([uri, *polite, *stored])
        assert len(provenance.load(store)) == 3
        assert scrape([uri, *polite, *stored]) == 0
        assert contents(store) == contents(local)
        assert ledger_of(store, site) == ledger_of(local, site)
        assert {path: known["bytes"] for path, known in provenance.load(store).items()} == {
            path: len(content) for path, content in contents(store).items()
        }
        assert dict(site.files_sent) == {song: 2 * times for song, times in before.items()}
