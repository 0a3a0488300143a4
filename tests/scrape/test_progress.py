"""What a person sees: a bar with a countdown on a terminal, lines in a log."""

import io

import pytest

from fma_prep.scrape import progress as module
from fma_prep.scrape.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Time that passes only when someone sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_log_gets_a_line_now_and_then(clock):
    log = io.StringIO()
    progress = Progress("scraping", 4, log)
    progress.track()
    clock.now = 20.0
    progress.received(3_000_000)
    progress.track()
    progress.wait(30, "pause after a batch of songs")
    progress.note("track 5 failed: bad\x1b[31m\nname")
    progress.close()
    assert log.getvalue().splitlines() == [
        "scraping: 1 of 4 tracks, 3.0 MB, 0.1 MB/s, 60 s left",
        "scraping: pause after a batch of songs, 30 s",
        "scraping: track 5 failed: bad\\x1b[31m\\nname",
    ]
    assert clock.now == 50


def test_a_terminal_gets_a_bar_and_a_countdown(clock):
    screen = Terminal()
    progress = Progress("scraping", 4, screen)
    progress.received(3_000_000)
    progress.track()
    progress.wait(3, "pause after a batch of songs")
    progress.close()
    shown = screen.getvalue()
    assert "1/4" in shown
    assert "3.0 MB" in shown
    assert [f"{n} s left" in shown for n in (3, 2, 1)] == [True] * 3
    assert clock.now == 3
