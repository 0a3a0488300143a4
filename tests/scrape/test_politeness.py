"""Politeness, measured where it matters: at the server."""

import itertools
import time

import pytest

from fma_prep.errors import ScrapeError
from fma_prep.scrape.progress import Progress
from fma_prep.scrape.transport import StopError
from tests.scrape.conftest import Told

HOUR_AHEAD = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7200))


class Patient(Told):
    """Keeps what it is told, and does sleep."""

    wait = Progress.wait

    def __init__(self):
        super().__init__()
        self.paused = []

    def _write(self, text):
        self.paused.append(text)


def gaps(requests):
    return [b.time - a.time for a, b in itertools.pairwise(requests)]


def test_no_two_requests_are_closer_than_the_delay_whatever_the_host(site, room):
    room.scrape(politeness={"delay_s": 0.05}, limit=3)
    assert len(site.requests) == 2 + 1 + 3 * 2  # two robots.txt, one listing, three pages and files
    assert min(gaps(site.requests)) >= 0.05
    assert {r.headers["User-Agent"] for r in site.requests} == {"fma_prep/test (+t@example.org)"}
    assert len({r.client for r in site.requests}) == 2, "one connection a host"
    assert not any("Cookie" in r.headers or "Authorization" in r.headers for r in site.requests)


def test_a_pause_follows_each_batch_of_songs(site, room):
    room.scrape(progress=Patient(), politeness={"batch": 2, "pause_s": 0.2})
    arrivals = [r for r in site.requests if r.host == "files" and r.path != "/robots.txt"]
    assert [gap >= 0.2 for gap in gaps(arrivals)] == [False, True, False, True, False]


def test_robots_txt_comes_first_on_each_host_and_once(site, room):
    room.scrape()
    for host in ("site", "files"):
        paths = [r.path for r in site.requests if r.host == host]
        assert paths.index("/robots.txt") == 0
        assert paths.count("/robots.txt") == 1


def test_the_larger_delay_wins(site, room):
    site.robots = "User-agent: *\nCrawl-delay: 0.08\n"
    room.scrape(politeness={"delay_s": 0.01}, limit=2)
    for host in ("site", "files"):
        assert min(gaps([r for r in site.requests if r.host == host])) >= 0.08


@pytest.mark.parametrize("rules", ["User-agent: *\nDisallow: /", "User-agent: fma_prep\nDisallow: /music/charts/"])
def test_what_robots_txt_forbids_is_not_asked(rules, site, room):
    site.robots = rules
    with pytest.raises(ScrapeError, match=r"/music/charts/all\?page=1&pageSize=200: robots.txt forbids it"):
        room.scrape()
    assert [r.path for r in site.requests] == ["/robots.txt"]


def test_a_forbidden_file_fails_and_says_so(site, room):
    site.robots = "User-agent: *\nDisallow: /storage-freemusicarchive-org/\n"
    outcome, _ = room.scrape()
    assert set(outcome.failed.values()) == {"robots.txt forbids it"}
    assert not site.files_sent


@pytest.mark.parametrize("site", [{"robots_status": 500}], indirect=True)
def test_a_broken_robots_txt_means_keep_out(site, room):
    with pytest.raises(StopError, match=r"its robots.txt cannot be read \(status 500\), which means: keep out"):
        room.scrape()
    assert {r.path for r in site.requests} == {"/robots.txt"}


@pytest.mark.parametrize("site", [{"robots_status": 404}], indirect=True)
def test_no_robots_txt_means_come_in(site, room):
    outcome, _ = room.scrape()
    assert outcome.staged == 6


def test_a_crawl_delay_beyond_patience_stops(site, room):
    site.robots = "User-agent: *\nCrawl-delay: 86400\n"
    with pytest.raises(StopError, match=r"robots\.txt asks for 86400 s between requests"):
        room.scrape()


@pytest.mark.slow
def test_retry_after_is_honoured_at_a_burst(site, room):
    site.burst, site.retry_after = 4, "1"
    outcome, _ = room.scrape(progress=Patient(), politeness={"backoff_s": 9})
    assert outcome.staged == 6
    for host in ("site", "files"):
        times = [r.time for r in site.requests if r.host == host and r.path != "/robots.txt"]
        assert any(b - a >= 1.0 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(("header", "waits"), [("7", [7.0]), ("", [0.02]), ("soon", [0.02]), ("-5", [0.02])])
def test_what_retry_after_may_say(header, waits, site, room):
    site.retry_after, site.refuse = header, {site.song(0).path: 1}
    outcome, progress = room.scrape(limit=1)
    assert outcome.staged == 1
    assert [seconds for seconds, why in progress.waits if "asks us to wait" in why] == waits


@pytest.mark.parametrize("header", ["301", "9" * 400, HOUR_AHEAD], ids=["seconds", "centuries", "a date"])
def test_a_longer_wait_than_ours_stops_and_says_when_to_come_back(header, site, room):
    site.retry_after, site.refuse = header, {site.song(2).path: 1}
    with pytest.raises(StopError, match=r"asks us to wait \d+ s \(status 503\)\. Come back after 20..-"):
        room.scrape()
    assert len(room.tracks()) == 2, "what was staged before stays"
    outcome, _ = room.scrape()
    assert (outcome.there, outcome.staged) == (2, 4)


def test_a_site_that_never_has_time_is_left(site, room):
    site.refuse = {site.song(0).path: 100}
    with pytest.raises(StopError, match="the site keeps asking us to wait"):
        room.scrape()
