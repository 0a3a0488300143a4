"""What is published comes from a long run, and says what its figures say."""

import pytest

from fma_prep.benchmark.publish import publish, text
from fma_prep.errors import UsageError
from tests.benchmark.made import results


def test_a_smoke_run_is_not_published(tmp_path):
    with pytest.raises(UsageError, match="four hours"):
        publish(results(smoke=True), tmp_path)
    short = {**results()["corpus"], "audio_s": 600.0}
    with pytest.raises(UsageError, match="four hours"):
        publish(results(corpus=short), tmp_path)


def test_the_page_says_what_was_measured():
    page = text({**results(), "started": 1.7e9}, "| a simulation |")
    assert "At local[1] the original takes 10.00 (10.00 to 10.00) times as long as fma_prep" in page
    assert "`digitize` alone, without Spark: 500 times real time per core." in page
    assert "| m4.xlarge | 4 | 196.20 | 3.58 |" in page
    assert f"| fma_full, 106,574 songs | 8,232 | {343 * 24 / (14_400 / 9):,.2f} |" in page
    assert "Measured 2023-11-14" in page
    assert "None" not in page
    assert "{{" not in page
