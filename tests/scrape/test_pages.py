"""Both generations of markup, read from the fixture site's own pages and from pages made to hurt."""

import json
from contextlib import suppress
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.errors import ScrapeError
from fma_prep.scrape.fixture import FixtureSite, markup
from fma_prep.scrape.pages import Row, parse_listing, parse_track

HERE = "https://freemusicarchive.org/music/charts/all"
INFO = {
    "id": 223432,
    "handle": "oh-x",
    "url": "https://freemusicarchive.org/music/artist-x/album-y/oh-x/",
    "title": "Oh X",
    "artistName": "Artist X",
    "artistUrl": "https://freemusicarchive.org/music/artist-x/",
    "albumTitle": "Album Y",
    "playbackUrl": "https://freemusicarchive.org/track/oh-x/stream/",
    "downloadUrl": "https://freemusicarchive.org/track/oh-x/download/",
    "fileName": "oh-x.mp3",
    "fileUrl": "https://files.freemusicarchive.org/storage-freemusicarchive-org/tracks/x.mp3",
}


def row_of(info, **changes):
    text = info if isinstance(info, str) else json.dumps(info | changes)
    return f'<div class="play-item" data-track-info="{escape(text)}"></div>'


def test_a_row_of_the_current_site():
    assert parse_listing(row_of(INFO), HERE).rows == (
        Row(
            id=223432,
            title="Oh X",
            artist="Artist X",
            artist_id="artist-x",
            album="Album Y",
            page_url=INFO["url"],
            file_url=INFO["fileUrl"],
            stream_url=INFO["playbackUrl"],
        ),
    )


@pytest.mark.parametrize("generation", ["current", "old", "old-overlay"])
def test_every_generation_of_the_fixture_says_the_same(generation):
    site = FixtureSite(songs=12, generation=generation)
    site.url, site.files_url = "http://site", "http://files"
    html = markup.listing(site.catalogue[:5], 1, 1012, site, "/music/charts/all?")
    found = parse_listing(html, "http://site/music/charts/all")
    assert [r.id for r in found.rows] == [s.id for s in site.catalogue[:5]]
    assert [r.title for r in found.rows] == [s.title for s in site.catalogue[:5]]
    assert [r.page_url for r in found.rows] == [f"http://site{s.path}" for s in site.catalogue[:5]]
    assert (found.total, found.is_last, found.broken) == (1012, False, ())
    assert found.next_url == ("" if generation == "current" else "http://site/music/charts/all?page=2")
    files = {
        "current": "http://files/storage-freemusicarchive-org/tracks/2.mp3",
        "old": f"http://site/music/download/{2:040x}",
        "old-overlay": f"http://site/track/{site.song(0).handle}/download",
    }
    assert found.rows[0].file_url == files[generation]
    assert found.rows[3].album == ""  # a single
    page = parse_track(markup.track(site.song(0), site), "http://site/x")
    assert page.genres == site.song(0).genres  # and not the menu's
    assert (page.licence, page.licence_url) == (site.song(0).licence, site.song(0).licence_url)


def test_a_row_is_counted_once_and_two_styles_of_quoting_are_one():
    single = f"<div class=play-item data-track-info='{json.dumps(INFO)}'></div>"
    assert parse_listing(single + row_of(INFO), HERE).rows == parse_listing(row_of(INFO), HERE).rows


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({"id": 1}),
        json.dumps(INFO | {"id": "1"}),
        json.dumps(INFO | {"id": True}),
        json.dumps(INFO | {"id": -1}),
        json.dumps(INFO | {"id": 10**15}),
        json.dumps(INFO | {"url": "javascript:alert(1)"}),
        json.dumps(INFO | {"url": 5}),
        json.dumps(INFO | {"url": "http://[::1"}),
    ],
)
def test_a_bad_row_is_counted_and_the_others_live(bad):
    found = parse_listing(row_of(bad) + row_of(INFO), HERE)
    assert [r.id for r in found.rows] == [223432]
    assert len(found.broken) == 1


def test_relative_urls_are_joined_and_odd_schemes_are_dropped():
    changes = {
        "url": "//freemusicarchive.org/a/",
        "fileUrl": "file:///etc/passwd",
        "playbackUrl": "../../track/x/stream/",
    }
    (row,) = parse_listing(row_of(INFO, **changes), HERE).rows
    assert row.page_url == "https://freemusicarchive.org/a/"
    assert (row.file_url, row.stream_url) == ("", "https://freemusicarchive.org/track/x/stream/")


def test_text_is_one_line_of_printable_characters_that_utf8_has():
    hostile = "a\x00\x1b[31m\nb\u202e" + "\ud800" + "é" * 9999
    (row,) = parse_listing(row_of(INFO, title=hostile, albumTitle="-"), HERE).rows
    assert row.title.startswith("a[31m b")
    assert row.title.isprintable()
    assert len(row.title.encode()) < 1200
    assert row.album == ""


@pytest.mark.parametrize("piece", ["<div>", "<a ", "<a x=' >", "<![CDATA[", "<!--", "<?x ", "&", "<b></i>"])
def test_pages_made_to_keep_a_parser_busy_are_read_or_refused(piece):
    """The standard library's parser took 20 s for 12,000 of some of these, and far longer for more."""
    for count in (5_000, 500_000):
        with suppress(ScrapeError):
            parse_listing(piece * count + row_of(INFO), HERE)


@given(st.text(alphabet="<>/=\"' &;[]{}!-?divaclspy", max_size=200) | st.text(max_size=100))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused(html):
    for parse in (parse_listing, parse_track):
        with suppress(ScrapeError):
            parse(html, HERE)
