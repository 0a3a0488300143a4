"""submit_emr.py against moto's server, as a process of its own, from command line to exit status."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import requests
from botocore.stub import Stubber

from fma_prep.emr import watch
from fma_prep.emr.submit import _interrupted, main, parse_options
from fma_prep.errors import FmaPrepError
from tests.s3.servers import start_moto

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = start_moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()


@pytest.fixture
def aws(moto, monkeypatch):
    """An account with buckets, roles and some music; emptied first."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    requests.post(f"{moto.endpoint}/moto-api/reset", timeout=30).raise_for_status()
    s3, iam = session.client("s3"), session.client("iam")
    for bucket in ("in", "out", "code"):
        s3.create_bucket(Bucket=f"{bucket}-bucket")
    s3.put_object(Bucket="in-bucket", Key="music/a.mp3", Body=bytes(1000))
    iam.create_role(RoleName="EMR_DefaultRole_V2", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="EMR_EC2_DefaultRole")
    return session


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "fma_prep-x86_64.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        data = json.dumps({"arch": "x86_64", "packages": {}}).encode()
        member = tarfile.TarInfo("fma_prep_archive.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return path


def command(archive, *more):
    paths = ["s3://in-bucket/music", "s3://out-bucket/set", "--bucket", "code-bucket"]
    quick = ["--poll-s", "0.2", "--log-wait-s", "3"]
    return [sys.executable, str(ROOT / "scripts/submit_emr.py"), *paths, "--archive", str(archive), *quick, *more]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def submit(archive, capsys):
    """What the script does, without the second that a new process spends on imports."""

    def run(*more):
        try:
            status = main(command(archive, *more)[2:])
        except FmaPrepError as e:
            print(e, file=sys.stderr)
            status = e.exit_status
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture
def begun(archive, aws):
    """A run that has started, as a process; and its cluster."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command(archive), env=env, **pipes) as process:
        for line in process.stderr:
            if "step" in line:
                break
        yield process, aws.client("emr").list_clusters()["Clusters"][0]["Id"]
        process.kill()


def test_dry_run_prints_the_request_and_sends_nothing(aws, archive):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(archive, "--dry-run"), capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Steps"][0]["HadoopJarStep"]["Jar"] == "command-runner.jar"
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket="code-bucket")
    assert aws.client("emr").list_clusters()["Clusters"] == []


def test_uploads_once_and_starts_with_an_estimate(aws, submit, archive):
    first = submit("--no-wait")
    assert first.returncode == 0, first.stderr
    assert "1 tracks" in first.stderr
    assert "min on 8 vCPUs" in first.stderr
    uploaded = aws.client("s3").list_objects_v2(Bucket="code-bucket")["Contents"]
    assert {Path(o["Key"]).name for o in uploaded} == {archive.name, "digitize.py", "install.sh"}
    second = submit("--no-wait")
    assert second.stderr.count("already") == 3
    assert aws.client("s3").list_objects_v2(Bucket="code-bucket")["Contents"] == uploaded
    assert len(aws.client("emr").list_clusters()["Clusters"]) == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--service-role", "nobody"], "role nobody"),
        (["--instance-profile", "nobody"], "instance profile nobody"),
        (["--subnet", "subnet-0"], "subnet subnet-0"),
        (["--log-uri", "s3://no-such-bucket/logs/"], "bucket s3://no-such-bucket"),
        (["--cluster-id", "j-NONE"], "cluster j-NONE"),
        (["--arch", "aarch64"], "not for aarch64"),
    ],
)
def test_what_is_missing_is_one_line_before_anything_is_uploaded(aws, submit, more, says):
    done = submit(*more)
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert aws.client("emr").list_clusters()["Clusters"] == []
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket="code-bucket")


def test_a_cluster_that_fails_is_explained_by_its_own_logs(aws, begun):
    process, cluster = begun
    log = gzip.compress(b"+ something\nfma_prep bootstrap on ip-10-0-0-7: FAILED: the disk is full. Larger volume\n")
    key = f"fma_prep/logs/{cluster}/node/i-1/bootstrap-actions/1/stderr.gz"
    aws.client("s3").put_object(Bucket="code-bucket", Key=key, Body=log)
    aws.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    told = process.stderr.read()
    assert process.wait(60) == 1
    assert "ip-10-0-0-7: FAILED: the disk is full" in told
    assert f"s3://code-bucket/fma_prep/logs/{cluster}/" in told


def test_control_c_with_nobody_to_ask_ends_the_cluster(aws, begun):
    process, cluster = begun
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "is ending" in told
    assert aws.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"] == "TERMINATED"


def test_control_c_on_somebody_elses_cluster_cancels_the_step_and_its_yarn_application(monkeypatch):
    emr = boto3.client("emr", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106
    options = parse_options(["s3://in/x", "s3://out/y", "--bucket", "code", "--cluster-id", "j-1"])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with Stubber(emr) as stub:
        cancel = {"ClusterId": "j-1", "StepIds": ["s-1"], "StepCancellationOption": "TERMINATE_PROCESS"}
        stub.add_response("cancel_steps", {}, cancel)
        stub.add_response("add_job_flow_steps", {"StepIds": ["s-2"]})
        assert _interrupted(emr, options, "j-1", "s-1", "tag-1") == 130
        stub.assert_no_pending_responses()


def test_a_step_is_watched_to_its_end_and_each_change_said_once():
    emr = boto3.client("emr", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106
    said = []
    with Stubber(emr) as stub:
        for cluster, step in [
            ("STARTING", "PENDING"),
            ("RUNNING", "RUNNING"),
            ("RUNNING", "RUNNING"),
            ("RUNNING", "COMPLETED"),
        ]:
            stub.add_response("describe_step", {"Step": {"Status": {"State": step}}})
            stub.add_response("describe_cluster", {"Cluster": {"Status": {"State": cluster}}})
        assert watch.watch_step(emr, "j-1", "s-1", said.append, poll_s=0) == "COMPLETED"
    assert said == [
        "cluster starting, step pending",
        "cluster running, step running",
        "cluster running, step completed",
    ]


def test_serverless_runs_to_its_end(aws, submit):
    serverless = aws.client("emr-serverless")
    application = serverless.create_application(releaseLabel="emr-7.0.0", type="SPARK")["applicationId"]
    role = "arn:aws:iam::123456789012:role/run"
    done = submit("--serverless", application, "--execution-role", role)
    assert done.returncode == 0, done.stderr
    (run,) = serverless.list_job_runs(applicationId=application)["jobRuns"]
    assert run["name"] == "fma_prep digitize"
