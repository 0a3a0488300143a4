"""HTML in, rows out: pure, and of a mind that every page is hostile.

Both generations of the Free Music Archive's markup are read. The current site carries JSON in an attribute of each row;
the older one (2009-2018, still met in archived copies) spreads a row over spans. Each row shows which of the two it is.
"""

import json
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag, XMLParsedAsHTMLWarning

from fma_prep.errors import ScrapeError

__all__ = ["Listing", "TrackPage", "Row", "is_login", "parse_listing", "parse_track"]

_LONGEST_TEXT = 500  # characters of a title that are kept
_MOST_TAGS = 60_000  # a listing of 200 rows has some thousands
_LARGEST_ID = 10**12
_OLD_ID = re.compile(r"tid-(\d{1,12})")
_LOGIN_FORM = re.compile(r"type=[\"']?password|action=[\"']?[^\"' >]{0,200}/login", re.IGNORECASE)
_HANDLE = re.compile(r"/music/([^/]+)/?")
_LICENCES = (
    'a[rel~="license"][href], a[href*="creativecommons.org/licenses/"], a[href*="creativecommons.org/publicdomain/"]'
)


@dataclass(frozen=True)
class Row:
    """A track as a page names it. URLs are absolute; what the page does not say is empty."""

    id: int
    title: str = ""
    artist: str = ""
    artist_id: str = ""
    album: str = ""
    genres: tuple[str, ...] = ()
    page_url: str = ""
    file_url: str = ""
    stream_url: str = ""  # redirects to the file


@dataclass(frozen=True)
class Listing:
    """One page of a genre or chart."""

    rows: tuple[Row, ...]
    broken: tuple[str, ...] = ()  # why a row was not understood, one sentence a row
    total: int | None = None  # tracks in the whole listing, if the page says
    is_last: bool = False
    next_url: str = ""  # of the older site; the current one counts pages


@dataclass(frozen=True)
class TrackPage:
    """What a track's own page adds."""

    row: Row | None
    licence: str = ""  # as the page calls it
    licence_url: str = ""
    genres: tuple[str, ...] = ()


def parse_listing(html: str, url: str) -> Listing:
    """Read a genre or chart page.

    Parameters
    ----------
    html : str
    url : str
        Where it came from; relative links are joined to it.

    Raises
    ------
    ScrapeError
        The page cannot be parsed at all. A row that cannot is in ``broken``.
    """
    soup = _soup(html, url)
    rows: dict[int, Row] = {}
    broken: list[str] = []
    for item in soup.select(".play-item"):
        try:
            row = _row(item, url)
        except ValueError as error:
            broken.append(str(error))
        else:
            rows.setdefault(row.id, row)
    _, last, total = _counts(soup)
    following = soup.find("a", string=re.compile(r"^\s*NEXT\b"))
    return Listing(
        rows=tuple(rows.values()),
        broken=tuple(broken),
        total=total,
        is_last=total is not None and last is not None and last >= total,
        next_url=_link(following, "href", url),
    )


def parse_track(html: str, url: str) -> TrackPage:
    """Read a track's own page; ``row`` is None where it names no track.

    Raises
    ------
    ScrapeError
        The page cannot be parsed at all.
    """
    soup = _soup(html, url)
    row = None
    for item in soup.select("[data-track-info], .play-item"):
        try:
            found = _row(item, url)
        except ValueError:
            continue
        row = row or found
        if row.id == found.id and not row.file_url:
            row = replace(row, file_url=found.file_url)
    licence = soup.select_one(_LICENCES)
    links = (a for a in soup.select('a[href*="/genre/"]') if not a.find_parent(["nav", "header", "footer"]))
    genres = dict.fromkeys(_text(a) for a in links)
    return TrackPage(
        row=row,
        licence=_text(licence),
        licence_url=_link(licence, "href", url),
        genres=tuple(g for g in genres if g),
    )


def is_login(html: str) -> bool:
    """Say whether a page asks to log in, so that a person can be told that instead of "not an MP3"."""
    return bool(_LOGIN_FORM.search(html[:200_000]))


def _soup(html: str, url: str) -> BeautifulSoup:
    """Parse in bounded time: the standard library's parser would take hours for a megabyte of ``<a <a <a``."""
    if html.count("<") > _MOST_TAGS:
        raise ScrapeError("this page is too large to be one of the archive's", url, "Its layout may have changed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # it is what a page may look like
            return BeautifulSoup("\n" + html.replace("\0", ""), "lxml")  # a line without "<" is taken for a file name
    except (RecursionError, AssertionError, ValueError) as error:
        raise ScrapeError("this page cannot be parsed", url, "Its layout may have changed.") from error


def _row(item: Tag, url: str) -> Row:
    if item.has_attr("data-track-info"):
        return _current_row(_attribute(item, "data-track-info"), url)
    return _old_row(item, url)


def _current_row(text: str, url: str) -> Row:
    try:
        info: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a row's JSON is broken: {text[:60]!r}") from error
    if not isinstance(info, dict) or not _is_id(info.get("id")):
        raise ValueError(f"a row has no usable id: {text[:60]!r}")
    page_url = _join(url, info.get("url"))
    if not page_url:
        raise ValueError(f"track {info['id']} has no page")
    album = _clean(info.get("albumTitle"))
    return Row(
        id=info["id"],
        title=_clean(info.get("title")),
        artist=_clean(info.get("artistName")),
        artist_id=_handle(_join(url, info.get("artistUrl"))),
        album="" if album == "-" else album,
        page_url=page_url,
        file_url=_join(url, info.get("fileUrl")),
        stream_url=_join(url, info.get("playbackUrl")),  # downloadUrl wants a login, so it is not even kept
    )


def _old_row(item: Tag, url: str) -> Row:
    found = _OLD_ID.search(" ".join(item.get_attribute_list("class")))
    if not found or not _is_id(int(found[1])):
        raise ValueError("a row names no track id")
    artist, track, album = (item.select_one(f"span.ptxt-{name} a[href]") for name in ("artist", "track", "album"))
    page_url = _link(track, "href", url)
    if not page_url:
        raise ValueError(f"track {found[1]} has no page")
    download = item.select_one("span.playicn a.icn-arrow[href], a.icn-arrow.js-download[data-url], a.icn-arrow[href]")
    overlay = _link(download, "data-url", url).removesuffix("Overlay")
    genres = dict.fromkeys(_text(a) for a in item.select("span.ptxt-genre a"))
    return Row(
        id=int(found[1]),
        title=_text(track),
        artist=_text(artist),
        artist_id=_handle(_link(artist, "href", url)),
        album=_text(album),
        genres=tuple(g for g in genres if g),
        page_url=page_url,
        file_url=overlay or _not_login(_link(download, "href", url)),
    )


def _counts(soup: BeautifulSoup) -> tuple[int | None, int | None, int | None]:
    """Return first, last and number of all items of "from 1 to 20 of 35"; Nones if the page does not say."""
    box = soup.select_one("div.pagination-full")
    numbers = re.findall(r"\d[\d,]{0,11}", box.get_text(" ") if box else "")
    if len(numbers) < 3:
        return None, None, None
    first, last, total = (int(n.replace(",", "")) for n in numbers[:3])
    return first, last, total


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_ID


def _clean(value: object) -> str:
    """Return text on one line, without control characters; pages hold anything."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    text = text.encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair, and no file takes it
    return "".join(c for c in text if c.isprintable())[:_LONGEST_TEXT]


def _text(tag: Tag | None) -> str:
    return _clean(tag.get_text(" ")) if tag else ""


def _attribute(tag: Tag, name: str) -> str:
    value = tag.get(name, "")
    return value if isinstance(value, str) else " ".join(value or [])


def _link(tag: Any, name: str, url: str) -> str:
    return _join(url, _attribute(tag, name)) if isinstance(tag, Tag) else ""


def _join(url: str, link: object) -> str:
    """Return an absolute http or https URL, or an empty string: other schemes are no links to us."""
    text = _clean(link) if isinstance(link, str) and len(link) < 4000 else ""
    try:
        joined = urljoin(url, text) if text else ""
        parts = urlsplit(joined)
        return joined if parts.scheme in ("http", "https") and parts.hostname else ""
    except ValueError:
        return ""


def _not_login(url: str) -> str:
    return "" if urlsplit(url).path.rstrip("/").endswith("/login") else url


def _handle(artist_url: str) -> str:
    found = _HANDLE.fullmatch(urlsplit(artist_url).path) if artist_url else None
    return _clean(found[1]) if found else ""
