"""Writing a partition: its codes as a shard, and what became of each track as a commit record.

::

    with ShardWriter(target, partition=7) as writer:
        for entry in tracks:
            writer.add(entry, digitized_or_track_error, sha256=…)
        commit = writer.commit()

Nothing is in the store before `commit`, which writes the shard (from a local temporary file), then the commit record:
a shard without a record is nobody's. Names come from the content, so a second attempt at the same tracks writes the
same names, and whichever was first stands.
"""

import hashlib
import json
import pickle
import platform
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Protocol, Self

import fma_prep
from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.records import FORMAT, RECORD_TYPES, bytes_offset
from fma_prep.dataset.storage import Entry, Store
from fma_prep.errors import FmaPrepError, TrackError

__all__ = ["COMMITS", "Commit", "DigitizedLike", "ShardWriter", "Target", "source_identity"]

COMMITS = "_commits"
_LIBRARIES = ("av", "imageio-ffmpeg", "numpy", "pydub", "resampy", "scipy")
_SPOOL_BYTES = 1 << 24


class DigitizedLike(Protocol):
    """What `fma_prep.audio.digitize.Digitized` offers."""

    codes: bytes
    n_samples: int
    sample_rate: int
    peak: float
    silent: bool
    codes_sha256: str
    seconds: dict[str, float]
    source: Any


@dataclass(frozen=True)
class Target:
    """Where a run writes, and what its commit records say of it. Pickles: tasks carry it."""

    store: Store
    recipe: Recipe
    input_uri: str
    generation: str = ""

    def writer(self, partition: int) -> "ShardWriter":
        """Return a writer for one partition."""
        return ShardWriter(self, partition)


@dataclass(frozen=True)
class Commit:
    """What a task tells the driver: the rest is in the record."""

    name: str
    done: int
    failed: int
    seconds_of_audio: float
    seconds: Mapping[str, float] = field(default_factory=dict)


def source_identity(entry: Entry) -> dict[str, Any]:
    """Return what tells whether a track's file is still the same: size, and etag or modification time."""
    return {"size_bytes": entry.size_bytes, **entry.identity}


class ShardWriter:
    """Takes the outcomes of one partition; see the module.

    Parameters
    ----------
    target : Target
    partition : int
    """

    def __init__(self, target: Target, partition: int) -> None:
        self._target, self._partition = target, partition
        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  # closed by `close`
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._lines: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}
        self._started = _now()

    def add(self, entry: Entry, outcome: DigitizedLike | FmaPrepError, sha256: str | None = None) -> None:
        """Take what became of a track.

        Parameters
        ----------
        entry : Entry
            As it was listed.
        outcome : Digitized or TrackError
            Another error of ours counts as one at stage ``read``: it is tried again by the next run.
        sha256 : str, optional
            Of the track's bytes, where they were all read.
        """
        line: dict[str, Any] = {"track": entry.path, **source_identity(entry), "sha256": sha256}
        if isinstance(outcome, FmaPrepError):
            failure = outcome if isinstance(outcome, TrackError) else TrackError("read", str(outcome))
            why = {"stage": failure.stage, "reason": failure.reason, "warnings": []}
            self._lines.append({**line, "status": "failed", **why})
            return
        if not self._size:
            self._write({"format": FORMAT, "recipe": self._target.recipe.to_dict()})
        record = {key: getattr(outcome, key) for key in RECORD_TYPES if key != "track"}
        record = {"track": entry.path, **record, "peak": float(outcome.peak)}
        record_offset = self._size
        codes_offset = self._write(record)
        del record["codes"], record["track"]
        self._lines.append(
            {
                **line,
                "status": "done",
                "stage": None,
                "reason": None,
                **_source(outcome),
                **record,
                "silent": outcome.silent,
                "record_offset": record_offset,
                "codes_offset": codes_offset,
            }
        )
        for stage, seconds in outcome.seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def commit(self, seconds: Mapping[str, float] | None = None) -> Commit:
        """Write shard and record; return what they are called and hold.

        Parameters
        ----------
        seconds : mapping, optional
            Times of stages that only the caller knows (``"read"``), added to those of the outcomes.
        """
        for stage, more in (seconds or {}).items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + more
        digest = self._sha256.hexdigest() if self._size else None
        shard = f"part-{self._partition:05d}-{digest[:12]}.pkl" if digest else None
        for line in self._lines:
            line["shard"] = shard if line["status"] == "done" else None
        if shard:
            started = time.perf_counter()
            self._target.store.put(shard, self._file, overwrite=False)  # type: ignore[arg-type]  # a binary file it is
            self._seconds["write"] = self._seconds.get("write", 0.0) + time.perf_counter() - started
        record = self._record(shard, digest)
        name = self._name(shard)
        self._target.store.write(f"{COMMITS}/{name}", json.dumps(record).encode(), overwrite=False)
        done = [line for line in self._lines if line["status"] == "done"]
        audio_s = sum(line["n_samples"] / line["sample_rate"] for line in done)
        return Commit(name, len(done), len(self._lines) - len(done), audio_s, dict(self._seconds))

    def close(self) -> None:
        """Let go of the temporary file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _record(self, shard: str | None, digest: str | None) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "shard": shard,
            "sha256": digest,
            "size_bytes": self._size,
            "partition": self._partition,
            "generation": self._target.generation,
            "recipe": self._target.recipe.to_dict(),
            "fingerprint": self._target.recipe.fingerprint,
            "input": self._target.input_uri,
            "versions": _versions(),
            "host": socket.gethostname(),
            "start": self._started,
            "end": _now(),
            "seconds": {stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
            "tracks": self._lines,
        }

    def _name(self, shard: str | None) -> str:
        """Return a name that two records share only if they say the same."""
        said = json.dumps([self._target.generation, self._target.recipe.fingerprint, self._lines], sort_keys=True)
        content = hashlib.sha256(said.encode()).hexdigest()
        stem = shard.removesuffix(".pkl") if shard else f"part-{self._partition:05d}-none"
        return f"{stem}-{content[:12]}.json"

    def _write(self, record: dict[str, Any]) -> int:
        """Append a pickle; return where its codes begin."""
        blocks: list[bytes] = []
        pickler = pickle.Pickler(_Blocks(blocks), 5)  # which hands long bytes through as they are
        pickler.fast = True
        pickler.dump(record)
        begin = self._size
        codes_offset = _find_codes(blocks, record.get("codes", b""))
        for block in blocks:
            self._file.write(block)
            self._sha256.update(block)
            self._size += len(block)
        return begin + codes_offset


class _Blocks:
    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def write(self, block: Any) -> int:
        self._blocks.append(block if isinstance(block, bytes) else bytes(block))
        return len(block)


def _find_codes(blocks: Sequence[bytes], codes: bytes) -> int:
    offset = 0
    for block in blocks:
        if block is codes:
            return offset
        offset += len(block)
    if not codes:
        return 0
    return bytes_offset(b"".join(blocks))  # short codes lie among the rest


def _source(outcome: DigitizedLike) -> dict[str, Any]:
    """Return what the decoder found, under the manifest's names."""
    source: dict[str, Any] = dict(asdict(outcome.source))
    source["source_rate_hz"] = source.pop("rate_hz")
    clipped = getattr(outcome, "clipped", 0)  # after resampling, where nothing was normalised
    source["clipped_samples"] = source.get("clipped_samples", 0) + clipped
    return source


@cache
def _versions() -> dict[str, str]:
    versions = {"fma_prep": fma_prep.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "missing"
    return versions


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
