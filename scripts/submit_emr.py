"""Run digitize.py on EMR: python scripts/submit_emr.py s3://…/music s3://…/dataset --bucket BUCKET."""

from fma_prep.command import finish
from fma_prep.emr.submit import main

finish(main)
