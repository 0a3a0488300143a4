"""One cluster for all tests of this folder, started when the first asks for it."""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cluster import downloads, nodes
from tests.cluster.hadoop import Hadoop
from tests.cluster.submitting import Submitter
from tests.s3.servers import start_gateway, start_moto


def pytest_report_header():
    """Say what the nodes are kept apart by."""
    apart = "processes, files, network, host name and user" if nodes.APART else "nothing: nodes share this machine's"
    return f"cluster nodes are kept apart by: {apart}"


@pytest.fixture(scope="session")
def work():
    """A folder on a disk that other users may enter; it goes at the end."""
    for left in Path("/var/tmp").glob("fma_prep-cluster-*/.lock"):  # of runs that were killed: nobody holds theirs
        with left.open() as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="fma_prep-cluster-", dir="/var/tmp"))
    folder.chmod(0o755)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def hadoop(work):
    """The cluster."""
    cluster = Hadoop(work)
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        if "-v" in sys.argv:
            print((work / "master/resourcemanager.log").read_text()[-2000:])


@pytest.fixture(scope="session")
def ship(work):
    """What a submitter has, in the folder that all nodes see: the archive, the jobs, the bootstrap action."""
    shared = work / "shared"
    shared.mkdir(exist_ok=True)
    shutil.copy(downloads.archive(), shared)
    for folder in ("jobs", "bootstrap"):
        shutil.copytree(downloads.ROOT / folder, shared / folder)
    return shared


@pytest.fixture(scope="session")
def archive_sha256():
    """Of the archive in `ship`."""
    with downloads.archive().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="session")
def s3(work):
    """A real S3 gateway outside the cluster, or moto where there is no Go to build one."""
    start = start_gateway if downloads.versitygw() else start_moto
    server = start(work / "s3", nodes.OUTSIDE)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def submit(hadoop, ship, work):
    """Submit a job to YARN, and wait for it."""
    # for drivers in client mode, where only the master sees it: Spark hands a driver's PYTHONPATH to executors
    deps = work / "master/deps"
    deps.mkdir()
    subprocess.run(["tar", "-xzf", downloads.archive(), "-C", deps], check=True)  # no filters before Python 3.11.4
    return Submitter(hadoop, ship)


@pytest.fixture(scope="session")
def as_hadoop(hadoop):
    """Make this process a client of the cluster, as the user `hadoop`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HADOOP_CONF_DIR", str(hadoop.work / "master/conf"))
        patch.setenv("HADOOP_USER_NAME", "hadoop")
        yield
