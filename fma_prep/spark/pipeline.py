"""The steps of `jobs/digitize.py` between one RDD and the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from pyspark import Accumulator, TaskContext

from fma_prep.audio.digitize import Digitized
from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.shards import Commit, Target
from fma_prep.dataset.storage import Entry
from fma_prep.errors import FmaPrepError, RefusedError, TrackError
from fma_prep.spark.guard import Child, attempt, time_limit_s, watchdog
from fma_prep.spark.progress import Tally
from fma_prep.spark.read_ahead import Fetched

__all__ = ["Outcome", "digitize_track", "identity", "write_shard"]

_REFUSALS_IN_A_ROW = 20  # then it is not this track that may not be read, but this person who may not read

T = TypeVar("T")


@dataclass
class Outcome:
    """What became of one track.

    Attributes
    ----------
    fetched : Fetched
        What arrived of it. Its stream is closed.
    result : Digitized or FmaPrepError
        A `TrackError` or `RefusedError` is this track's failure; any other error is the run's.
    """

    fetched: Fetched
    result: Digitized | FmaPrepError

    @property
    def entry(self) -> Entry:
        """The track as it was listed."""
        return self.fetched.entry


def identity(items: T) -> T:
    """Return what was given."""
    return items


def digitize_track(recipe: Recipe, track_timeout_s: float, fetched: Fetched) -> Outcome:
    """Turn a track that has arrived into codes, or into the reason why not. Whatever a track does, the run goes on."""
    if fetched.stream is None:
        return Outcome(fetched, fetched.error or TrackError("read", "did not arrive"))
    size_bytes = fetched.entry.size_bytes
    with fetched.stream as stream:
        if _is_first_attempt():
            with watchdog(time_limit_s(track_timeout_s, size_bytes)):
                return Outcome(fetched, attempt(stream, recipe))
        return Outcome(fetched, _child(recipe, track_timeout_s).attempt(stream, size_bytes))


def write_shard(
    target: Target, partitions: Sequence[int], tally: Accumulator[Tally], index: int, outcomes: Iterator[Outcome]
) -> Iterator[Commit | FmaPrepError]:
    """Write what came of a bin's tracks as one shard and its commit record.

    Parameters
    ----------
    target : Target
    partitions : sequence of int
        The number of each bin's partition: those that are done already are no bins any more.
    tally : Accumulator
    index : int
        Which bin this is.
    outcomes : iterator of Outcome

    Yields
    ------
    Commit or FmaPrepError
        An error is the run's: raised here, Spark would try the task again, and its message would be a Java stack trace.
    """
    if index >= len(partitions):  # nothing was left to do
        return
    try:
        commit = _written(target, partitions[index], outcomes)
    except FmaPrepError as e:
        tally.add(Tally(fatal=e))
        yield e
    else:
        tally.add(Tally(commit.done + commit.failed, commit.failed, commit.seconds_of_audio))
        yield commit


def _written(target: Target, partition: int, outcomes: Iterator[Outcome]) -> Commit:
    refused, waited_s = 0, 0.0
    with target.writer(partition) as writer:
        for outcome in outcomes:
            result, waited_s = outcome.result, waited_s + outcome.fetched.waited_s
            refused = refused + 1 if isinstance(result, RefusedError) else 0
            if isinstance(result, FmaPrepError) and not isinstance(result, TrackError | RefusedError):
                raise result
            if isinstance(result, RefusedError) and refused == _REFUSALS_IN_A_ROW:
                raise result
            writer.add(outcome.entry, result, outcome.fetched.sha256)
        return writer.commit({"read": waited_s})


def _is_first_attempt() -> bool:
    context = TaskContext.get()
    return context is None or context.attemptNumber() == 0


@cache
def _child(recipe: Recipe, track_timeout_s: float) -> Child:
    """Return this worker's child: one, for all its tracks."""
    return Child(recipe, track_timeout_s)
