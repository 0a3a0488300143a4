"""Seconds by stage: where the time of a track, or of a run, goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["Clock"]

T = TypeVar("T")


class Clock:
    """Adds up the time that stages take. One that runs inside another, as iterators do, counts for itself only.

    ::

        clock = Clock("decode")
        with clock("decode"):
            …
        clock.seconds  # {"decode": 0.25}

    Parameters
    ----------
    stages : str
        Those that count 0 s until they run.

    Attributes
    ----------
    seconds : dict
        By stage.
    """

    def __init__(self, *stages: str) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the block as `stage`."""
        self._turn()
        self._running.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def during(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`, and count the time that it takes to get each as `stage`."""
        iterator = iter(items)
        while True:
            with self(stage):
                item = next(iterator, _END)
            if isinstance(item, _End):
                return
            yield item

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


class _End:
    pass


_END = _End()
