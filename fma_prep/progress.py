"""What a person sees of work that takes a while: a bar on a terminal, a line of the log now and then elsewhere."""

import io
import logging
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

__all__ = ["progress"]

_QUIET_S = 2.0  # what is over by then needs no bar
_LINE_EVERY_S = 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit} in {elapsed}, {remaining} left{postfix}"
_log = logging.getLogger(__name__)


class _LogLines(io.TextIOBase):
    """Takes what a bar draws, and logs it."""

    def write(self, text: str) -> int:
        if line := text.strip("\r\n "):
            _log.info(line)
        return len(text)


def progress(what: str, items: Iterable[Any] | None = None, *, total: int | None = None, unit: str) -> Any:
    """Return a tqdm bar: to iterate over, or to ``update``, and best in a ``with``.

    Parameters
    ----------
    what : str
        What is going on, as ``"making songs"``.
    items : iterable, optional
        Those that the bar yields.
    total : int, optional
        How many there are, where `items` cannot say.
    unit : str
        What they are, as ``"songs"``; in bytes, ``"B"``.
    """
    shown: dict[str, Any] = {"dynamic_ncols": True}
    if not sys.stderr.isatty():
        shown = {"file": _LogLines(), "mininterval": _LINE_EVERY_S, "maxinterval": _LINE_EVERY_S, "bar_format": _LINE}
    return tqdm(items, what, total, unit=unit, unit_scale=unit == "B", leave=False, delay=_QUIET_S, **shown)
