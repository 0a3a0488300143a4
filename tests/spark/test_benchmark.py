"""The benchmark, run for real on seconds of sound: what it says of times is noise, of codes it is the truth."""

import contextlib
import os
import subprocess
from pathlib import Path

import pyspark
import pytest

from fma_prep.benchmark import corpus
from fma_prep.benchmark.analysis import rows, tables
from fma_prep.benchmark.run import Settings, benchmark
from fma_prep.spark.java import find_java_home
from tests.cluster.nodes import free_port, wait_for_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """A cluster of one worker on this machine, by Spark's own cluster manager; yields its URL."""
    folder, home = tmp_path_factory.mktemp("standalone"), Path(pyspark.__file__).parent
    (core_jar,) = home.glob("jars/spark-core_*.jar")
    scala = core_jar.name.removeprefix("spark-core_").partition("-")[0]  # as Spark's start scripts find out
    env = {**os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala, "SPARK_LOCAL_IP": "127.0.0.1"}
    java = [find_java_home() / "bin/java", "-Xmx256m", "-cp", f"{home}/jars/*"]
    port = free_port()
    url, here = f"spark://127.0.0.1:{port}", ["--host", "127.0.0.1", "--webui-port", "0"]
    commands = [
        [*java, "org.apache.spark.deploy.master.Master", *here, "--port", str(port)],
        [*java, "org.apache.spark.deploy.worker.Worker", *here, "--cores", "1", "--work-dir", folder, url],
    ]
    with contextlib.ExitStack() as stack, (folder / "log").open("wb") as log:
        for command in commands:
            process = stack.enter_context(subprocess.Popen(command, env=env, stdout=log, stderr=log))
            stack.callback(process.kill)
            wait_for_port("127.0.0.1", port, process, folder / "log")
        yield url


@pytest.fixture(scope="module")
def results(tmp_path_factory, master):
    folder = tmp_path_factory.mktemp("benchmark")
    tracks = corpus.make(folder, corpus.planned(12, 3, seed=0), 1)
    settings = Settings(tracks, folder, folder / "work", ("fma_prep", "original"), ("2",), master, 1, smoke=True)
    return benchmark(settings)


def test_both_have_the_same_codes(results):
    codes = results["codes"]
    assert {name: (found["tracks"], found["missing"], found["length"]) for name, found in codes.items()} == {
        "fma_prep": (4, 0, 0),
        "original": (4, 0, 0),
    }
    assert codes["fma_prep"]["identical"] == 1
    assert codes["original"]["within_one"] > 0.999


def test_all_that_ran_was_counted(results):
    for row in rows(results):
        assert row.wall_s.median > row.start_s.median / 2
        assert row.cpu_s.median > 2
        assert row.peak_bytes > 100e6
    ours, original = (row for row in rows(results) if row.workers == "2")
    assert original.output_bytes > 4 * ours.output_bytes


def test_a_cluster_is_measured_too(results, master):
    found = {row.contender: row for row in rows(results) if row.workers == master}
    assert set(found) == {"fma_prep", "original"}
    ours = next(row for row in rows(results) if row.workers == "2")
    assert found["fma_prep"].output_bytes == pytest.approx(ours.output_bytes, rel=0.2)


def test_stages_and_tracks_are_measured(results):
    whole = next(run for run in results["runs"] if (run["contender"], run["kind"]) == ("fma_prep", "whole"))
    assert {"read", "decode", "resample", "quantize"} <= set(whole["stages"])
    assert set(whole["driver_stages"]) == {"list", "commit"}
    assert 0 < sum(whole["driver_stages"].values()) < whole["wall_s"]
    assert len(results["alone"]["digitize"]["tracks"]) == 4
    assert "A smoke run" in tables(results)
