"""The original pipeline as a Spark job, the yardstick: an RDD of file paths, mapped to codes, saved as pickles.

python jobs/original.py INPUT OUTPUT [--master local[2]]
python jobs/original.py --extract OUTPUT FOLDER         one file of codes a track, to compare
"""

import argparse
import os
import sys
from pathlib import Path

try:
    if sys.version_info < (3, 11):  # noqa: UP036  # this is how an old one gets to hear of it
        raise ImportError("Python %d.%d is too old" % sys.version_info[:2])  # noqa: UP031
    import numpy as np
    from numpy.typing import NDArray

    from fma_prep.audio.original import original
    from fma_prep.command import finish
    from fma_prep.spark.session import session
except ImportError as e:
    sys.exit("original.py: %s. Run it with Python 3.11 in the environment of fma_prep that `make install` makes." % e)  # noqa: UP031

Record = tuple[str, NDArray[np.int64]]


def digitize(root: Path, track: Path) -> Record:
    """Return a track's name and its codes."""
    with track.open("rb") as stream:
        return track.relative_to(root).as_posix(), original(stream)


def save(folder: Path, record: Record) -> None:
    """Write the codes of one track, a byte each."""
    path = folder / f"{record[0]}.codes"
    path.parent.mkdir(parents=True, exist_ok=True)
    record[1].astype(np.uint8).tofile(path)


def main() -> None:
    """Run either."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--master", default="local[*]")
    parser.add_argument("--extract", action="store_true")
    options = parser.parse_args()
    source, target = options.input.resolve(), options.output.resolve()
    os.environ.setdefault("SPARK_DRIVER_MEMORY", "6g")  # ten tracks of int64 are one pickle: Spark's 1 GB is not enough
    with session("original", options.master) as spark:
        if options.extract:
            spark.pickleFile(source.as_uri()).foreach(lambda record: save(target, record))
        else:
            tracks = sorted(source.rglob("*.mp3"))
            spark.parallelize(tracks).map(lambda track: digitize(source, track)).saveAsPickleFile(target.as_uri())


if __name__ == "__main__":
    finish(main)
