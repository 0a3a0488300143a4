"""Where a store is: a URI, parsed once, here, not by fsspec: it takes `s3:/b/k` for a local path, and cuts names."""

import os
import re
from dataclasses import dataclass

from fma_prep.errors import UsageError

__all__ = ["Location", "has_scheme", "parse", "refuse_inside"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ALIASES = {"s3a": "s3"}
_HDFS = ("hdfs", "viewfs")
# What fsspec has that is not a place of its own, or is the local disk under another name.
_NOT_A_PLACE = frozenset(
    "local asynclocal asyncwrapper simplecache filecache blockcache cached zip tar libarchive dir reference data "
    "generic blockcached".split()
)


@dataclass(frozen=True)
class Location:
    """A parsed URI.

    Attributes
    ----------
    scheme : str
        ``"file"``, ``"s3"``, ``"hdfs"``, ``"viewfs"``, or another that fsspec has.
    authority : str
        Bucket, NameNode or nameservice; ``""`` for the local disk and the default NameNode.
    path : str
        What follows, taken literally: ``%20`` is not a space. Absolute without a closing ``/`` (``"/"`` is the root);
        for S3 the key, without ``/`` at either end.
    """

    scheme: str
    authority: str
    path: str

    def __str__(self) -> str:
        """Return the canonical URI."""
        path = self.path if self.scheme != "s3" or not self.path else f"/{self.path}"
        return f"{self.scheme}://{self.authority}{path}"

    def at(self, path: str) -> "Location":
        """Return the same place at another path."""
        return Location(self.scheme, self.authority, path)


def has_scheme(uri: str) -> bool:
    """Return whether `uri` names its scheme: on a cluster, one that does not would mean each node's own disk."""
    return bool(_SCHEME.fullmatch(uri))


def parse(uri: str) -> Location:
    """Parse `uri`.

    Raises
    ------
    UsageError
        If the scheme is unknown, or the rest cannot be what that scheme needs.
    """
    if not uri or "\0" in uri:
        raise UsageError("a path must not be empty or hold a NUL character", uri)
    match = _SCHEME.fullmatch(uri)
    if not match:
        return Location("file", "", _absolute(uri))
    scheme, rest = match[1].lower(), match[2]
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == "file":
        return _parse_file(uri, rest)
    if scheme == "s3":
        return _parse_s3(rest)
    if scheme in _HDFS:
        return _parse_hdfs(uri, scheme, rest)
    return _parse_other(uri, scheme, rest)


def refuse_inside(output: str, input_: str) -> None:
    """Refuse an OUTPUT that is INPUT or lies inside it: the next run would take shards for input.

    Raises
    ------
    UsageError
    """
    out, inp = parse(output), parse(input_)
    if out.scheme != inp.scheme or (out.authority and inp.authority and out.authority != inp.authority):
        return
    outer, inner = inp.path, out.path
    if out.scheme == "file":
        outer, inner = os.path.realpath(outer), os.path.realpath(inner)
    outer = outer.strip("/")
    if not outer or f"{inner.strip('/')}/".startswith(f"{outer}/"):
        raise UsageError("OUTPUT is inside INPUT", str(out), "Choose a folder beside it.")


def _absolute(path: str) -> str:
    return "/" + os.path.abspath(path).lstrip("/")  # noqa: PTH100  # pathlib keeps "..", and POSIX lets "//" stand


def _parse_file(uri: str, rest: str) -> Location:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost") or not slash:
            raise UsageError("names a host, not a local file", uri, f"Did you mean file:///{rest[2:]}?")
        rest = "/" + path
    if not rest.startswith("/"):
        raise UsageError("a file: URI needs an absolute path", uri, f"Write ./{rest} for a path from here.")
    return Location("file", "", _absolute(rest))


def _parse_s3(rest: str) -> Location:
    bucket, _, key = rest.removeprefix("//").partition("/")
    if "@" in bucket:  # s3://KEY:SECRET@bucket: say nothing of what it holds
        raise UsageError("an s3: URI must not hold credentials", "s3://…@…", "Use the standard credential chain.")
    if not rest.startswith("//") or not _BUCKET.fullmatch(bucket):
        raise UsageError("an s3: URI needs a bucket", f"s3:{rest}", "Write s3://BUCKET/PREFIX.")
    return Location("s3", bucket, key.strip("/"))


def _parse_hdfs(uri: str, scheme: str, rest: str) -> Location:
    authority, path = "", rest
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
    if "@" in authority or not (path.startswith("/") or (authority and not path)):
        raise UsageError("not an HDFS path", uri, f"Write {scheme}:///PATH or {scheme}://NAMENODE/PATH.")
    parts = [p for p in path.split("/") if p not in ("", ".")]
    if ".." in parts:
        raise UsageError("an HDFS path must not hold '..'", uri)
    return Location(scheme, authority, "/" + "/".join(parts))


def _parse_other(uri: str, scheme: str, rest: str) -> Location:
    from fsspec import available_protocols  # noqa: PLC0415  # half a second, and only needed here

    if scheme in _NOT_A_PLACE or scheme not in available_protocols():
        remedy = f"Write ./{uri} if it is a local file." if "/" not in uri.partition(":")[0] else ""
        raise UsageError(f"unknown scheme '{scheme}:'", uri, f"Known are file:, s3:, hdfs: and fsspec's. {remedy}")
    if not rest.startswith("//"):
        raise UsageError(f"a {scheme}: URI needs two slashes", uri, f"Write {scheme}://{rest.lstrip('/')}.")
    authority, _, path = rest[2:].strip("/").partition("/")
    return Location(scheme, authority, f"/{path}" if path else "")
