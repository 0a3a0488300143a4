"""doctor on the cluster: by spark-submit, as the user hadoop, on nodes where only what is shipped can be found."""

import re

import pytest

from tests.cluster.nodes import APART


@pytest.fixture(scope="module")
def music(hadoop):
    """A folder with one file that looks like a track."""
    hadoop.hdfs("-mkdir -p /user/hadoop/doctor/in")
    hadoop.hdfs("-touchz /user/hadoop/doctor/in/a.mp3")
    return "hdfs:///user/hadoop/doctor"


def test_all_is_well_on_driver_and_every_executor(hadoop, submit, music):
    done = submit("doctor.py", f"{music}/in", f"{music}/out")
    assert done.status == 0, done.log
    assert "Nothing is wrong." in done.stdout
    rows = done.stdout.splitlines()
    assert sum(row.startswith("executor") for row in rows) == 2
    assert "driver" in rows[1]
    assert " hadoop " in rows[1]  # who we are on HDFS, though the process is yarn's
    assert hadoop.hdfs("-ls /user/hadoop/doctor/out") == ""  # it cleaned up


def test_what_hdfs_refuses_is_told_with_who_asked(hadoop, submit, music):
    done = submit("doctor.py", f"{music}/in", "hdfs:///user/stranger/out", "--wait", "1")
    assert done.status == 1
    assert re.search(r"OUTPUT: hdfs:///user/stranger.*Permission denied: user=hadoop", done.stdout), done.log
    assert "at org.apache" not in done.stdout


def test_a_path_without_a_scheme_is_refused(submit, music):
    done = submit("doctor.py", "/user/hadoop/doctor/in", f"{music}/out", "--wait", "1")
    assert done.status == 1
    assert "/user/hadoop/doctor/in: a path without a scheme" in done.stdout


@pytest.mark.skipif(not APART, reason="nodes share this machine's packages")
def test_without_the_archive_one_line_says_so_last_in_the_drivers_output(submit, music):
    done = submit("doctor.py", f"{music}/in", f"{music}/out", archive=None)
    assert done.status == 1
    last = done.log.strip().splitlines()[-1]
    assert last == done.stdout.strip().splitlines()[-1]
    assert last.startswith("doctor.py: No module named 'fma_prep'")
    assert "--archives" in last


@pytest.mark.skipif(not APART, reason="nodes share this machine's packages")
def test_executors_without_the_archive_are_found_from_a_driver_that_has_it(submit, music):
    """In client mode, where the driver's packages are not the executors'."""
    done = submit("doctor.py", f"{music}/in", f"{music}/out", archive=None, mode="client")
    assert done.status == 1
    assert re.search(
        r"core1.*the package fma_prep cannot be loaded .*No module named 'fma_prep'.*--archives", done.stdout
    )


def test_s3_where_we_may_only_read(submit, s3, music):
    if "versitygw" not in str(s3.process.args):
        pytest.skip("moto lets everybody do everything")
    s3.client().create_bucket(Bucket="theirs")
    s3.client().put_object(Bucket="theirs", Key="in/a.mp3", Body=b"x")
    s3.add_user("guest")
    s3.allow("theirs", "guest", "s3:ListBucket", "s3:GetObject")
    done = submit("doctor.py", "s3://theirs/in", "s3://theirs/out", "--wait", "1", environment=s3.environment("guest"))
    assert done.status == 1
    assert "OUTPUT: s3://theirs/out/…: may not write it" in done.stdout, done.log
    assert "INPUT: " not in done.stdout
    assert s3.users["guest"] not in done.log + done.stdout
