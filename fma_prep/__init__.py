"""Music in, a mu-law training set out.

The pipeline, in reading order::

    scrape.crawl       Free Music Archive pages -> tracks in a store, with a ledger  (or scrape.archives, a folder)
    dataset.storage    a folder, S3 or HDFS behind one small interface
    dataset.plan       tracks -> partitions of about equal bytes
    audio.decode       encoded bytes -> blocks of one channel, and what was wrong with them
    audio.resample     44.1 kHz -> 8 kHz, as matrix products
    audio.mulaw        samples -> 256 levels
    audio.subband      or MP3 straight to 8 kHz, without the samples in between
    audio.digitize     decode, resample, quantise, in a row
    dataset.shards     codes -> a pickle shard and its commit record
    dataset.manifest   commit records -> what became of every track
    dataset.reading    the dataset, back as arrays or as training windows
    report.page        the dataset as a page to look at and listen to

`jobs/digitize.py` is the same, as a Spark job, with its plumbing in `spark`; `emr` ships and submits it; `benchmark`
measures it beside the original pipeline and the alternatives.
"""

import os
import platform
from pathlib import Path

__version__ = "0.1.0"


def _blas_kernel() -> str | None:
    """Return the OpenBLAS kernel that every usual CPU of this architecture has, or None to leave the choice to it.

    Left alone, it takes another kernel on another CPU model, which sums in another order: some codes move by one.
    """
    if platform.machine() == "aarch64":
        return "ARMV8"
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        return None
    return "Haswell" if {"avx2", "fma"} <= set(flags) else None


# Must be set before numpy is loaded. Whatever a node's profile says: the codes are a promise.
if _kernel := _blas_kernel():
    os.environ["OPENBLAS_CORETYPE"] = _kernel
