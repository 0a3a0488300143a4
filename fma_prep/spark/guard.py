"""A track that crashes, hangs or starves its worker becomes a failed track, not a failed run.

The first attempt at a task digitises in the worker itself, with a watchdog that ends the process when a track hangs.
Spark then tries the task again, and from that attempt on each track runs in a child process with limits of time and
memory, so that whatever it does, only the child is lost.
"""

import faulthandler
import multiprocessing
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from fma_prep.audio.digitize import Digitized, digitize
from fma_prep.audio.recipe import Recipe
from fma_prep.errors import FmaPrepError, TrackError

__all__ = ["Child", "attempt", "time_limit_s", "watchdog"]

CHILD_MEMORY_BYTES = 2 << 30  # three hours of sound need a third of it
_SLOWEST_BYTES_PER_S = 50_000  # of encoded audio: ten times slower than the slowest decoder
_START_S = 60.0  # imports, on a node that is busy
_GRACE_S = 10.0
_CHUNK_BYTES = 1 << 20


def time_limit_s(track_timeout_s: float, size_bytes: int) -> float:
    """Return how long a track of that size may take, in seconds."""
    return track_timeout_s + size_bytes / _SLOWEST_BYTES_PER_S


@contextmanager
def watchdog(limit_s: float) -> Iterator[None]:
    """End this process if the block takes longer than `limit_s`, even in native code that holds the GIL."""
    with Path(os.devnull).open("w") as nowhere:
        # faulthandler's timer is a C thread: it needs no GIL, as a Python thread would
        faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


class Child:
    """A child process that digitises tracks one by one; it is replaced when one of them breaks it.

    Parameters
    ----------
    recipe : Recipe
    track_timeout_s : float
        As `time_limit_s` has it.
    """

    def __init__(self, recipe: Recipe, track_timeout_s: float) -> None:
        self._recipe, self._track_timeout_s = recipe, track_timeout_s
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def attempt(self, stream: IO[bytes], size_bytes: int) -> Digitized | FmaPrepError:
        """Digitise one track in the child; a track that kills, hangs or starves it has failed."""
        limit_s = time_limit_s(self._track_timeout_s, size_bytes)
        try:
            pipe = self._started()
            pipe.send((size_bytes, limit_s))
            while chunk := stream.read(_CHUNK_BYTES):
                pipe.send_bytes(chunk)
            if pipe.poll(limit_s):
                answer: Digitized | FmaPrepError = pipe.recv()
                return answer
            self.close()
            return TrackError("decode", f"hangs its decoder: ended after {limit_s:.0f} s")
        except (EOFError, OSError):  # the pipe broke: the child is dead
            return TrackError("decode", f"kills its decoder: {self._last_words()}")

    def close(self) -> None:
        """End the child, if there is one."""
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
            self._process.close()
        self._process = self._pipe = None

    def _started(self) -> Connection:
        if self._pipe is None:
            # spawned, not forked: a fork would inherit this worker's threads' locks
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._recipe), daemon=True)
            self._process.start()
            theirs.close()
            if not self._pipe.poll(_START_S):
                raise OSError("the child did not start")
            self._pipe.recv()
        return self._pipe

    def _last_words(self) -> str:
        code = None
        if self._process is not None:
            self._process.join(5)
            code = self._process.exitcode
        self.close()
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"


def _serve(pipe: Connection, recipe: Recipe) -> None:
    """Digitise what comes through `pipe`, until it closes."""
    resource.setrlimit(resource.RLIMIT_DATA, (CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        try:
            left_bytes, limit_s = pipe.recv()
        except EOFError:
            return
        with tempfile.SpooledTemporaryFile(_CHUNK_BYTES * 16) as stream:
            while left_bytes > 0:
                chunk = pipe.recv_bytes()
                left_bytes -= stream.write(chunk)
            stream.seek(0)
            with watchdog(limit_s + _GRACE_S):  # if the worker that waits for it is dead, nobody else ends it
                pipe.send(attempt(stream, recipe))


def attempt(stream: IO[bytes], recipe: Recipe) -> Digitized | FmaPrepError:
    """Digitise, and return what came of it: a fault of any kind is this track's, not the run's."""
    try:
        return digitize(stream, recipe)  # type: ignore[arg-type]  # a seekable binary file it is
    except FmaPrepError as e:
        return e
    except MemoryError:
        return TrackError("decode", "needs more memory than a track may have")
    except Exception as e:  # a decoder's bug must not take the other tracks with it
        return TrackError("decode", f"cannot be decoded: {type(e).__name__}: {e}")
