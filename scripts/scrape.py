"""Stage tracks of the Free Music Archive, or of the embedded fixture site, in a folder, S3 or HDFS."""

from fma_prep.command import finish
from fma_prep.scrape.command import scrape

if __name__ == "__main__":
    finish(scrape)
