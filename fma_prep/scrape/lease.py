"""One scraper at a time on one OUTPUT, on any store: no append, no conditional write and no common clock needed.

Each comer first writes a claim under a name of its own, then lists the claims. Of two who come at once, at least one
sees the other, because a store lists what was written before; who sees another that lives withdraws. A claim lives
while its heartbeat changes. On the same machine a killed process is seen at once; elsewhere its claim is stale after
`ttl_s`.
"""

import contextlib
import json
import os
import random
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from fma_prep.dataset.storage import Store
from fma_prep.errors import FmaPrepError, NotFoundError, RunError, StorageError

__all__ = ["Lease"]

_FOLDER = "_lock"


class Lease:
    """The right to write into an OUTPUT, as a context.

    Parameters
    ----------
    store : Store
        Opened at the OUTPUT.
    ttl_s : float
        How long a claim from another machine is believed without a heartbeat.
    beat_s : float
        How often ours is renewed, and how long a stale claim is watched before it is taken over.

    Raises
    ------
    RunError
        Another one is at work: on entry, or from `check`.
    """

    def __init__(self, store: Store, ttl_s: float = 120.0, beat_s: float = 20.0) -> None:
        self._store, self._ttl_s, self._beat_s = store, ttl_s, beat_s
        self._owner = uuid.uuid4().hex
        self._path = f"{_FOLDER}/{self._owner}.json"
        self._beats = 0
        self._last_beat = 0.0
        self._lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        for attempt in range(1, 5):
            self._beat()
            try:
                rival = self._rival()
            except BaseException:
                self._withdraw()
                raise
            if rival is None:
                self._beat()  # the second one tells late comers that this is settled
                self._thread.start()
                return self
            self._withdraw()
            if rival["settled"] or attempt == 4:
                raise self._taken(rival)
            time.sleep(random.uniform(0.05, 0.5) * attempt)  # noqa: S311  # both came at once, both withdrew: draw lots
        raise AssertionError("the last attempt raises")

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if not self._lost:
            self._withdraw()

    def check(self) -> None:
        """Raise RunError if the claim was lost, as after a laptop slept longer than `ttl_s`."""
        if not self._lost and time.monotonic() - self._last_beat > self._ttl_s / 2:
            self._renew()
        if self._lost:
            lost = "another scraper has taken this folder over, because no sign of life came from here"
            raise RunError(lost, self._store.uri, "Stop the other one, or let it finish.")

    def _claim(self) -> dict[str, Any]:
        return {
            "owner": self._owner,
            "host": socket.gethostname(),
            "boot": _boot_id(),
            "pid": os.getpid(),
            "born": _born(os.getpid()),
            "beats": self._beats,
            "time": time.time(),
        }

    def _beat(self) -> None:
        self._beats += 1
        self._store.write(self._path, json.dumps(self._claim()).encode())
        self._last_beat = time.monotonic()

    def _renew(self) -> None:
        if not self._store.exists(self._path):
            self._lost = True
        else:
            self._beat()

    def _keep_alive(self) -> None:
        while not self._stop.wait(self._beat_s) and not self._lost:
            with contextlib.suppress(FmaPrepError):  # `check` notices if it stays so
                self._renew()

    def _withdraw(self) -> None:
        with contextlib.suppress(StorageError):
            self._store.delete(self._path)

    def _rival(self) -> dict[str, Any] | None:
        """Return the claim of another one that lives; delete those of the dead."""
        for entry in self._store.list(_FOLDER):
            if entry.path == self._path or not entry.path.endswith(".json"):
                continue
            claim = _read(self._store, entry.path)
            if claim is None:
                continue
            alive = _alive_here(claim)
            if alive is None:
                alive = self._alive_elsewhere(entry.path, claim)
            if alive:
                return claim | {"settled": claim["beats"] > 1}
            self._store.delete(entry.path)
        return None

    def _alive_elsewhere(self, path: str, claim: dict[str, Any]) -> bool:
        if abs(time.time() - claim["time"]) < self._ttl_s:
            return True
        self._stop.wait(self._beat_s * 1.5)  # its clock may be wrong: does the heartbeat change?
        later = _read(self._store, path)
        return later is not None and later["beats"] != claim["beats"]

    def _taken(self, rival: dict[str, Any]) -> RunError:
        who = f"process {rival['pid']} on {rival['host']}"
        ago_s = max(0.0, time.time() - rival["time"])
        return RunError(
            f"another scraper ({who}, last sign of life {ago_s:.0f} s ago) is at work here",
            self._store.uri,
            f"Wait for it, or stop it; if its machine is gone, its claim ends {self._ttl_s:.0f} s after that.",
        )


def _read(store: Store, path: str) -> dict[str, Any] | None:
    """Return a claim; None if it is gone. One that cannot be read counts as stale: its writer renews it if it lives."""
    try:
        claim = json.loads(store.read(path))
        return {
            "host": str(claim["host"]),
            "boot": str(claim["boot"]),
            "pid": int(claim["pid"]),
            "born": str(claim["born"]),
            "beats": int(claim["beats"]),
            "time": float(claim["time"]),
        }
    except NotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return {"host": "?", "boot": "?", "pid": 0, "born": "", "beats": 0, "time": 0.0}


def _alive_here(claim: dict[str, Any]) -> bool | None:
    """Say whether a process of this machine lives; None if the claim is another machine's."""
    if (claim["host"], claim["boot"]) != (socket.gethostname(), _boot_id()) or claim["pid"] <= 0:
        return None
    try:
        os.kill(claim["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it lives, and is another user's
    return bool(claim["born"] == _born(claim["pid"]))


def _boot_id() -> str:
    """Return what tells two machines, two boots and two containers of one name apart, where the system says so."""
    parts = []
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            parts.append(Path(path).readlink().name if path.endswith("pid") else Path(path).read_text().strip())
    return " ".join(parts)


def _born(pid: int) -> str:
    """Return when a process began, in ticks since boot, so that a number used again does not deceive; else ""."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""
