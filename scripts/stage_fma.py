"""Stage a zip of the published FMA data set in a folder, S3 or HDFS."""

from fma_prep.command import finish
from fma_prep.scrape.stage_command import stage_fma

if __name__ == "__main__":
    finish(stage_fma)
