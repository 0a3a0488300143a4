"""Local masters retry, as clusters do."""

import pytest

from fma_prep.spark.session import local_master


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("local", "local[1,4]"),
        ("local[2]", "local[2,4]"),
        ("local[*]", "local[*,4]"),
        ("local[2,7]", "local[2,7]"),
        ("yarn", "yarn"),
        ("spark://host:7077", "spark://host:7077"),
    ],
)
def test_local_masters_retry(given, taken):
    assert local_master(given) == taken
