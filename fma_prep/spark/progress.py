"""What a person sees while the job runs: one live line on a terminal, a line now and then in a log."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

from py4j.protocol import Py4JError
from pyspark import Accumulator, AccumulatorParam, SparkContext
from tqdm import tqdm

from fma_prep.errors import FmaPrepError, RunError

__all__ = ["Progress", "Tally"]

_POLL_S = 0.25
_LOG_EVERY_S = 30.0
_CHECKPOINT_EVERY_S = 300.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tally:
    """What tasks have done so far.

    Attributes
    ----------
    tracks, failed : int
    audio_s : float
        Sound found in the tracks that are done, in seconds.
    fatal : FmaPrepError or None
        Why the run cannot go on.
    """

    tracks: int = 0
    failed: int = 0
    audio_s: float = 0.0
    fatal: FmaPrepError | None = None

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.tracks + other.tracks,
            self.failed + other.failed,
            self.audio_s + other.audio_s,
            self.fatal or other.fatal,
        )


class _TallyParam(AccumulatorParam[Tally]):
    def zero(self, value: Tally) -> Tally:  # noqa: ARG002  # pyspark's signature
        return Tally()

    def addInPlace(self, value1: Tally, value2: Tally) -> Tally:  # noqa: N802  # pyspark's name
        return value1 + value2


class Progress:
    """Watches a job from the driver: shows how far it is, and cancels it when a task says that it cannot go on.

    Parameters
    ----------
    spark : SparkContext
    tracks : int
        How many there are to do.
    checkpoint : callable
        Called every few minutes, so that a resume after a kill has few commit records to read.

    Attributes
    ----------
    tally : Accumulator
        Tasks add a `Tally` of what they did. It is for the eye: what counts is in the commit records.
    """

    def __init__(self, spark: SparkContext, tracks: int, checkpoint: Callable[[], object]) -> None:
        self.tally: Accumulator[Tally] = spark.accumulator(Tally(), _TallyParam())
        self._spark, self._tracks, self._checkpoint = spark, tracks, checkpoint
        self._stop = threading.Event()
        self._interrupted = False
        self._handler_before: Any = None
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._bar = tqdm(
            total=tracks,
            unit="track",
            disable=None,  # quiet when standard error is no terminal
            dynamic_ncols=True,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} tracks [{elapsed}<{remaining}{postfix}]",
        )
        self._started = self._logged = self._checkpointed = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._handler_before is not None:
            signal.signal(signal.SIGINT, self._handler_before)
        self._stop.set()
        self._thread.join()
        self._show()
        self._bar.close()
        if self._interrupted:
            raise KeyboardInterrupt from error
        if self.tally.value.fatal is not None:
            raise self.tally.value.fatal from error  # the cancelled action's own words help nobody
        if isinstance(error, Py4JError):
            remedy = "Run the same command again to go on; if it stays so, look into the executors' logs."
            raise RunError(f"Spark gave up: {_cause(error)}", "", remedy) from error

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, start-up of Spark apart."""
        return time.monotonic() - self._started

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._show()
            if self._interrupted or self.tally.value.fatal is not None:
                self._spark.cancelAllJobs()
                return
            if time.monotonic() - self._checkpointed >= _CHECKPOINT_EVERY_S:
                self._checkpointed = time.monotonic()
                try:
                    self._checkpoint()
                except FmaPrepError as e:  # only a convenience: the end of the run will say what is wrong
                    _log.warning("no checkpoint: %s", e)

    def _interrupt(self, signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as signal calls it
        # The main thread waits inside py4j, whose connection an exception would break: the other thread cancels.
        self._interrupted = True

    def _show(self) -> None:
        now, tally = time.monotonic(), self.tally.value
        hours = tally.audio_s / 3600
        speed = tally.audio_s / max(now - self._started, 1e-9)
        if not self._bar.disable:
            self._bar.n = tally.tracks
            self._bar.set_postfix_str(f"{hours:.2f} h of audio, {speed:.0f}x real time, {tally.failed} failed")
        elif now - self._logged >= _LOG_EVERY_S:
            self._logged = now
            left_s = (now - self._started) / tally.tracks * (self._tracks - tally.tracks) if tally.tracks else None
            _log.info(
                "%d of %d tracks, %.2f h of audio, %.0fx real time, %s, %d failed",
                tally.tracks,
                self._tracks,
                hours,
                speed,
                "time left unknown" if left_s is None else f"{left_s:.0f} s left",
                tally.failed,
            )


def _cause(error: Exception) -> str:
    """Return the line of a Java stack trace that says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    causes = [line for line in lines if "SparkException" in line or line.startswith("Caused by")]
    return (causes or lines or [type(error).__name__])[0][:300]
