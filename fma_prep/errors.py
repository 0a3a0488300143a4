"""Every error this package raises on purpose.

::

    FmaPrepError              exit status 1
    ├── UsageError            exit status 2: the command cannot mean what it says
    ├── SetupError            this machine lacks something: Java, a package, a decoder
    ├── StorageError          a store did not do what was asked
    │   ├── NotFoundError     there is nothing at that path
    │   └── RefusedError      it is there, and you may not
    ├── TrackError            one track cannot be used, and why: becomes a manifest line
    ├── DatasetError          a shard, commit record or manifest is not what it should be
    ├── ScrapeError           a site, page or archive is not what it should be
    └── RunError              the run as a whole failed

All take positional arguments only and keep them in ``args``, so that all survive pickling: they cross Spark.
"""

__all__ = [
    "DatasetError",
    "FmaPrepError",
    "NotFoundError",
    "RefusedError",
    "RunError",
    "ScrapeError",
    "SetupError",
    "StorageError",
    "TrackError",
    "UsageError",
    "printable",
]


def printable(text: object) -> str:
    """Return `text` on one line, with control characters escaped.

    File names and server replies are hostile: they may hold newlines or terminal sequences.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(text))


class FmaPrepError(Exception):
    """Base of all: one line that names the problem, the thing, and the way out.

    Parameters
    ----------
    problem : str
        What is wrong, without a full stop: ``"cannot read the folder"``.
    thing : str
        Which path, option, track or host. May be empty.
    remedy : str
        What to do about it, as a sentence. May be empty.
    """

    exit_status = 1

    def __init__(self, problem: str, thing: str = "", remedy: str = "") -> None:
        super().__init__(problem, thing, remedy)
        self.problem, self.thing, self.remedy = problem, thing, remedy

    def __str__(self) -> str:
        named = f"{self.thing}: {self.problem}" if self.thing else self.problem
        return printable(f"{named}. {self.remedy}" if self.remedy else named)


class UsageError(FmaPrepError):
    """The command cannot mean what it says."""

    exit_status = 2


class SetupError(FmaPrepError):
    """This machine lacks something that the run needs."""


class StorageError(FmaPrepError):
    """A store did not do what was asked of it."""


class NotFoundError(StorageError):
    """There is nothing at that path."""


class RefusedError(StorageError):
    """The store knows who asks, and says no (or asks for credentials)."""


class TrackError(FmaPrepError):
    """One track cannot be used.

    Parameters
    ----------
    stage : {"read", "decode"}
        Failures at ``read`` are tried again by the next run, those at ``decode`` are kept.
    reason : str
        Why, as a person would say it: ``"truncated: 12.1 s of 30.0 s are there"``.
    """

    def __init__(self, stage: str, reason: str) -> None:
        Exception.__init__(self, stage, reason)
        self.stage, self.reason = stage, reason
        self.problem, self.thing, self.remedy = reason, stage, ""

    def __str__(self) -> str:
        return printable(f"{self.stage}: {self.reason}")


class DatasetError(FmaPrepError):
    """A shard, commit record or manifest is not what it should be."""


class ScrapeError(FmaPrepError):
    """A site, a page or an archive is not what it should be."""


class RunError(FmaPrepError):
    """The run as a whole failed."""
