"""What a person sees while tracks arrive: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from fma_prep.errors import printable

__all__ = ["Progress"]

_LINE_EVERY_S = 10.0


class Progress:
    """A bar of tracks, with megabytes and their rate; pauses count down in it.

    Parameters
    ----------
    verb : str
        What is going on, such as ``"scraping"``.
    total : int or None
        How many tracks there will be, if that is known.
    stream : file
        Where to; a bar if it is a terminal.
    """

    def __init__(self, verb: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self._verb, self._stream = verb, stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._bar = tqdm(total=total, desc=verb, unit="track", file=self._stream, disable=not self._terminal)
        self._began = self._last_line = time.monotonic()
        self._tracks, self._bytes, self.total = 0, 0, total

    def expect(self, total: int | None) -> None:
        """Say how many tracks there will be, once that is known."""
        if total is not None and total != self.total:
            self.total = self._bar.total = total
            self._bar.refresh()

    def received(self, n_bytes: int) -> None:
        """Count bytes that arrived."""
        self._bytes += n_bytes
        if self._terminal:
            self._bar.set_postfix_str(self._amount(), refresh=False)
            self._bar.update(0)
        else:
            self._line()

    def track(self) -> None:
        """Count a track that is settled."""
        self._tracks += 1
        self._bar.update(1)
        self._line()

    def wait(self, seconds: float, why: str) -> None:
        """Sleep, and say so: as a countdown on a terminal."""
        end = time.monotonic() + seconds
        if not self._terminal and seconds >= 1:
            self._write(f"{self._verb}: {why}, {seconds:.0f} s")
        while (left_s := end - time.monotonic()) > 0:
            if self._terminal:
                self._bar.set_description_str(f"{printable(why)}, {left_s:.0f} s left")
            time.sleep(min(1.0, left_s))
        self._bar.set_description_str(self._verb)

    def note(self, text: str) -> None:
        """Print a line without breaking the bar."""
        self._write(f"{self._verb}: {text}")

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def _line(self) -> None:
        now = time.monotonic()
        if self._terminal or now - self._last_line < _LINE_EVERY_S:
            return
        self._last_line = now
        of = f" of {self.total}" if self.total else ""
        left = ""
        if self.total and self._tracks:
            left = f", {(now - self._began) / self._tracks * (self.total - self._tracks):.0f} s left"
        self._write(f"{self._verb}: {self._tracks}{of} tracks, {self._amount()}{left}")

    def _amount(self) -> str:
        elapsed_s = max(1e-3, time.monotonic() - self._began)
        return f"{self._bytes / 1e6:.1f} MB, {self._bytes / 1e6 / elapsed_s:.1f} MB/s"

    def _write(self, text: str) -> None:
        self._bar.write(printable(text), file=self._stream)
