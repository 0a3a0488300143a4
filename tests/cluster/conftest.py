"""One cluster for all tests of this folder, started when the first asks for it."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cluster import nodes
from tests.cluster.hadoop import Hadoop


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
