"""The scraper into S3, by moto's server."""

import pytest

from tests.s3.servers import ROOT_KEY, ROOT_SECRET, start_moto
from tests.scrape.store_runs import scrapes_as_onto_the_local_disk


@pytest.fixture
def moto(tmp_path):
    server = start_moto(tmp_path)
    yield server
    server.stop()


@pytest.mark.slow
def test_scraping_into_s3_is_as_onto_the_local_disk(moto, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    moto.client().create_bucket(Bucket="music")
    scrapes_as_onto_the_local_disk("s3://music/staged", {"endpoint_url": moto.endpoint}, tmp_path)
