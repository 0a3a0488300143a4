"""Politeness: every request of the scraper goes through here, and none goes out too soon, or where it may not.

One connection; a gap between requests, or the site's Crawl-delay if that is larger; a pause after each batch of songs;
robots.txt always obeyed (RFC 9309); Retry-After honoured; every redirect checked against the hosts that a person
allowed.
"""

import email.utils
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from protego import Protego

from fma_prep.scrape import pages
from fma_prep.scrape.mp3 import ends_in_mid_frame, looks_like_mp3
from fma_prep.scrape.progress import Progress
from fma_prep.scrape.transport import (
    Deadline,
    FetchError,
    LoginError,
    Response,
    StopError,
    TemporaryError,
    Transport,
    TruncatedError,
)

__all__ = ["AGENT", "Body", "Fetcher", "Limits", "Politeness"]

AGENT = "fma_prep"
_ROBOTS_BYTES = 512 * 1024
_ROBOTS_AGE_S = 24 * 3600.0
_HEAD_BYTES = 16384
_NEVER_AGAIN = {403: "we may not", 404: "there is no such page", 410: "it is gone for good"}
_LATER = (413, 429, 503)


@dataclass(frozen=True)
class Politeness:
    """How a site is treated; the defaults come to about 1,000 songs an hour."""

    delay_s: float = 1.0
    batch: int = 20
    pause_s: float = 30.0
    longest_wait_s: float = 300.0  # a site that asks for more is left alone
    attempts: int = 3
    backoff_s: float = 5.0  # before the second attempt; doubled before each further one


@dataclass(frozen=True)
class Limits:
    """What a hostile or broken server may cost us."""

    page_bytes: int = 4 << 20
    track_bytes: int = 512 << 20
    page_s: float = 60.0
    track_s: float = 900.0
    connect_s: float = 15.0
    silence_s: float = 30.0
    redirects: int = 5


@dataclass(frozen=True)
class Body:
    """A track that arrived whole."""

    url: str
    size_bytes: int
    sha256: str


class Fetcher:
    """The only one who talks to a site.

    Parameters
    ----------
    hosts : iterable of str
        ``host`` or ``host:port``: no other is ever asked.
    user_agent : str
    politeness, limits
    progress : Progress
        Shows waits and bytes.
    """

    def __init__(
        self,
        hosts: frozenset[str],
        user_agent: str,
        politeness: Politeness,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.politeness, self.limits = politeness, limits
        self._hosts, self._wait, self._received = hosts, progress.wait, progress.received
        loopback = all(h.startswith(("127.", "localhost", "[::1]")) for h in hosts)
        self._transport = Transport(user_agent, limits.connect_s, limits.silence_s, use_environment=not loopback)
        self._robots: dict[str, tuple[float, Protego]] = {}
        self._last_end: float | None = None
        self._songs = 0

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def page(self, url: str) -> tuple[str, str]:
        """Return the text of a page and the address it came from in the end.

        Raises
        ------
        FetchError
            It is not there, too large, or not a page. TemporaryError: another time it may be.
        StopError
            The site asks to be left alone.
        """
        deadline = Deadline(self.limits.page_s)
        for attempt in self._attempts():
            try:
                with self._open(url, {"Accept-Encoding": "gzip"}, deadline) as (final, response):
                    kind = response.headers.get("Content-Type", "text/html").split(";")[0].strip().lower()
                    if kind not in ("text/html", "application/xhtml+xml"):
                        raise FetchError(f"not a web page but {kind[:40]}", url)
                    text = b"".join(response.body(self.limits.page_bytes)).decode("utf-8", "replace")
                    return text, final
            except TemporaryError as error:
                self._again(attempt, error)
        raise AssertionError("the last attempt raises")

    def track(self, url: str, spool: BinaryIO) -> Body:
        """Write a track into the empty file `spool` as it arrives, and say what it was.

        A body that breaks off is continued where the server can do that, else begun again.

        Raises
        ------
        FetchError, StopError
            As for `page`; also what is not an MP3, and what is not whole.
        """
        if self._songs and self.politeness.batch and self._songs % self.politeness.batch == 0:
            self._wait(self.politeness.pause_s, "pause after a batch of songs")
        self._songs += 1
        download = _Download(spool)
        deadline = Deadline(self.limits.track_s)
        for attempt in self._attempts():
            try:
                with self._open(url, download.headers(), deadline) as (final, response):
                    download.receive(response, self.limits.track_bytes, self._received)
                return download.finish(final)
            except TemporaryError as error:
                self._again(attempt, error)
        raise AssertionError("the last attempt raises")

    def _attempts(self) -> Iterator[int]:
        yield from range(1, max(1, self.politeness.attempts) + 1)

    def _again(self, attempt: int, error: TemporaryError) -> None:
        """Wait before the next attempt, or raise the error of the last."""
        if attempt >= self.politeness.attempts:
            raise error
        self._wait(self.politeness.backoff_s * 2 ** (attempt - 1), f"trying again: {error.problem}")

    @contextmanager
    def _open(self, url: str, headers: dict[str, str], deadline: Deadline) -> Iterator[tuple[str, Response]]:
        """Follow redirects, each checked, to a reply with a body: status 200, 206 or 416."""
        for _ in range(self.limits.redirects + 1):
            self._check_host(url)
            delay_s = self._obey_robots(url)
            following = ""
            with self._exchange(url, headers, deadline, delay_s) as response:
                if response.status in (301, 302, 303, 307, 308):
                    following = _follow(url, response)
                elif _check_status(url, response):
                    yield url, response
                    return
            url = following
        raise FetchError(f"more than {self.limits.redirects} redirects", url)

    @contextmanager
    def _exchange(self, url: str, headers: dict[str, str], deadline: Deadline, delay_s: float) -> Iterator[Response]:
        """Make one request at its time, and again after as long as the server says, if it says so."""
        for asked in range(1, 6):
            if self._last_end is not None:
                self._sleep_until(self._last_end + delay_s)
            try:
                with self._transport.get(url, headers, deadline) as response:
                    if response.status not in _LATER:
                        yield response
                        return
                    wait_s = self._retry_after(url, response, asked)
            finally:
                self._last_end = time.monotonic()
            self._wait(wait_s, f"{urlsplit(url).hostname} asks us to wait")
        raise StopError("the site keeps asking us to wait", url, "Come back in an hour, with a longer --delay.")

    def _sleep_until(self, moment: float) -> None:
        while (left_s := moment - time.monotonic()) > 0:
            time.sleep(left_s)

    def _retry_after(self, url: str, response: Response, asked: int) -> float:
        told_s = _seconds(response.headers.get("Retry-After", ""))
        wait_s = self.politeness.backoff_s * 2**asked if told_s is None else told_s
        if wait_s > self.politeness.longest_wait_s:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + min(wait_s, 1e9)))
            wish = f"the site asks us to wait {wait_s:.0f} s (status {response.status})"
            raise StopError(wish, url, f"Come back after {when}: the same command goes on where it was.")
        return wait_s

    def _check_host(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise FetchError("not an address", url) from error
        if parts.scheme not in ("http", "https") or parts.username is not None:
            raise FetchError("only http and https are followed", url)
        host = f"[{host}]" if ":" in host else host
        if (f"{host}:{port}" if port else host) not in self._hosts:
            raise FetchError("another host, which is not allowed", url, f"If you trust it: --allow-host {host}.")

    def _obey_robots(self, url: str) -> float:
        """Return the delay before a request for `url`, or raise FetchError if robots.txt forbids it."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        fetched, robots = self._robots.get(origin, (0.0, None))
        if robots is None or time.monotonic() - fetched > _ROBOTS_AGE_S:
            robots = self._fetch_robots(origin)
            self._robots[origin] = (time.monotonic(), robots)
        if not robots.can_fetch(url, AGENT):
            raise FetchError("robots.txt forbids it", url)
        rate = robots.request_rate(AGENT)
        asked_s = max(robots.crawl_delay(AGENT) or 0.0, rate.seconds / rate.requests if rate and rate.requests else 0.0)
        if asked_s > self.politeness.longest_wait_s:
            raise StopError(f"robots.txt asks for {asked_s:g} s between requests", origin, "Do not scrape this site.")
        return max(self.politeness.delay_s, asked_s)

    def _fetch_robots(self, origin: str) -> Protego:
        """Return the rules of a host (RFC 9309, 2.3.1): 4xx is no rules, 5xx or no answer is "keep out"."""
        url, encoding, deadline = f"{origin}/robots.txt", {"Accept-Encoding": "gzip"}, Deadline(self.limits.page_s)
        try:
            for _ in range(self.limits.redirects + 1):
                self._check_host(url)
                with self._exchange(url, encoding, deadline, self.politeness.delay_s) as response:
                    if response.status >= 500:
                        raise TemporaryError(f"status {response.status}", url)
                    if response.status in (301, 302, 303, 307, 308):
                        url = _follow(url, response)
                        continue
                    text = _first(response.body(1 << 40), _ROBOTS_BYTES) if response.status == 200 else b""
                    return Protego.parse(text.decode("utf-8", "replace"))
        except FetchError as error:
            problem = f"its robots.txt cannot be read ({error.problem}), which means: keep out"
            raise StopError(problem, origin, "Try again later.") from error
        return Protego.parse("")  # more than five redirects: as if there were none (RFC 9309, 2.3.1.2)


class _Download:
    """A track in the making: bytes so far, their hash, and how to go on."""

    def __init__(self, spool: BinaryIO) -> None:
        self._spool = spool
        self._may_continue = True
        self._validator = ""
        self._restart()

    def _restart(self) -> None:
        self._spool.seek(0)
        self._spool.truncate()
        self._hash, self._size_bytes, self._head, self._has_length = hashlib.sha256(), 0, b"", False

    def headers(self) -> dict[str, str]:
        """Return the headers of the next attempt; compressed MP3 would be larger, so none is asked for."""
        plain = {"Accept-Encoding": "identity"}
        if self._size_bytes and self._validator and self._may_continue:
            return plain | {"Range": f"bytes={self._size_bytes}-", "If-Range": self._validator}
        self._restart()
        return plain

    def receive(self, response: Response, limit_bytes: int, received: Callable[[int], None]) -> None:
        """Take in one reply, as far as it goes."""
        if response.status == 416 or (response.status == 206 and not self._continues(response)):
            self._may_continue = False
            raise TruncatedError("the server cannot go on where it stopped")
        if response.status == 200:
            self._restart()  # to a Range request too: it is the whole again
            kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
            if kind.startswith(("text/", "application/xhtml", "application/json")):
                _refuse(b"".join(response.body(1 << 20)), kind)
        self._has_length = response.has_length
        self._validator = _validator(response)
        for piece in response.body(limit_bytes - self._size_bytes):
            if self._size_bytes < _HEAD_BYTES:
                self._head = (self._head + piece)[:_HEAD_BYTES]
                if len(self._head) == _HEAD_BYTES and not looks_like_mp3(self._head):
                    _refuse(self._head, "something else")
            self._spool.write(piece)
            self._hash.update(piece)
            self._size_bytes += len(piece)
            received(len(piece))

    def finish(self, url: str) -> Body:
        """Check what arrived; the file is left at its beginning."""
        if not self._size_bytes:
            raise TruncatedError("the body is empty", url)
        if not looks_like_mp3(self._head):
            _refuse(self._head, "something else")
        if not self._has_length and ends_in_mid_frame(self._spool):
            self._may_continue = False
            raise TruncatedError("the body ended early: in the middle of an MP3 frame, and no length was told", url)
        self._spool.seek(0)
        return Body(url, self._size_bytes, self._hash.hexdigest())

    def _continues(self, response: Response) -> bool:
        return response.headers.get("Content-Range", "").startswith(f"bytes {self._size_bytes}-")


def _validator(response: Response) -> str:
    """Return what names this very version of a file in If-Range: a strong ETag or a date (RFC 9110, 13.1.5)."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _refuse(head: bytes, kind: str) -> None:
    text = head.decode("utf-8", "replace")
    if "<html" in text.lower() or "<!doctype" in text.lower() or "html" in kind:
        if pages.is_login(text):
            raise LoginError("not an MP3 but a web page that asks to log in")
        raise FetchError("not an MP3 but a web page")
    raise FetchError(f"not an MP3 but {kind}")


def _follow(url: str, response: Response) -> str:
    target = urljoin(url, response.headers.get("Location", ""))
    if not response.headers.get("Location"):
        raise FetchError("a redirect to nowhere", url)
    try:
        path = urlsplit(target).path
    except ValueError as error:
        raise FetchError("a redirect to nowhere", url) from error
    if path.rstrip("/").endswith("/login"):
        raise LoginError("it wants a login", url)
    if url.startswith("https:") and target.startswith("http:"):
        raise FetchError("a redirect from https to http", url)
    return target


def _check_status(url: str, response: Response) -> bool:
    if response.status in (200, 206, 416):
        return True
    if response.status == 401:
        raise LoginError("it wants a login (status 401)", url)
    if response.status >= 500:
        raise TemporaryError(f"the server failed (status {response.status})", url)
    raise FetchError(f"{_NEVER_AGAIN.get(response.status, 'the server refused')} (status {response.status})", url)


def _first(pieces: Iterator[bytes], limit_bytes: int) -> bytes:
    """Return the beginning of a body: of robots.txt, what is beyond 500 kB need not be read (RFC 9309, 2.5)."""
    text = b""
    for piece in pieces:
        text += piece
        if len(text) >= limit_bytes:
            break
    return text[:limit_bytes]


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); None if it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None
