"""The scraper into S3, by moto's server."""

import json
import zipfile

import pytest

from fma_prep.dataset import provenance
from fma_prep.dataset.storage import open_store
from fma_prep.scrape.stage_command import stage_fma
from tests.s3.servers import ROOT_KEY, ROOT_SECRET, start_moto
from tests.scrape.store_runs import scrapes_as_onto_the_local_disk
from tests.scrape.test_staging import make_zip

pytestmark = pytest.mark.slow


@pytest.fixture
def moto(tmp_path, monkeypatch):
    """A server with an empty bucket named music, and this process as its user."""
    server = start_moto(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server.client().create_bucket(Bucket="music")
    yield server
    server.stop()


def test_a_zip_in_s3_is_staged_into_s3(moto, tmp_path, capsys):
    songs = {number: b"ID3" + bytes([number]) * 4_000_000 for number in range(2, 7)}  # more than one range request
    made = make_zip(tmp_path / "fma_small.zip", songs, zipfile.ZIP_STORED)
    moto.client().upload_file(made, "music", "zips/fma_small.zip")
    options = {side: {"endpoint_url": moto.endpoint} for side in ("input", "output")}
    arguments = ["s3://music/zips/fma_small.zip", "s3://music/staged", "--storage-options", json.dumps(options)]
    assert stage_fma(arguments) == 0
    store = open_store("s3://music/staged", options["output"])
    assert {path: known["bytes"] for path, known in provenance.load(store).items()} == {
        f"000/{number:06d}.mp3": len(content) for number, content in songs.items()
    }
    assert store.read("000/000005.mp3") == songs[5]
    assert stage_fma(arguments) == 0
    assert "5 more were there already" in capsys.readouterr().out


def test_scraping_into_s3_is_as_onto_the_local_disk(moto, tmp_path):
    scrapes_as_onto_the_local_disk("s3://music/staged", {"endpoint_url": moto.endpoint}, tmp_path)
