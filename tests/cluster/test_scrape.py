"""The scraper into real HDFS, which cannot append either: the same result as on the local disk."""

import uuid

from tests.cluster.test_stores import submitter  # noqa: F401  # a fixture
from tests.scrape.store_runs import scrapes_as_onto_the_local_disk


def test_scraping_into_hdfs_is_as_onto_the_local_disk(submitter, tmp_path):  # noqa: F811
    scrapes_as_onto_the_local_disk(f"hdfs:///user/hadoop/scraped-{uuid.uuid4()}", {}, tmp_path)
