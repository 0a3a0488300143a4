"""A real S3 gateway, where there is a Go to build it with; else these tests are skipped, and say so."""

import pytest
from s3fs import S3FileSystem

from tests.cluster.downloads import versitygw
from tests.s3.servers import start_gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """The gateway, with one bucket of music."""
    if versitygw() is None:
        pytest.skip("there is no Go here to build the S3 gateway versitygw with")
    server = start_gateway(tmp_path_factory.mktemp("gateway"))
    yield server
    server.stop()


@pytest.fixture
def bucket(gateway):
    """A new bucket."""
    name = f"bucket-{len(gateway.client().list_buckets()['Buckets'])}"
    gateway.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def act_as(gateway, monkeypatch):
    """Return a function that makes this process a user, by the standard chain of credentials."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def become(user="rootkey"):
        for name, value in gateway.environment(user).items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()  # one lives a process, and knows who it was made for

    become()
    return become
