"""The command as a person runs it: words, numbers and exit statuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fma_prep.dataset import provenance
from fma_prep.dataset.storage import open_store
from fma_prep.errors import UsageError
from fma_prep.scrape.command import scrape
from tests.scrape.store_runs import scrapes_as_onto_the_local_disk

ROOT = Path(__file__).parents[2]


def told(site):
    hosts = ["--site", site.url, "--allow-host", site.files_url.removeprefix("http://")]
    return [*hosts, "--delay", "0", "--pause", "0"]


def test_the_same_run_on_the_local_disk(tmp_path):
    scrapes_as_onto_the_local_disk(str(tmp_path / "music"), {}, tmp_path)


def test_a_licence_filter_says_what_it_skipped(site, tmp_path, capsys):
    assert scrape([str(tmp_path / "m"), *told(site), "--licence", "by,cc0"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 tracks (0.0 MB) staged in file://")
    assert "skipped 1: licence not wanted: FMA-Limited: Download Only" in out
    assert scrape([str(tmp_path / "m"), *told(site), "--licence", "by,cc0"]) == 0
    pages = [r.path for r in site.requests if r.path.startswith("/music/") and "charts" not in r.path]
    assert len(pages) == 6, "what is known not to be wanted is not looked up again"
    assert scrape([str(tmp_path / "m"), *told(site), "--licence", "by,cc0,by-sa"]) == 0
    assert len(provenance.load(open_store(str(tmp_path / "m")))) == 3


def test_a_limit_counts_what_is_there(site, tmp_path):
    for _ in range(2):
        assert scrape([str(tmp_path / "m"), *told(site), "--limit", "2"]) == 0
    assert sum(site.files_sent.values()) == 2


def test_genres_are_listings(site, tmp_path):
    genres = sorted({g for s in site.catalogue for g in s.genres})[:2]
    assert scrape([str(tmp_path / "m"), *told(site), "--genre", genres[0], "--genre", genres[1]]) == 0
    wanted = {s.id for s in site.catalogue if set(genres) & set(s.genres)}
    assert {known["id"] for known in provenance.load(open_store(str(tmp_path / "m"))).values()} == wanted


def test_too_many_failures_fail_the_run(site, tmp_path, capsys):
    site.troubles[site.song(1).id] = "file-gone"
    assert scrape([str(tmp_path / "m"), *told(site)]) == 1
    assert "failed 007/007921.mp3: there is no such page (status 404)" in capsys.readouterr().out
    assert scrape([str(tmp_path / "m"), *told(site), "--max-failed", "0.5"]) == 0
    site.troubles.clear()
    assert scrape([str(tmp_path / "m"), *told(site), "--retry-failed"]) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--site", "https://freemusicarchive.org"], "a live site must be able to reach you"),
        (["--site", "https://freemusicarchive.org", "--contact", "me"], "neither an e-mail address nor a URL"),
        (["--site", "https://freemusicarchive.org", "--contact", "a@b.c\r\nX: y"], "neither an e-mail address"),
        (["--site", "ftp://x"], "not a site"),
        (["--site", "http://127.0.0.1.evil.example/"], "a live site must be able to reach you"),
        (["--licence", "by,gpl"], "not a licence filter"),
    ],
)
def test_bad_usage_is_told(arguments, problem, tmp_path):
    with pytest.raises(UsageError, match=problem):
        scrape([str(tmp_path / "m"), *arguments])


@pytest.mark.slow
def test_the_script_scrapes_the_embedded_site(tmp_path):
    command = [sys.executable, "scripts/scrape.py", tmp_path / "m", "--limit", "3"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"3 tracks \(0\.\d MB\) staged in file:///.*/m\n", ran.stdout)
    bad = subprocess.run(
        [*command, "--limit", "0"], capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert bad.returncode == 2
