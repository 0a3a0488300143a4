"""The requests that submit sends, as plain dicts: what ``--dry-run`` prints is what is sent."""

import argparse
import math
import re
from collections.abc import Sequence
from typing import Any

from fma_prep.emr.step import INSTALLED, environment_conf, spark_submit

__all__ = ["arch_of", "estimate_s", "job_flow", "policy", "serverless_run", "step", "stop_step", "vcpus_of"]

MANAGED_TAG = "for-use-with-amazon-emr-managed-policies"  # AmazonEMRServicePolicy_v2 asks for it
_START_S = 420  # a cluster's start, bootstrap action included
_BYTES_A_CORE_S = 14.0e6  # of MP3 at 256 kbit/s: docs/performance.md, local[1] without start-up
_FAMILY_VCPUS = {"medium": 1, "large": 2, "xlarge": 4, "metal": 96}


def arch_of(instance_type: str) -> str:
    """Return the CPU of an instance type: Graviton families have a ``g`` after their generation."""
    return "aarch64" if re.match(r"(a1\b|[a-z]+\d+[a-z]*g)", instance_type.partition(".")[0]) else "x86_64"


def vcpus_of(instance_type: str) -> int:
    """Return how many vCPUs an instance type has, by its name; EC2 is not asked."""
    size = instance_type.partition(".")[2]
    times = re.fullmatch(r"(\d+)xlarge", size)
    return 4 * int(times[1]) if times else _FAMILY_VCPUS.get(size, 4)


def estimate_s(input_bytes: int, vcpus: int, *, starting: bool) -> float:
    """Return how long a run takes, by the bytes of INPUT and the measured rate of a core."""
    return input_bytes / (_BYTES_A_CORE_S * max(1, vcpus)) + (_START_S if starting else 30)


def step(options: argparse.Namespace, code: dict[str, str], tag: str, *, shipped: bool) -> dict[str, Any]:
    """Return the step that runs the job; `shipped`: with the archive, else it is installed on the nodes."""
    command = spark_submit(
        code["digitize.py"],
        [options.input, options.output, *options.job_options],
        code["archive"] if shipped else None,
        {"spark.yarn.tags": tag},
    )
    return {
        "Name": options.name,
        "ActionOnFailure": "CONTINUE" if options.cluster_id else "TERMINATE_CLUSTER",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
    }


def stop_step(tag: str) -> dict[str, Any]:
    """Return a step that kills the YARN application of a cancelled one: cancelling only signals spark-submit."""
    script = (
        f"yarn application -list -appTags {tag} -appStates NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
        " | grep -o 'application_[0-9_]*' | sort -u | xargs -r -n 1 yarn application -kill"
    )
    step_ = {"Jar": "command-runner.jar", "Args": ["bash", "-c", script]}
    return {"Name": f"stop {tag}", "ActionOnFailure": "CONTINUE", "HadoopJarStep": step_}


def job_flow(options: argparse.Namespace, code: dict[str, str], tag: str) -> dict[str, Any]:
    """Return the request for a transient cluster that runs the job and ends."""
    groups = [_group("MASTER", options.instance_type, 1), _group("CORE", options.instance_type, options.core_count)]
    if options.task_count:  # nothing is stored on task nodes: they may vanish
        groups.append(_group("TASK", options.task_type or options.instance_type, options.task_count, market="SPOT"))
    instances: dict[str, Any] = {
        "InstanceGroups": groups,
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
    }
    if options.subnet:
        instances["Ec2SubnetId"] = options.subnet
    tags = {MANAGED_TAG: "true", "fma_prep": tag, **dict(options.tag)}
    return {
        "Name": options.name,
        "ReleaseLabel": options.release,
        "LogUri": options.log_uri,
        "Applications": [{"Name": "Hadoop"}, {"Name": "Spark"}],
        "Instances": instances,
        "BootstrapActions": [
            {
                "Name": "install fma_prep",
                "ScriptBootstrapAction": {
                    "Path": code["install.sh"],
                    "Args": [code["archive"], code["archive_sha256"]],
                },
            }
        ],
        "Configurations": [{"Classification": "spark-defaults", "Properties": environment_conf(INSTALLED)}],
        "Steps": [step(options, code, tag, shipped=False)],
        "JobFlowRole": options.instance_profile,
        "ServiceRole": options.service_role,
        "VisibleToAllUsers": True,
        "Tags": [{"Key": k, "Value": v} for k, v in tags.items()],
    }


def _group(role: str, instance_type: str, count: int, market: str = "ON_DEMAND") -> dict[str, Any]:
    return {
        "Name": role.lower(),
        "InstanceRole": role,
        "InstanceType": instance_type,
        "InstanceCount": count,
        "Market": market,
    }


def serverless_run(options: argparse.Namespace, code: dict[str, str], tag: str) -> dict[str, Any]:
    """Return the request for EMR Serverless, which unpacks archives itself and names its environment its own way."""
    conf = {
        "spark.archives": f"{code['archive']}#deps",
        "spark.emr-serverless.driverEnv.PYTHONPATH": "./deps",
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "/usr/bin/python3.11",
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "/usr/bin/python3.11",
        "spark.executorEnv.PYTHONPATH": "./deps",
        "spark.executorEnv.PYSPARK_PYTHON": "/usr/bin/python3.11",
        "spark.python.worker.faulthandler.enabled": "true",
    }
    return {
        "applicationId": options.serverless,
        "executionRoleArn": options.execution_role,
        "clientToken": tag,
        "name": options.name,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": code["digitize.py"],
                "entryPointArguments": [options.input, options.output, *options.job_options],
                "sparkSubmitParameters": " ".join(f"--conf {k}={v}" for k, v in conf.items()),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": options.log_uri}}
        },
        "tags": dict(options.tag),
    }


def policy(options: argparse.Namespace) -> dict[str, Any]:
    """Return the least that must be allowed: to who submits, and to the nodes' role."""
    code = f"{options.bucket}/{options.prefix}"
    logs = options.log_uri.removeprefix("s3://").rstrip("/")
    reads, writes = [code], list[str]()
    for uri, places in ((options.input, reads), (options.output, writes)):
        if uri.startswith(("s3:", "s3a:")):
            places.append(re.sub(r"^s3a?://", "", re.split(r"[*?\[]", uri)[0]).rstrip("/"))
    nodes = [
        _allow(["s3:GetObject"], _objects([*reads, *writes])),
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], _buckets([*reads, *writes, logs])),
        _allow(
            ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            _objects(writes),
        ),
        _allow(["s3:PutObject"], _objects([logs])),
    ]
    submitter = [
        _allow(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], _objects([code])),
        _allow(["s3:GetObject"], _objects([logs])),
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], _buckets([*reads, *writes, logs])),
        *_control(options),
    ]
    return {
        "submitter": {"Version": "2012-10-17", "Statement": [s for s in submitter if s["Resource"]]},
        "nodes": {"Version": "2012-10-17", "Statement": [s for s in nodes if s["Resource"]]},
    }


def _control(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what starting, watching and stopping needs."""
    if options.serverless:
        verbs = ["StartJobRun", "GetJobRun", "CancelJobRun"]
        application = f"arn:aws:emr-serverless:*:*:/applications/{options.serverless}*"
        role = options.execution_role or "arn:aws:iam::*:role/*"
        passing = {**_allow(["iam:PassRole"], [role]), "Condition": _passed_to("emr-serverless.amazonaws.com")}
        return [_allow([f"emr-serverless:{v}" for v in verbs], [application]), passing]
    verbs = ["DescribeCluster", "DescribeStep", "ListSteps", "AddJobFlowSteps", "CancelSteps", "TerminateJobFlows"]
    on_cluster = _allow([f"elasticmapreduce:{v}" for v in verbs], ["arn:aws:elasticmapreduce:*:*:cluster/*"])
    if options.cluster_id:
        return [on_cluster]
    roles = [f"arn:aws:iam::*:role/{name}" for name in (options.service_role, options.instance_profile)]
    passing = {
        **_allow(["iam:PassRole"], roles),
        "Condition": _passed_to("elasticmapreduce.amazonaws.com", "ec2.amazonaws.com"),
    }
    looking = _allow(["iam:GetRole"], roles[:1])
    profile = _allow(["iam:GetInstanceProfile"], [f"arn:aws:iam::*:instance-profile/{options.instance_profile}"])
    anywhere = _allow(["elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags", "ec2:DescribeSubnets"], ["*"])
    return [on_cluster, anywhere, passing, looking, profile]


def _passed_to(*services: str) -> dict[str, Any]:
    return {"StringEquals": {"iam:PassedToService": list(services)}}


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": sorted(set(resources))}


def _objects(places: Sequence[str]) -> list[str]:
    return [f"arn:aws:s3:::{p}" if p.endswith("*") else f"arn:aws:s3:::{p}/*" for p in places]


def _buckets(places: Sequence[str]) -> list[str]:
    return [f"arn:aws:s3:::{p.partition('/')[0]}" for p in places]


def minutes(seconds: float) -> str:
    """Return a duration as a person says it."""
    return f"{max(1, math.ceil(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
