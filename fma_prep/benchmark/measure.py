"""What a command costs: wall time, processor time of all it started, and peak memory.

``python -m fma_prep.benchmark.measure RESULT COMMAND…`` runs a command and writes the figures to a JSON file. It is a
process of its own, because it adopts every orphan of the command: Spark leaves its workers to whoever is there.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fma_prep.errors import RunError

__all__ = ["Measured", "measure", "run_measured"]

_SAMPLE_S = 0.1
_ORPHANS_MAY_TAKE_S = 20.0
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
_PROC = Path("/proc")


@dataclass(frozen=True)
class Measured:
    """What one run of a command cost.

    Attributes
    ----------
    wall_s : float
        From its start until the command itself ended.
    cpu_s : float
        User and system time of the command and all its descendants, orphans included (on Linux).
    peak_bytes : int or None
        Largest sum, over the processes alive at one time, of memory, shared pages counted once; sampled ten times a
        second. None where there is no ``/proc``.
    others_cpu_s : float or None
        Processor time that the rest of the machine, and its hypervisor, used meanwhile: over a few seconds, and the run
        was disturbed.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int | None
    others_cpu_s: float | None


def run_measured(
    command: Sequence[str], *, result: Path, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Measured:
    """Run `command` in a measuring process, and return what it cost.

    Parameters
    ----------
    command : sequence of str
    result : Path
        Where the figures pass through.
    env : mapping, optional
        The command's environment; by default this process's.
    log : Path, optional
        Takes what it prints.

    Raises
    ------
    RunError
        If it fails.
    """
    result.unlink(missing_ok=True)
    with Path(log or os.devnull).open("wb") as sink:
        status = subprocess.run(  # noqa: S603  # the benchmark's own commands
            [sys.executable, "-m", __name__, str(result), *command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            check=False,
        ).returncode
    if status:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] if log else []
        raise RunError(f"ended with exit status {status}", " ".join(command), f"It said: {''.join(last)}")
    return Measured(**json.loads(result.read_text()))


def measure(command: Sequence[str]) -> tuple[int, Measured]:
    """Run `command` as a child of this process; return its exit status and its cost."""
    _adopt_orphans()
    watch = _Watch()
    busy_s, own_s = _machine_busy_s(), time.process_time()
    start = time.perf_counter()
    child = subprocess.Popen(command)  # noqa: S603  # what the caller gave
    with watch:
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)  # or Popen waits for it in its destructor
        orphans_s = _reap_orphans(watch)
    cpu_s = usage.ru_utime + usage.ru_stime + orphans_s + sum(watch.lost_s.values())
    known_s = cpu_s + time.process_time() - own_s  # watching costs something too
    busy_s = None if busy_s is None else max(0.0, (_machine_busy_s() or 0.0) - busy_s - known_s)
    return child.returncode, Measured(wall_s, cpu_s, watch.peak_bytes or None, busy_s)


class _Watch:
    """Watches this process's descendants in a thread, where there is ``/proc``.

    Attributes
    ----------
    peak_bytes : int
        Of their memory together.
    lost_s : dict
        Processor time, by process id, of those whose parent ignores SIGCHLD, as pyspark's daemon does: the kernel drops
        it when they end.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.lost_s: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        if _PROC.is_dir():
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            children = _children()
            found = _below(os.getpid(), children)
            self.peak_bytes = max(self.peak_bytes, sum(map(_memory_bytes, found)))
            for parent in filter(_waits_for_nobody, found):
                self.lost_s |= {pid: cpu_s for pid in children.get(parent, ()) if (cpu_s := _cpu_s(pid)) is not None}


def _children() -> dict[int, list[int]]:
    """Return the ids of the processes there are, by that of their parent."""
    found: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        if stat := _stat(int(entry.name)):
            found.setdefault(int(stat[1]), []).append(int(entry.name))
    return found


def _below(root: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    found: list[int] = []
    queue = [root]
    while queue:
        under = children.get(queue.pop(), ())
        found += under
        queue += under
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of proc_pid_stat(5) from the third on; none if the process has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_s(pid: int) -> float | None:
    """Return the user and system time of a process and of the children that it waited for."""
    stat = _stat(pid)
    return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK") if stat else None


def _waits_for_nobody(pid: int) -> bool:
    """Return whether a process ignores SIGCHLD."""
    try:
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return False
    ignored = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:")), 0)
    return bool(ignored >> (signal.SIGCHLD - 1) & 1)


def _memory_bytes(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # it ended, or is not ours
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _reap_orphans(watch: _Watch) -> float:
    """Wait for the children that this process adopted; return their processor time in seconds."""
    cpu_s, patience = 0.0, time.monotonic() + _ORPHANS_MAY_TAKE_S
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return cpu_s
        if pid:
            cpu_s += usage.ru_utime + usage.ru_stime
            watch.lost_s.pop(pid, None)
        elif time.monotonic() > patience:  # they would run for ever
            for orphan in _below(os.getpid(), _children()):
                os.kill(orphan, signal.SIGKILL)
        else:
            time.sleep(0.01)


def _machine_busy_s() -> float | None:
    """Return the seconds that all processors together have been busy or taken away since the machine started."""
    try:
        first = (_PROC / "stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    _status, _measured = measure(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(asdict(_measured)))
    sys.exit(_status if _status >= 0 else 128 - _status)
