"""SIGKILL at twenty-four moments, then the same command: the same tracks and ledger, and none whole fetched twice."""

import multiprocessing
import signal

import pytest

from fma_prep.dataset.storage import open_store
from fma_prep.scrape.command import scrape
from fma_prep.scrape.fixture import FixtureSite
from tests.scrape.killed import scrape_until
from tests.scrape.store_runs import contents, ledger_of

SONGS = 6
# Requests: robots.txt, listing, a page, robots.txt of the other host, a file; then a page and a file a song.
MOMENTS = [
    *(("request", n) for n in (1, 2, 3, 5, 6, 8, 11, 15)),
    *(("half a file", n) for n in (0, 2, 4, 5)),
    # Operations: a claim twice, an entry and a track a song, the ledger, six entries deleted, the claim deleted.
    *(("before operation", n) for n in (1, 2, 3, 8, 13, 14, 15, 20)),
    *(("after operation", n) for n in (2, 3, 14, 18)),
]


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.scrape.killed"])
    return context


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with FixtureSite(songs=SONGS, seconds=0.3) as site:
        folder = str(tmp_path_factory.mktemp("undisturbed"))
        assert scrape([folder, *told(site)]) == 0
        store = open_store(folder)
        return contents(store), ledger_of(store, site)


def told(site):
    return ["--site", site.url, "--allow-host", site.files_url.removeprefix("http://"), "--delay=0", "--pause=0"]


def run(processes, site, folder, moment=("", 0)):
    """Run a scraper to its end, or to that moment; return its exit code."""
    kind, number = moment
    operation = number if "operation" in kind else 0
    arguments = ([folder, *told(site)], operation, kind.startswith("after"))
    child = processes.Process(target=scrape_until, args=arguments)

    def on_request(_):
        if kind == "request" and len(site.requests) == number:
            child.kill()
            child.join()

    def on_half(song):
        if kind == "half a file" and song == site.song(number):
            child.kill()
            child.join()

    site.on_request, site.on_half = on_request, on_half
    child.start()
    child.join(30)
    site.on_request = site.on_half = None
    return child.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m[0]} {m[1]}")
def test_killed_and_finished(moment, processes, undisturbed, tmp_path):
    folder = str(tmp_path / "music")
    with FixtureSite(songs=SONGS, seconds=0.3) as site:
        # 255 where two threads waited for the process, and the other one got to read its status
        assert run(processes, site, folder, moment) in (-signal.SIGKILL, 255)
        store, asked = open_store(folder), dict(site.files_sent)
        whole = {path for path, content in contents(store).items() if undisturbed[0].get(path) == content}
        assert not [p for p in contents(store) if p[0].isdigit() and ".tmp" not in p and p not in whole], (
            "a part, as a whole"
        )
        assert run(processes, site, folder) == 0
        assert contents(store) == undisturbed[0]
        assert ledger_of(store, site) == undisturbed[1]
        again = {song.id for song in site.catalogue if site.files_sent[song.id] > asked.get(song.id, 0)}
        complete = {song.id for song in site.catalogue if f"{song.id // 1000:03d}/{song.id:06d}.mp3" in whole}
        assert again == {song.id for song in site.catalogue} - complete
        assert sum(n > 1 for n in site.files_sent.values()) <= 1, "more than the track in flight was lost"
        assert max(site.files_sent.values()) <= 2
