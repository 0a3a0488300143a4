import json
import re
from itertools import pairwise

import boto3
import pytest
from botocore.validate import ParamValidator

from fma_prep.emr import request, watch
from fma_prep.emr.step import environment_conf, spark_submit
from fma_prep.emr.submit import parse_options
from fma_prep.errors import UsageError

CODE = {
    "archive": "s3://code/a/fma_prep-x86_64.tar.gz",
    "archive_sha256": "0" * 64,
    "digitize.py": "s3://code/b/digitize.py",
    "install.sh": "s3://code/c/install.sh",
}
PATHS = ["s3://in/some music", "s3://out/set", "--bucket", "code"]


def valid(service: str, operation: str, params: dict) -> dict:
    """Return `params`, if botocore's own model of that operation takes them."""
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106
    report = ParamValidator().validate(params, client.meta.service_model.operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()
    return params


def conf_of(arguments: list[str]) -> dict[str, str]:
    pairs = [b for a, b in pairwise(arguments) if a == "--conf"]
    return dict(p.split("=", 1) for p in pairs)


def test_a_transient_cluster_ends_by_itself_and_installs_on_every_node():
    options = parse_options([*PATHS, "--task-count", "3", "--subnet", "subnet-1", "--tag", "team=audio", "--mu", "100"])
    sent = valid("emr", "RunJobFlow", request.job_flow(options, CODE, "tag-1"))
    assert sent["ReleaseLabel"] == "emr-7.13.0"
    assert sent["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    groups = {g["InstanceRole"]: g for g in sent["Instances"]["InstanceGroups"]}
    assert [groups[r]["Market"] for r in ("MASTER", "CORE", "TASK")] == ["ON_DEMAND", "ON_DEMAND", "SPOT"]
    assert sent["BootstrapActions"][0]["ScriptBootstrapAction"]["Args"] == [CODE["archive"], "0" * 64]
    assert sent["Configurations"][0]["Properties"]["spark.executorEnv.PYTHONPATH"] == "/opt/fma_prep/current"
    assert {t["Key"]: t["Value"] for t in sent["Tags"]}.items() >= {
        "team": "audio",
        request.MANAGED_TAG: "true",
    }.items()
    (step,) = sent["Steps"]
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    arguments = step["HadoopJarStep"]["Args"]
    assert arguments[-5:] == [CODE["digitize.py"], "s3://in/some music", "s3://out/set", "--mu", "100"]
    assert "--archives" not in arguments
    assert conf_of(arguments)["spark.yarn.maxAppAttempts"] == "1"


def test_a_step_on_a_cluster_of_ones_own_ships_the_archive_and_leaves_the_cluster_up():
    options = parse_options([*PATHS, "--cluster-id", "j-1"])
    step = request.step(options, CODE, "tag-1", shipped=True)
    valid("emr", "AddJobFlowSteps", {"JobFlowId": "j-1", "Steps": [step, request.stop_step("tag-1")]})
    arguments = step["HadoopJarStep"]["Args"]
    assert arguments[arguments.index("--archives") + 1] == CODE["archive"] + "#deps"
    assert conf_of(arguments)["spark.executorEnv.PYTHONPATH"] == "./deps"
    assert conf_of(arguments)["spark.yarn.tags"] == "tag-1"
    assert step["ActionOnFailure"] == "CONTINUE"


def test_serverless_is_told_its_own_way():
    options = parse_options([*PATHS, "--serverless", "00f1", "--execution-role", "arn:aws:iam::123456789012:role/run"])
    sent = valid("emr-serverless", "StartJobRun", request.serverless_run(options, CODE, "tag-1"))
    told = sent["jobDriver"]["sparkSubmit"]
    assert f"--conf spark.archives={CODE['archive']}#deps" in told["sparkSubmitParameters"]
    assert told["entryPointArguments"] == ["s3://in/some music", "s3://out/set"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["music", "s3://out/set", "--bucket", "b"], "do not see this machine's disk"),
        (["s3://in/x", "file:///out", "--bucket", "b"], "do not see this machine's disk"),
        (["s3://in/x", "hdfs:///out", "--bucket", "b"], "takes its HDFS with it"),
        (["s3://in/x", "s3://in/x/out", "--bucket", "b"], "inside INPUT"),
        ([*PATHS, "--serverless", "x"], "--execution-role"),
        ([*PATHS, "--master", "yarn"], "mean nothing on EMR"),
        ([*PATHS, "--storage-options", "@secrets.json"], "mean nothing on EMR|cannot read"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(arguments, says, capsys):
    with pytest.raises((UsageError, SystemExit)) as caught:
        parse_options(arguments)
    assert re.search(says, str(caught.value) + capsys.readouterr().err)


def test_an_hdfs_output_is_good_on_a_cluster_that_stays():
    assert parse_options(["hdfs:///in", "hdfs:///out", "--bucket", "b", "--cluster-id", "j-1"]).cluster_id == "j-1"


def test_a_misspelt_option_of_the_job_is_found_here(capsys):
    with pytest.raises(SystemExit):
        parse_options([*PATHS, "--sample-rattle", "8000"])
    assert "--sample-rattle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "arch", "vcpus"),
    [
        ("m6a.xlarge", "x86_64", 4),
        ("m7g.2xlarge", "aarch64", 8),
        ("c7gn.xlarge", "aarch64", 4),
        ("r6gd.16xlarge", "aarch64", 64),
        ("g5.xlarge", "x86_64", 4),
        ("m5.large", "x86_64", 2),
        ("a1.xlarge", "aarch64", 4),
        ("t4g.medium", "aarch64", 1),
    ],
)
def test_cpu_and_size_by_the_name_of_an_instance_type(name, arch, vcpus):
    assert (request.arch_of(name), request.vcpus_of(name)) == (arch, vcpus)


def test_the_estimate_grows_with_the_input_and_shrinks_with_the_cluster():
    once = request.estimate_s(10**12, 8, starting=True)
    assert request.estimate_s(10**12, 16, starting=True) < once < request.estimate_s(2 * 10**12, 8, starting=True)
    assert once - request.estimate_s(10**12, 8, starting=False) > 300
    assert request.minutes(30) == "1 min"
    assert request.minutes(7200) == "2.0 h"


def test_the_policy_allows_no_more_than_needed():
    told = request.policy(parse_options(["s3://in/music/*.mp3", "s3://out/set", "--bucket", "code"]))
    nodes = told["nodes"]["Statement"]
    writes = {r for s in nodes if "s3:PutObject" in s["Action"] for r in s["Resource"]}
    assert writes == {"arn:aws:s3:::out/set/*", "arn:aws:s3:::code/fma_prep/logs/*"}
    assert "arn:aws:s3:::in/music/*" in {r for s in nodes if "s3:GetObject" in s["Action"] for r in s["Resource"]}
    assert not re.search(r'"\*"|s3:\*', json.dumps(told["nodes"]))
    everywhere = [s["Action"] for s in told["submitter"]["Statement"] if s["Resource"] == ["*"]]
    assert everywhere == [["elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags", "ec2:DescribeSubnets"]]
    joined = request.policy(parse_options([*PATHS, "--cluster-id", "j-1"]))
    assert "RunJobFlow" not in json.dumps(joined)
    assert "PassRole" not in json.dumps(joined)


def test_spark_submit_never_splits_and_always_says_the_same():
    command = spark_submit("job.py", ["s3://a b/c", "x"], "dist/a.tar.gz", {"spark.executor.memory": "2g"}, cores=4)
    assert command[:5] == ["spark-submit", "--master", "yarn", "--deploy-mode", "cluster"]
    assert command[-3:] == ["job.py", "s3://a b/c", "x"]
    conf = conf_of(command)
    assert conf["spark.executor.memory"] == "2g"
    assert conf["spark.executor.memoryOverhead"] == "3200m"
    assert conf.items() >= environment_conf("./deps").items()
    assert "PYSPARK_DRIVER_PYTHON" not in str(command)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "x\nfma_prep bootstrap on ip-10: FAILED: Python 3.11 is missing. Use it\ny",
            "Python 3.11 is missing. Use it",
        ),
        ("digitize.py: s3://out: may not write it. Ask.", "may not write it. Ask."),
        ("Container c_1 is running beyond physical memory limits. Killing", "memory overhead"),
        ("ModuleNotFoundError: No module named 'numpy'", "lack the archive"),
        ("OSError: [Errno 28] No space left on device", "larger disks"),
        ("An error occurred (AccessDenied) when calling PutObject", "--print-policy"),
        ("nothing of the kind", "look at the cluster's page"),
    ],
)
def test_the_probable_cause_is_one_line(line, cause):
    told = watch.probable_cause({"k": line}, "FAILED")
    assert cause in told
    assert "\n" not in told


def test_the_state_says_why_when_no_log_does():
    assert watch.probable_cause({}, "CLUSTER: subnet is full") == "subnet is full"


def test_the_exit_status_that_yarn_hides_is_found():
    assert watch.exit_status({"a": "x", "b": "User application exited with status 2\n"}) == 2
    assert watch.exit_status({}) == 1
