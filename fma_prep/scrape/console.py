"""What the commands of this room share: numbers in options, and the last word."""

import argparse
from collections.abc import Callable
from typing import TypeVar

from fma_prep.scrape.crawl import Outcome

__all__ = ["number", "status", "summary"]

_Number = TypeVar("_Number", int, float)


def status(outcome: Outcome, max_failed: float) -> int:
    """Return the exit status: 1 if too much failed, or there is nothing."""
    return int(outcome.failed_fraction > max_failed or not outcome.staged + outcome.there)


def summary(outcome: Outcome, where: str) -> str:
    """Return what a person is told in the end: what is there, and what is not and why."""
    lines = [f"{outcome.staged} tracks ({outcome.staged_bytes / 1e6:.1f} MB) staged in {where}"]
    if outcome.there:
        lines[0] += f"; {outcome.there} more were there already"
    lines += [f"  skipped {count}: {reason}" for reason, count in sorted(outcome.skipped.items())]
    lines += [f"  failed {path}: {reason}" for path, reason in sorted(outcome.failed.items())[:20]]
    if len(outcome.failed) > 20:
        lines.append(f"  and {len(outcome.failed) - 20} more; see _ledger.jsonl")
    if outcome.broken_rows:
        lines.append(f"  {outcome.broken_rows} rows of listings were not understood")
    return "\n".join(lines)


def number(kind: type[_Number], least: float) -> Callable[[str], _Number]:
    """Return a type for argparse: a number from `least`."""

    def read(text: str) -> _Number:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not least <= value < 1e12:
            raise argparse.ArgumentTypeError(f"must be a number from {least:g}, not {text}")
        return value

    return read
