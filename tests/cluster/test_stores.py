"""The contract of stores on real HDFS, as another user than the daemons'; and who we are there."""

import uuid

import pytest

from fma_prep.dataset.storage import open_store
from fma_prep.errors import RefusedError
from tests.dataset.store_contract import StoreContract


@pytest.fixture
def submitter(hadoop, monkeypatch):
    """Make this process what a worker is: told the cluster's settings, and for whom it works."""
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hadoop.work / "master/conf"))
    monkeypatch.setenv("SPARK_USER", "hadoop")
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    yield
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)  # the store has set it


class TestHdfs(StoreContract):
    names = tuple(n for n in StoreContract.names if ":" not in n)  # which HDFS itself forbids, in any name

    @pytest.fixture
    def store(self, submitter):  # noqa: ARG002
        return open_store(f"hdfs:///user/hadoop/store #{uuid.uuid4()}", create=True)


def test_a_refused_write_is_one_sentence_that_names_who_asked(submitter):
    store = open_store("hdfs:///user/stranger")
    with pytest.raises(RefusedError, match="Permission denied: user=hadoop, access=WRITE") as caught:
        store.write("x", b"x")
    assert "\n" not in str(caught.value)
    assert "at org.apache" not in str(caught.value)


def test_files_belong_to_the_submitter_not_to_the_worker(hadoop, submitter):
    open_store("hdfs:///user/hadoop").write("mine", b"x")
    assert " hadoop " in hadoop.hdfs("-ls /user/hadoop/mine")
