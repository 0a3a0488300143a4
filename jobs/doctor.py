"""Say what would keep digitize.py from working here: driver and executors, S3 and HDFS, packages and clocks.

python jobs/doctor.py INPUT OUTPUT              on a laptop
spark-submit … jobs/doctor.py INPUT OUTPUT      anywhere, with the options that digitize.py will get
"""

import sys

try:
    if sys.version_info < (3, 11):  # noqa: UP036  # this is how an old one gets to hear of it
        raise ImportError("Python %d.%d is too old" % sys.version_info[:2])  # noqa: UP031
    from fma_prep.command import finish
    from fma_prep.spark.doctor import main
except ImportError as e:
    sys.exit(
        "doctor.py: %s. Run it with Python 3.11 (spark.pyspark.python=/usr/bin/python3.11) and ship the archive: "  # noqa: UP031
        "--archives dist/fma_prep-x86_64.tar.gz#deps with PYTHONPATH=./deps." % e
    )

if __name__ == "__main__":
    finish(main)
