"""Stage a folder of your own audio, with its licences, in a folder, S3 or HDFS."""

from fma_prep.command import finish
from fma_prep.scrape.stage_command import stage_folder

if __name__ == "__main__":
    finish(stage_folder)
