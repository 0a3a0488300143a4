"""Every store's errors, said once: what was refused, what is missing, what broke. Never a credential, never a trace."""

import errno
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fma_prep.errors import FmaPrepError, NotFoundError, RefusedError, StorageError

__all__ = ["is_transient", "translated"]

_SECRET = re.compile(r"key|secret|token|passw|credential|sas", re.IGNORECASE)
_IN_URL = re.compile(r"//[^/@\s]+@")
_REMEDIES = {
    "NoCredentials": "Nobody is logged in on S3 here: set a profile, keys in the environment, or an instance role.",
    "InvalidAccessKeyId": "S3 does not know the access key: renew the credentials.",
    "ExpiredToken": "The credentials have expired: renew them.",
    "SignatureDoesNotMatch": "The secret key is not the one of that access key.",
    "RequestTimeTooSkewed": "This machine's clock is wrong: set it.",
}
# By class name, since importing botocore or aiohttp to know them costs a second that file: users need not spend.
_TRANSIENT = frozenset(
    "IncompleteRead IncompleteReadError ReadTimeoutError ResponseStreamingError ClientPayloadError "
    "ServerDisconnectedError FSTimeoutError ConnectionClosedError AioConnectionClosedError".split()
)
_NO_CREDENTIALS = frozenset(
    "NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound".split()
)
_UNREACHABLE = frozenset("EndpointConnectionError ConnectTimeoutError ProxyConnectionError SSLError".split())
_HDFS_SILENT = re.compile(r"Connection refused|failed to lookup address|No route to host|os error 1\d\d")
_KINDS: dict[type[Exception], str] = {
    IsADirectoryError: "it is a folder",
    NotADirectoryError: "part of its path is a file",
}
_HDFS_BUSY = re.compile(
    r"StandbyException|SafeModeException|timed out|[Cc]onnection (reset|closed)|RetriableException|"
    r"Failed to complete file in time"  # its DataNodes did not report it: their disks may be busy
)
_HDFS_MESSAGE = re.compile(r'RPCError\(\s*"([^"]*)",\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may well succeed in a second."""
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError)):
        return True
    if isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE):
        return True
    if any(c.__name__ in _TRANSIENT for c in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and bool(_HDFS_BUSY.search(str(error)))


def translated(error: Exception, verb: str, thing: str, options: Mapping[str, Any]) -> FmaPrepError:
    """Return our error for a library's.

    Parameters
    ----------
    error : Exception
    verb : str
        What was tried: ``"read"``, ``"list"``, ``"write"``, ``"delete"``, ``"rename"``.
    thing : str
        The URI it was tried on.
    options : mapping
        The store's options: values of theirs that look like secrets are blanked.
    """
    if isinstance(error, FmaPrepError):
        return error
    if verb == "list" and isinstance(error, PermissionError) and isinstance(error.filename, str):
        thing = error.filename  # the folder that is shut, of all that the listing went through
    code, text = _code(error), _clean(_message(error), options)
    names = {c.__name__ for c in type(error).__mro__}
    if isinstance(error, FileNotFoundError):
        return NotFoundError("no such bucket" if code == "NoSuchBucket" else "there is nothing here", thing)
    if names & _NO_CREDENTIALS or code in _REMEDIES:
        return RefusedError(f"may not {verb} it", thing, _REMEDIES.get(code, _REMEDIES["NoCredentials"]))
    if isinstance(error, PermissionError) or "AccessControlException" in text or code in ("AccessDenied", "403"):
        return RefusedError(f"may not {verb} it", thing, _who(error, code, text))
    return _broken(error, verb, thing, text)


def _broken(error: Exception, verb: str, thing: str, text: str) -> StorageError:
    """Return the error for what is neither missing nor refused."""
    names = {c.__name__ for c in type(error).__mro__}
    if "No fs.defaultFS" in text:
        return StorageError("nothing says which NameNode", thing, "Set HADOOP_CONF_DIR, or name it: hdfs://HOST:PORT/.")
    if names & _UNREACHABLE or _HDFS_SILENT.search(text) or isinstance(error, ConnectionError):
        return StorageError(f"cannot {verb} it: the store does not answer", thing, f"({text})")
    why = _KINDS.get(type(error)) or text or type(error).__name__
    return StorageError(f"cannot {verb} it: {why}", thing)


def _who(error: Exception, code: str, text: str) -> str:
    """Return what the store said of who asked; local refusals and S3 say no more than the fact."""
    if code:
        return f"S3 says {code}: ask the bucket's owner, or log in as another."
    return f"({text})" if isinstance(error, RuntimeError) else "Ask its owner for permission, or run as another user."


def _code(error: BaseException) -> str:
    """Return S3's error code, if there is one behind `error`."""
    for e in (error, error.__cause__):
        response = getattr(e, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _message(error: Exception) -> str:
    """Return one line: a server's own words, without the Java stack trace that hdfs-native hands on."""
    text = str(error)
    if isinstance(error, RuntimeError) and (rpc := _HDFS_MESSAGE.search(text)):
        text = f"{rpc[1].rpartition('.')[2]}: {rpc[2]}".replace("\\n", "\n").replace('\\"', '"')
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300].rstrip(".") if lines else ""


def _clean(text: str, options: Mapping[str, Any]) -> str:
    for secret in sorted(_secrets(options), key=len, reverse=True):
        text = text.replace(secret, "…")
    return _IN_URL.sub("//…@", text)


def _secrets(options: Any, secret: bool = False) -> Iterator[str]:
    """Yield the strings that options hold under a name like a secret's."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _secrets(value, secret or bool(_SECRET.search(str(name))))
    elif secret and isinstance(options, str) and options:
        yield options
