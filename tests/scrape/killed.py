"""A scraper that kills itself at a chosen operation on its store: what the processes of test_kill run."""

import os
import signal

from fma_prep.dataset.storage import Store
from fma_prep.scrape.command import scrape


def scrape_until(arguments, operation, after):
    """Scrape in this process, and SIGKILL it before (or after) that many writes, puts and deletes; 0: never."""
    count = 0

    def counted(method):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == operation and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(*args, **kwargs)
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in ("write", "put", "delete"):
        setattr(Store, name, counted(getattr(Store, name)))
    raise SystemExit(scrape(arguments))
