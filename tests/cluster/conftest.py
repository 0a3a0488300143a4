"""One cluster for all tests of this folder, started when the first asks for it."""

import hashlib
import shutil
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
    folder = Path(tempfile.mkdtemp(prefix="fma_prep-cluster-", dir="/var/tmp"))
    folder.chmod(0o755)
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
    shutil.unpack_archive(downloads.archive(), shared / "deps", filter="data")  # for drivers outside of the cluster
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
def submit(hadoop, ship):
    """Submit a job to YARN, and wait for it."""
    return Submitter(hadoop, ship)


@pytest.fixture(scope="session")
def as_hadoop(hadoop):
    """Make this process a client of the cluster, as the user `hadoop`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HADOOP_CONF_DIR", str(hadoop.work / "master/conf"))
        patch.setenv("HADOOP_USER_NAME", "hadoop")
        yield
