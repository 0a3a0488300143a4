"""The page: everything in the manifest that a person must know, and nothing that a hostile name could do."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from fma_prep.audio import mulaw
from fma_prep.dataset.storage import open_store
from fma_prep.errors import NotFoundError
from fma_prep.report import command
from fma_prep.report.page import make_page
from tests.report.datasets import HOSTILE


class Parsed(HTMLParser):
    """What a browser would see: elements with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(dataset):
    return make_page(open_store(str(dataset)))


@pytest.fixture(scope="module")
def page(html):
    return Parsed(html)


def manifest(dataset):
    return [json.loads(line) for line in (dataset / "_manifest.jsonl").read_text().splitlines()]


def test_names_every_failed_track_with_its_reason(dataset, page):
    failed = [line for line in manifest(dataset) if line["status"] == "failed"]
    assert {line["track"] for line in failed} == {"cut.mp3", "page.mp3"}
    for line in failed:
        assert line["track"] in page.text
        assert line["reason"] in page.text


def test_names_silent_clipped_and_duplicate_tracks(page):
    assert "Silent (every code is the one for zero): 1silent.wav" in re.sub(r"\n", "", page.text)
    assert re.search(r"Duplicates \(files with the same bytes\): 1\s*copy.mp3 the same bytes as loud.mp3", page.text)


def test_a_hostile_name_is_text(page):
    assert HOSTILE in page.text
    assert len(page.all("script")) == 1


def test_needs_no_network(html, page):
    for _, attributes in page.elements:
        for name in ("src", "href", "data", "action", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in html
    assert "url(http" not in html


def test_its_security_policy_allows_its_own_script_only(html, page):
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_ids_are_unique_and_every_link_arrives(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= set(ids)
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert named <= set(ids)


def test_pictures_and_players_have_names(page):
    assert all(image.get("alt") for image in page.all("img"))
    assert all(player.get("aria-label") for player in page.all("audio"))
    assert len(page.all("audio")) == 3
    assert len(page.all("img")) == 6


def test_its_snippets_read_the_dataset(dataset, page, html):
    without = re.search(r"Without it:.*?<code>(.*?)</code>", html, re.DOTALL)[1]
    code = without.replace("&#39;", "'").replace("&#34;", '"').replace("&gt;", ">")
    seen = {}
    exec(code + '\n            seen[track["track"]] = codes', {"seen": seen})  # noqa: S102  # as a reader would paste it
    for line in manifest(dataset):
        if line["status"] == "done":
            assert hashlib.sha256(seen[line["track"]].tobytes()).hexdigest() == line["codes_sha256"]


def test_its_snippet_decodes_the_codes(html):
    code = re.search(r"From codes to samples:.*?<code>(.*?)</code>", html, re.DOTALL)[1]
    seen = {"codes": np.arange(256, dtype=np.uint8), "numpy": np}
    exec(code, seen)  # noqa: S102  # as a reader would paste it
    np.testing.assert_allclose(seen["x"], mulaw.decode(seen["codes"], 255, "nearest"), atol=1e-6)


def test_names_title_artist_and_licence_of_what_it_plays(page):
    assert "Loud <i>, by A & B, CC0-1.0" in page.text


@pytest.mark.slow
def test_says_when_the_sources_are_gone(dataset, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    records = list((copy / "_commits").iterdir())
    for path in records:
        path.write_text(path.read_text().replace('"input": "', '"input": "/nowhere'))
    text = make_page(open_store(str(copy)))
    assert text.count("The source cannot be shown") == 3


@pytest.mark.slow
def test_an_unfinished_dataset_is_called_so(dataset, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    (copy / "_SUCCESS").unlink()
    assert "Not finished." in make_page(open_store(str(copy)), excerpts=0)


def test_what_is_no_dataset_is_an_error_that_says_so(tmp_path):
    with pytest.raises(NotFoundError, match="holds no manifest"):
        make_page(open_store(str(tmp_path)))


@pytest.mark.slow
def test_the_command_puts_the_page_into_the_dataset(dataset, capsys):
    command.main([str(dataset), "--excerpts", "0"])
    said = capsys.readouterr().out
    assert said == f"Report: {dataset / '_report.html'}\n"
    (dataset / "_report.html").unlink()


def test_a_dataset_of_failures_only_has_a_page(tmp_path):
    from tests.report.datasets import make_dataset

    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "page.mp3").write_bytes(b"<html>")
    text = make_page(open_store(str(make_dataset(tmp_path / "tracks", tmp_path / "dataset", 0.5))))
    assert "page.mp3" in text
    assert "Not finished." in text
