"""A dataset in HDFS: training windows in other processes, as a DataLoader starts them, and the report page."""

import multiprocessing
import uuid

import pytest

from fma_prep.dataset import read_dataset, windows
from fma_prep.dataset.storage import open_store
from fma_prep.errors import StorageError
from fma_prep.report import command as report
from tests.cluster.test_stores import submitter  # noqa: F401
from tests.dataset.made import digitized
from tests.dataset.test_reading import make


def sums(data):
    return [int(w.codes.sum()) for w in data]


def test_windows_in_workers(submitter):  # noqa: F811
    uri = f"hdfs:///user/hadoop/set {uuid.uuid4()}"
    make(open_store(uri, create=True), {f"{i}.mp3": digitized(i, 5000) for i in range(5)})
    assert len(list(read_dataset(uri))) == 5
    data = windows(uri, 100)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        shares = pool.map_async(sums, [data.worker(i, 2) for i in range(2)]).get(60)
    assert sorted(shares[0] + shares[1]) == sorted(sums(data))
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(StorageError, match="spawn"):
        pool.map_async(sums, [data]).get(60)  # where the client would hang


def test_the_report_page_goes_into_the_dataset(submitter, capsys):  # noqa: F811
    uri = f"hdfs:///user/hadoop/set {uuid.uuid4()}"
    make(open_store(uri, create=True), {f"{i}.mp3": digitized(i, 20_000) for i in range(3)})
    report.main([uri])
    assert capsys.readouterr().out == f"Report: {uri}/_report.html\n"
    assert open_store(uri).read("_report.html").count(b"<audio") == 3
