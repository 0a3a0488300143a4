"""One HTTP exchange with limits that hold against a hostile server: time in all, decoded bytes, no cookies, no
passwords.

`requests` limits the silence between two bytes only, and decodes whatever a server compressed. Here a watchdog closes
the connection when its time is up, and compressed bytes are decoded in small steps that are counted.
"""

import contextlib
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fma_prep.errors import ScrapeError

__all__ = [
    "Deadline",
    "FetchError",
    "LoginError",
    "Response",
    "StopError",
    "TemporaryError",
    "Transport",
    "TruncatedError",
]

_CHUNK_BYTES = 1 << 18
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class FetchError(ScrapeError):
    """This address is of no use, and asking again will not change that."""


class LoginError(FetchError):
    """Only for those who are logged in, which we are not."""


class TemporaryError(FetchError):
    """This address did not answer as it should; it may another time."""


class TruncatedError(TemporaryError):
    """A body ended early."""


class StopError(ScrapeError):
    """The site asks to be left alone for now."""


class Deadline:
    """A moment after which nothing is waited for, however many requests it takes.

    Parameters
    ----------
    limit_s : float
        From now.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s, self._end = limit_s, time.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """How long it is until then."""
        return max(0.0, self._end - time.monotonic())

    def check(self, url: str) -> None:
        """Raise FetchError if it is past."""
        if not self.left_s:
            raise FetchError(f"took longer than the limit of {self._limit_s:g} s", url)


class Response:
    """A reply whose body is read in limited steps."""

    def __init__(self, reply: requests.Response, deadline: Deadline) -> None:
        self._reply, self._deadline = reply, deadline
        self.status, self.headers = reply.status_code, reply.headers
        length = self.headers.get("Content-Length", "")
        self.promised_bytes = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None

    @property
    def has_length(self) -> bool:
        """Whether the end of the body can be told from a broken connection."""
        return self.promised_bytes is not None or self.headers.get("Transfer-Encoding", "").lower() == "chunked"

    def body(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield the decoded body.

        Raises
        ------
        FetchError
            It is larger than `limit_bytes`, takes longer than it may, or is encoded in a way that was not asked for.
        TruncatedError
            It ended before it was whole; what had arrived was yielded.
        """
        if (self.promised_bytes or 0) > limit_bytes:
            raise FetchError(f"larger than the limit of {limit_bytes / 1e6:.0f} MB", self._reply.url)
        total = 0
        for piece in self._decoded():
            total += len(piece)
            if total > limit_bytes:
                raise FetchError(f"larger than the limit of {limit_bytes / 1e6:.0f} MB", self._reply.url)
            yield piece

    def _decoded(self) -> Iterator[bytes]:
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding in ("identity", ""):
            yield from self._raw()
        elif encoding in ("gzip", "x-gzip", "deflate"):
            yield from _inflate(self._raw(), self._reply.url)
        else:
            raise FetchError(f"encoded as {encoding[:20]!r}, which was not asked for", self._reply.url)

    def _raw(self) -> Iterator[bytes]:
        received = 0
        try:
            while chunk := self._reply.raw.read1(_CHUNK_BYTES, decode_content=False):
                received += len(chunk)
                yield chunk
        except urllib3.exceptions.ReadTimeoutError as error:
            self._deadline.check(self._reply.url)
            raise TruncatedError("the body stopped coming", self._reply.url) from error
        except _NETWORK_ERRORS as error:
            self._deadline.check(self._reply.url)
            raise TruncatedError("the body ended early", self._reply.url) from error
        self._deadline.check(self._reply.url)
        if self.promised_bytes is not None and received < self.promised_bytes:
            missing = f"{received} of {self.promised_bytes} bytes came"
            raise TruncatedError(f"the body ended early: {missing}", self._reply.url)


def _inflate(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Decode gzip or deflate without ever holding more than a step of it: 48 kB may stand for 50 MB."""
    decoder = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _CHUNK_BYTES)
                rest = decoder.unconsumed_tail
        while not decoder.eof and (more := decoder.decompress(decoder.unconsumed_tail, _CHUNK_BYTES)):
            yield more
    except zlib.error as error:
        raise FetchError("its compression is broken", url) from error
    if not decoder.eof:
        raise TruncatedError("the body ended early", url)


class Transport:
    """A session of one connection at a time.

    Parameters
    ----------
    user_agent : str
    connect_s, silence_s : float
        Longest wait for a connection, and between two bytes.
    use_environment : bool
        Honour the proxies of the environment; not for loopback.
    """

    def __init__(self, user_agent: str, connect_s: float, silence_s: float, use_environment: bool) -> None:
        self._timeout = (connect_s, silence_s)
        self._sockets: WeakSet[socket.socket] = WeakSet()  # a connection forgets its own while a body is read
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.auth = lambda request: request  # else a password in ~/.netrc would be sent
        self._session.trust_env = use_environment
        adapter = _Adapter(self._sockets.add)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @contextlib.contextmanager
    def get(self, url: str, headers: dict[str, str], deadline: Deadline) -> Iterator[Response]:
        """Ask for `url`, following nothing."""
        deadline.check(url)
        # A byte now and then resets every other timeout: so a watchdog ends the connection.
        watchdog = threading.Timer(deadline.left_s, self._hang_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            with self._send(
                url, headers, deadline
            ) as reply:  # leaving it ends a connection that was not read to its end
                yield Response(reply, deadline)
        finally:
            watchdog.cancel()

    def _send(self, url: str, headers: dict[str, str], deadline: Deadline) -> requests.Response:
        try:
            return self._session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=self._timeout)
        except requests.exceptions.InvalidURL as error:
            raise FetchError("not an address", url) from error
        except _NETWORK_ERRORS as error:
            deadline.check(url)
            raise TemporaryError(f"no answer ({_reason(error)})", url) from error

    def _hang_up(self) -> None:
        for connected in tuple(self._sockets):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


class _Adapter(HTTPAdapter):
    """An adapter that tells of each socket it opens, so that the watchdog can reach it."""

    def __init__(self, register: Callable[[socket.socket], None]) -> None:
        self._register = register
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._register)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._register)
        return manager


def _pools(register: Callable[[socket.socket], None]) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            register(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            register(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _reason(error: BaseException) -> str:
    """Return the innermost reason in a few words; the outer ones are about objects of urllib3."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
