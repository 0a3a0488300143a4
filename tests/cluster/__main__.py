"""Run the cluster tests in a place apart: ``python -m tests.cluster [pytest options]``, which is ``make test-cluster``.

The tests run in namespaces of their own (processes, mounts, network, host name), of which pytest is the first process.
When that ends, however it ends, the kernel kills every daemon and takes the namespaces away: there is no other reaper,
and none is needed. The network has no way out, so nothing in these tests can reach the internet.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster import downloads

WORLD = "FMA_PREP_CLUSTER_WORLD"  # in the environment of the tests: what could be set apart here
_NAMESPACES = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
_PDEATHSIG = 1  # PR_SET_PDEATHSIG of linux/prctl.h
BRIDGE = "10.77.0.1"
USERS = {"hdfs": 60001, "yarn": 60002, "hadoop": 60003, "stranger": 60004}


def main() -> None:
    """Fetch, go apart, and become pytest."""
    if sys.argv[1:2] == ["--inside"]:
        _inside(sys.argv[2:])
    os.chdir(downloads.ROOT)
    downloads.everything()
    me = [sys.executable, "-m", "tests.cluster", "--inside", *sys.argv[1:]]
    for prefix in ([], ["sudo", "-n", "-E"]):
        unshare = [*prefix, "unshare", *_NAMESPACES]
        if os.environ.get(WORLD) != "none" and shutil.which(unshare[0]) and _can([*unshare, "true"]):
            # PYTHONPATH by env: sudo may drop it
            sys.exit(_apart([*unshare, "env", f"PYTHONPATH={downloads.ROOT}", f"{WORLD}=apart", *me]))
    print("cluster tests: this machine forbids namespaces: nodes share its files, network and user", file=sys.stderr)
    os.environ[WORLD] = "none"
    os.execv(sys.executable, [sys.executable, *_pytest(sys.argv[1:])])  # noqa: S606


def _apart(unshare: list[str]) -> int:
    """Run it, and end it with this process, whatever ends this one: unshare itself heeds SIGKILL only."""
    process = subprocess.Popen(unshare, preexec_fn=_die_with_parent)  # noqa: PLW1509  # there are no threads yet
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pytest gets it too, and says how far it came
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: process.kill())
    return 0 if process.wait() == 0 else 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _can(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def _inside(arguments: list[str]) -> None:
    """Set up the network's hub and the users, and become pytest."""
    _sh("ip link set lo up; ip link add br0 type bridge; ip addr add $0/24 dev br0; ip link set br0 up", BRIDGE)
    _sh("mount -t tmpfs -o mode=755 none /mnt")
    etc = Path("/mnt/etc")
    etc.mkdir()
    for name, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/bin/bash\n"), ("group", "{0}:x:{1}:\n")):
        added = "".join(line.format(user, uid) for user, uid in USERS.items())
        taken = [t for t in Path("/etc", name).read_text().splitlines() if t.partition(":")[0] not in USERS]
        (etc / name).write_text("\n".join(taken) + "\n" + added)
        _sh("mount --bind $0 $1", str(etc / name), f"/etc/{name}")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {os.uname().nodename}\n{BRIDGE} outside\n")
    _sh("mount --bind $0 /etc/hosts", str(etc / "hosts"))
    # a machine's proxy is not for here, nor its credentials
    for name in [n for n in os.environ if n.lower().endswith("_proxy") or n.startswith("AWS_")]:
        del os.environ[name]
    os.execv(sys.executable, [sys.executable, *_pytest(arguments)])  # noqa: S606


def _sh(script: str, *arguments: str) -> None:
    subprocess.run(["sh", "-ec", script, *arguments], check=True)


def _pytest(arguments: list[str]) -> list[str]:
    paths = [] if any("test_" in a and not a.startswith("-") for a in arguments) else ["tests/cluster"]
    return ["-m", "pytest", *paths, *arguments]


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
