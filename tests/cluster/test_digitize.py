"""The digitise job, unchanged, on a real cluster: what the first team could not do."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fma_prep.dataset.storage import open_store
from tests.cluster import corpus, downloads
from tests.cluster.nodes import APART

ARGUMENTS = ("--partitions", str(corpus.PARTITIONS), "--max-failed", "0.1")
IN = "hdfs:///user/hadoop/music #1"


@pytest.fixture(scope="module")
def tracks(hadoop, as_hadoop, work):
    """The corpus on HDFS; returns its local copy."""
    folder = corpus.make(work / "music #1", colons=False)
    corpus.copy(folder, open_store(IN, create=True))
    return folder


def run_locally(folder: Path, out: Path, *arguments: str) -> dict:
    """Run the same job file as a laptop would; return the manifest."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HADOOP", "SPARK"))}
    env["PYTHONPATH"] = str(downloads.ROOT)
    job = [
        sys.executable,
        downloads.ROOT / "jobs/digitize.py",
        folder,
        out,
        "--master",
        "local[2]",
        *(arguments or ARGUMENTS),
    ]
    done = subprocess.run(job, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return corpus.check(str(out))


@pytest.fixture(scope="module")
def local(tracks, work):
    """What the laptop makes of it: every other way must give exactly this."""
    found = run_locally(tracks, work / "local-out")
    assert sum(line["status"] == "done" for line in found.values()) == corpus.DISTINCT * corpus.TIMES
    assert found["broken.mp3"]["status"] == "failed"
    return found


def commits(uri: str) -> set[str]:
    return {e.path for e in open_store(uri).list("_commits") if e.path.endswith(".json")}


def spread(uri: str) -> set[str]:
    """Return the hosts that wrote shards."""
    store = open_store(uri)
    return set(re.findall(r'"host": ?"([^"]+)"', "".join(store.read(c).decode() for c in commits(uri))))


def wait_for_commits(uri: str, count: int, process: subprocess.Popen, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while len(commits(uri)) < count:
        assert process.poll() is None, "it ended before it was half-way"
        assert time.monotonic() < end, f"no {count} commits within {seconds} s"
        time.sleep(0.1)


def test_a_f_h_from_hdfs_to_hdfs_with_the_archive_shipped_and_the_same_records_as_on_a_laptop(submit, local):
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/a", *ARGUMENTS)
    assert done.status == 0, done.log
    assert corpus.check("hdfs:///user/hadoop/a") == local  # shard names too, and these hold a hash of the content
    if APART:
        assert spread("hdfs:///user/hadoop/a") == {"core1", "core2"}
    assert " hadoop " in submit.hadoop.hdfs("-ls /user/hadoop/a/_SUCCESS")
    again = submit("digitize.py", IN, "hdfs:///user/hadoop/a", *ARGUMENTS)
    assert again.status == 0, again.log
    assert corpus.check("hdfs:///user/hadoop/a") == local


def test_the_time_it_takes_on_two_nodemanagers_and_on_two_local_workers(submit, as_hadoop, work, measured):
    folder, music, out = work / "hours", "hdfs:///user/hadoop/hours", "hdfs:///user/hadoop/hours-out"
    seconds = corpus.make_hours(folder)
    corpus.copy(folder, open_store(music, create=True))
    options = ("--partitions", "6")  # of 64 MB each, as partitions usually are
    run_locally(folder, work / "hours-local", *options)
    done = submit("digitize.py", music, out, *options)
    assert done.status == 0, done.log
    here, there = corpus.span_s(str(work / "hours-local")), corpus.span_s(out)
    measured.append(
        f"{seconds / 3600:.1f} h on YARN with two NodeManagers {there:.1f} s, in local[2] {here:.1f} s: "
        f"{there / here:.2f} times"
    )


@pytest.mark.skipif(not APART, reason="this machine forbids namespaces, and /opt is its own")
def test_b_with_the_archive_installed_by_the_bootstrap_action_on_each_node(submit, hadoop, s3, local, archive_sha256):
    s3.client().create_bucket(Bucket="bootstrap")
    name = downloads.archive().name
    s3.client().upload_file(str(downloads.archive()), "bootstrap", name)
    script = "/mnt/shared/bootstrap/install.sh"
    for node in hadoop.nodes:
        done = node.run(["bash", script, f"s3://bootstrap/{name}", archive_sha256], **s3.environment())
        assert done.returncode == 0, done.stderr
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/b", *ARGUMENTS, archive="installed")
    assert done.status == 0, done.log
    assert corpus.check("hdfs:///user/hadoop/b") == local


def test_c_h_from_s3_to_s3(submit, s3, work, monkeypatch, as_hadoop):
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.client().create_bucket(Bucket="music")
    folder = corpus.make(work / "music for s3", colons=True)
    corpus.copy(folder, open_store("s3://music/in [1]"))
    expected = run_locally(folder, work / "local-s3")
    done = submit("digitize.py", "s3://music/in [1]", "s3a://music/out", *ARGUMENTS, environment=s3.environment())
    assert done.status == 0, done.log
    assert corpus.check("s3://music/out") == expected
    written = done.log + "".join(open_store("s3://music/out").read(p).decode() for p in commits("s3://music/out"))
    written += open_store("s3://music/out").read("_manifest.jsonl").decode()
    assert s3.environment()["AWS_SECRET_ACCESS_KEY"] not in written


def test_d_resume_after_the_application_was_killed_half_way(submit, hadoop, local, work):
    out = "hdfs:///user/hadoop/d"
    before = {a["id"] for a in hadoop.applications()}
    process = submit.start("digitize.py", IN, out, *ARGUMENTS, log=work / "d.log")
    wait_for_commits(out, 2, process)
    (application,) = [a["id"] for a in hadoop.applications() if a["id"] not in before]
    hadoop.kill_application(application)
    assert process.wait(120) != 0
    kept = commits(out)
    assert 2 <= len(kept) < corpus.PARTITIONS, "it was to be killed half-way"
    assert not open_store(out).exists("_SUCCESS")
    done = submit("digitize.py", IN, out, *ARGUMENTS)
    assert done.status == 0, done.log
    assert kept <= commits(out)
    assert corpus.check(out) == local


@pytest.mark.skipif(not APART, reason="without namespaces a node's containers cannot be told from others")
def test_e_a_nodemanager_killed_half_way(submit, hadoop, local, work):
    out = "hdfs:///user/hadoop/e"
    before = {a["id"] for a in hadoop.applications()}
    process = submit.start("digitize.py", IN, out, *ARGUMENTS, log=work / "e.log")
    wait_for_commits(out, 2, process)
    (application,) = [a for a in hadoop.applications() if a["id"] not in before]
    (victim,) = [core for core in hadoop.cores if core.name not in application["amHostHttpAddress"]]
    hadoop.kill_nodemanager(victim)
    try:
        assert process.wait(400) == 0, (work / "e.log").read_text()[-3000:]
    finally:
        hadoop.start_nodemanager(victim)
    assert corpus.check(out) == local  # nothing lost, nothing double


def test_g_client_mode(submit, local):
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/g", *ARGUMENTS, mode="client")
    assert done.status == 0, done.log
    assert corpus.check("hdfs:///user/hadoop/g") == local


def test_client_mode_keeps_our_exit_status(submit):
    done = submit("digitize.py", "hdfs:///user/hadoop/nowhere", "hdfs:///user/hadoop/x", mode="client")
    assert done.status == 1
    assert "digitize.py: hdfs:///user/hadoop/nowhere: there is nothing here" in done.log
    assert "Traceback" not in done.log


def test_what_is_wrong_is_one_line_in_doctors_words_and_no_second_attempt(submit, hadoop, local):
    done = submit("digitize.py", IN, "hdfs:///user/stranger/out")
    assert (done.status, done.own_status) == (1, 1)
    last = done.stdout.strip().splitlines()[-1]
    assert re.match(r"digitize\.py: hdfs:///user/stranger/out.*Permission denied: user=hadoop", last), done.stdout
    assert hadoop.rest(f"apps/{done.application}/appattempts")["appAttempts"]["appAttempt"][1:] == []


def test_a_path_without_a_scheme_is_bad_usage(submit):
    done = submit("digitize.py", "/user/hadoop/music", "hdfs:///user/hadoop/x")
    assert (done.status, done.own_status) == (1, 2)  # YARN gives only 0 or 1; the log tells ours
    assert "digitize.py: /user/hadoop/music: a path without a scheme" in done.stdout.strip().splitlines()[-1]


@pytest.mark.skipif(not APART, reason="nodes share this machine's packages")
def test_without_the_archive_the_last_line_says_so(submit, local):
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/x", archive=None)
    assert done.status == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("digitize.py: No module named 'fma_prep'")
    client = submit("digitize.py", IN, "hdfs:///user/hadoop/x", archive=None, mode="client")
    assert client.status == 1
    assert re.search(r"digitize.py: core1.*fma_prep cannot be loaded .*--archives", client.log)


@pytest.mark.skipif(downloads.spark4() is None, reason="no full JDK 17 here for Spark 4")
def test_spark_4_on_the_same_cluster(submit, local):
    conf = {"spark.executorEnv.JAVA_HOME": "/mnt/jdk", "spark.yarn.appMasterEnv.JAVA_HOME": "/mnt/jdk"}
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/spark4", *ARGUMENTS, conf=conf, spark=Path("/mnt/spark4"))
    assert done.status == 0, done.log
    assert corpus.check("hdfs:///user/hadoop/spark4") == local


def test_spark_standalone_with_two_workers(submit, hadoop, local):
    conf = {"spark.executorEnv.HADOOP_CONF_DIR": str(hadoop.master.home / "conf"), "spark.cores.max": "2"}
    url = hadoop.start_standalone()
    done = submit("digitize.py", IN, "hdfs:///user/hadoop/standalone", *ARGUMENTS, conf=conf, mode="client", master=url)
    assert done.status == 0, done.log
    assert corpus.check("hdfs:///user/hadoop/standalone") == local
    if APART:
        assert spread("hdfs:///user/hadoop/standalone") == {"core1", "core2"}
