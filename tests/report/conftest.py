"""One dataset for all tests of the report: they only read it."""

import pytest

from tests.report.datasets import make_dataset, make_tracks


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Return the folder of a dataset of four tracks that are done and two that failed."""
    folder = tmp_path_factory.mktemp("report")
    make_tracks(folder / "tracks")
    return make_dataset(folder / "tracks", folder / "dataset")
