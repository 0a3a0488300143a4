"""Every row of bad input that a scraper of this kind meets, against the fixture site, with what the person is told."""

import pytest

from fma_prep.errors import ScrapeError
from fma_prep.scrape.crawl import listing_url
from fma_prep.scrape.fixture.files import TROUBLES

SMALL = {"page_bytes": 1 << 20, "track_bytes": 1 << 20, "page_s": 9.0, "track_s": 9.0}
HASTY = SMALL | {"track_s": 0.4, "silence_s": 0.3}

# trouble -> state of its entry, and why; "done" has no reason
OUTCOMES = {
    "no-file-url": ("done", None),
    "file-url-on-page": ("done", None),
    "relative-urls": ("done", None),
    "protocol-relative": ("done", None),
    "hostile-names": ("done", None),
    "server-error-once": ("done", None),
    "cut-once": ("done", None),
    "cut-once-no-range": ("done", None),
    "cut-once-416": ("done", None),
    "unsaid": ("done", None),
    "page-deep": ("done", None),
    "login-row": ("locked", "the page links to no file, as it does where one must log in"),
    "login-page": ("locked", "not an MP3 but a web page that asks to log in"),
    "login-page-as-mp3": ("locked", "not an MP3 but a web page that asks to log in"),
    "web-page": ("failed", "not an MP3 but a web page"),
    "login-redirect": ("locked", "it wants a login"),
    "unauthorised": ("locked", "it wants a login (status 401)"),
    "forbidden": ("failed", "we may not (status 403)"),
    "file-gone": ("failed", "there is no such page (status 404)"),
    "page-gone": ("failed", "there is no such page (status 404)"),
    "page-bomb": ("failed", "larger than the limit of 1 MB"),
    "page-endless": ("failed", "larger than the limit of 1 MB"),
    "not-audio": ("failed", "not an MP3 but something else"),
    "file-on-another-host": ("failed", "another host, which is not allowed"),
    "file-of-another-scheme": ("locked", "the page links to no file, as it does where one must log in"),
    "redirect-loop": ("failed", "more than 5 redirects"),
    "redirect-to-another-host": ("failed", "another host, which is not allowed"),
    "redirect-to-another-scheme": ("failed", "only http and https are followed"),
    "endless": ("failed", "larger than the limit of 1 MB"),
    "bomb": ("failed", "larger than the limit of 1 MB"),
    "too-large": ("failed", "larger than the limit of 1 MB"),
    "drip": ("failed", "took longer than the limit of 0.4 s"),
    "silent": ("failed", "took longer than the limit of 0.4 s"),
    "empty": ("unreachable", "the body is empty"),
    "server-error": ("unreachable", "the server failed (status 500)"),
    "cut": ("unreachable", "the body ended early"),
    "cut-unsaid": ("unreachable", "the body ended early: in the middle of an MP3 frame, and no length was told"),
    "cut-chunked": ("unreachable", "the body ended early"),
}


def test_every_trouble_of_the_fixture_has_its_outcome():
    assert set(OUTCOMES) | {"broken-json", "missing-keys"} == set(TROUBLES)


@pytest.mark.parametrize("site", [{"songs": 3}], indirect=True)
@pytest.mark.parametrize("trouble", OUTCOMES)
def test_one_bad_track(trouble, site, room):
    bad = site.song(1)
    site.troubles[bad.id] = trouble
    outcome, progress = room.scrape(limits=HASTY if trouble in ("drip", "silent") else SMALL)
    state, reason = OUTCOMES[trouble]
    entry = room.entry(bad)
    assert entry["state"] == state
    assert (entry["reason"] or "").startswith(reason or "")
    assert bool(entry["reason"]) == bool(reason)
    done = {s.id: s.mp3() for s in site.catalogue if s is not bad or state == "done"}
    assert sorted(room.tracks().values()) == sorted(done.values())  # whole, or not there
    assert outcome.staged == len(done)
    assert sum(outcome.skipped.values()) == (state == "locked")
    assert len(outcome.failed) == (state in ("failed", "unreachable"))
    assert [reason in text for text in progress.said] == [True] * len(outcome.failed)
    asked = site.files_sent[bad.id]
    if state in ("failed", "locked"):
        assert asked <= 6  # redirects; and no second attempt
        room.scrape(limits=SMALL)
        assert site.files_sent[bad.id] == asked, "what failed for good was asked for again"
    if state == "unreachable":
        site.troubles.clear()
        outcome, _ = room.scrape(limits=SMALL)
        assert (outcome.staged, outcome.there) == (1, 2)


def test_a_cut_body_is_continued_and_not_begun_again(site, room):
    site.troubles[site.song(0).id] = "cut-once"
    room.scrape()
    ranges = [r.headers.get("Range") for r in site.requests if r.path.endswith(f"/{site.song(0).id}.mp3")]
    assert ranges == [None, f"bytes={len(site.song(0).mp3()) // 2}-"]


def test_hostile_names_reach_neither_file_names_nor_lines(site, room):
    bad = site.song(2)
    site.troubles[bad.id] = "hostile-names"
    room.scrape()
    assert all(path.replace("/", "").replace(".mp3", "").isdigit() for path in room.tracks())
    lines = room.store.read("_ledger.jsonl").decode().splitlines()
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)
    assert room.entry(bad)["artist"] == "CON"


@pytest.mark.parametrize("trouble", ["broken-json", "missing-keys"])
def test_a_broken_row_is_skipped_counted_and_told(trouble, site, room):
    site.troubles[site.song(1).id] = trouble
    outcome, progress = room.scrape()
    assert (outcome.staged, outcome.broken_rows) == (5, 1)
    assert len(progress.said) == 1
    assert "page 1: a row" in progress.said[0]


PAGINGS = [
    {"songs": 25, "seconds": 0.1, "most_rows": 10, "paging": paging} for paging in ("honest", "repeats", "twice")
]


@pytest.mark.slow
@pytest.mark.parametrize("site", PAGINGS, indirect=True)
def test_pages_end_however_the_site_pages(site, room):
    outcome, _ = room.scrape()
    assert outcome.staged == 25
    assert max(site.files_sent.values()) == 1


@pytest.mark.parametrize("generation", ["old", "old-overlay"])
def test_the_older_site_pages_by_links(generation, site, room):
    site.generation = generation
    outcome, _ = room.scrape()
    assert outcome.staged == 6
    assert room.entry(site.song(0))["genres"] == list(site.song(0).genres)


@pytest.mark.parametrize("site", [{"songs": 6, "most_rows": 4, "paging": "endless"}], indirect=True)
def test_endless_pages_end_at_a_cap(site, room):
    outcome, progress = room.scrape(most_pages=3)
    assert outcome.staged == 6  # the songs of the pages it invents have no page of their own
    listings = [r for r in site.requests if "/charts/" in r.path]
    assert len(listings) == 3
    assert progress.said[-1] == f"stopped after 3 pages of {site.url}/music/charts/all"


@pytest.mark.parametrize("site", [{"layout": "new"}], indirect=True)
def test_a_new_layout_is_an_error_and_not_nothing(site, room):
    with pytest.raises(ScrapeError) as caught:
        room.scrape()
    page = f"{site.url}/music/charts/all?page=1&pageSize=200"
    problem = "no track was understood on this page, though it is the first"
    assert str(caught.value) == f"{page}: {problem}. Its layout may have changed: please report it."


def test_an_unknown_genre_is_told(site, room):
    with pytest.raises(
        ScrapeError, match=r"/genre/Polka%2F\.\./\?page=1&pageSize=200: there is no such page \(status 404\)"
    ):
        room.scrape(listings=(listing_url(site.url, genre="Polka/.."),))


def test_a_site_that_is_down_is_told_and_left(site, room):
    site.troubles = {s.id: "server-error" for s in site.catalogue}
    with pytest.raises(ScrapeError, match=r"5 tracks in a row could not be had, the last because: the server failed"):
        room.scrape()
    assert len(room.ledger) == 5
