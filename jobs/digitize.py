"""Turn a folder of audio into a mu-law training set: an RDD of file paths, mapped to pickle shards.

python jobs/digitize.py INPUT OUTPUT              on a laptop: finds Java, sets the workers' Python
spark-submit … jobs/digitize.py INPUT OUTPUT      anywhere
"""

import sys
from functools import partial

try:
    if sys.version_info < (3, 11):  # noqa: UP036  # this is how an old one gets to hear of it
        raise ImportError("Python %d.%d is too old" % sys.version_info[:2])  # noqa: UP031
    from fma_prep.audio.digitize import require
    from fma_prep.clock import Clock
    from fma_prep.command import digitize_parser, finish, recipe_of
    from fma_prep.dataset import provenance
    from fma_prep.dataset.manifest import begin
    from fma_prep.dataset.plan import plan
    from fma_prep.dataset.storage import list_input, open_store, refuse_inside
    from fma_prep.spark.closing import closing_table, require_ok
    from fma_prep.spark.doctor import preflight, refuse_local_paths
    from fma_prep.spark.pipeline import digitize_track, identity, write_shard
    from fma_prep.spark.progress import Progress
    from fma_prep.spark.read_ahead import read_ahead
    from fma_prep.spark.session import session
except ImportError as e:
    sys.exit(
        "digitize.py: %s. Run it with Python 3.11 (spark.pyspark.python=/usr/bin/python3.11) and ship the archive: "  # noqa: UP031
        "--archives dist/fma_prep-x86_64.tar.gz#deps with PYTHONPATH=./deps." % e
    )


def main() -> None:
    """Plan, digitise what is left to do, and write down what became of every track."""
    options, clock = digitize_parser().parse_args(), Clock()
    recipe, storage = recipe_of(options), options.storage_options
    require(recipe)
    refuse_inside(options.output, options.input)
    with session("fma_prep digitize", options.master) as spark:
        refuse_local_paths(spark.master, options.input, options.output)
        with clock("list"):
            source, listed, others = list_input(options.input, storage["input"])
        known = provenance.load(source)
        tracks = provenance.permitted(listed, known, options.licence)
        preflight(spark, options.input, options.output, storage, tracks[0].path if tracks else None)
        output = open_store(options.output, storage["output"], create=True)
        run = begin(output, recipe, options.input, tracks, overwrite=options.overwrite)
        todo = run.left(plan(tracks, options.partitions, spark.defaultParallelism))
        partitions, bins = [n for n, _ in todo], [bin_ for _, bin_ in todo]
        with Progress(spark, sum(map(len, bins)), partial(run.checkpoint, known)) as progress:
            (
                spark.parallelize(bins, max(1, len(bins)))  # one bin of file paths a partition
                .flatMap(identity)  # an RDD of file paths
                .mapPartitions(partial(read_ahead, source, provenance.cut_short(tracks, known)))  # bytes, ahead of need
                .map(partial(digitize_track, recipe, options.track_timeout))  # codes, or why not
                .mapPartitionsWithIndex(partial(write_shard, run.target, partitions, progress.tally))
                .collect()  # one pickle shard and its commit record a partition
            )
        summary = run.finish(known, max_failed=options.max_failed, clock=clock)
        skipped = {"other files skipped": len(others), "left out by licence": len(listed) - len(tracks)}
        print(closing_table(summary, output.uri, skipped, progress.tally.value, progress.elapsed_s))
        require_ok(summary, output.uri, options.max_failed)


if __name__ == "__main__":
    finish(main)
