"""Watch a run to its end; when it fails, fetch the logs that matter and say the probable cause."""

import gzip
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from fma_prep.errors import RunError, printable

__all__ = ["exit_status", "fetch_logs", "probable_cause", "watch_run", "watch_step"]

_SLOW_LOGS_S = 300  # how far logs in S3 may lag behind
# What a log line means, gravest first. The first group, or else the line, is said.
_SIGNS = [
    (r"(fma_prep bootstrap on .*FAILED: .*)", ""),
    (r"((?:digitize|doctor)\.py: .+)", ""),
    (
        r"(Container .* (?:killed by YARN for exceeding|is running beyond) .*memory limits.*)",
        "Give executors more memory overhead: fewer cores each, or larger instances.",
    ),
    (r"(ModuleNotFoundError: .*)", "The nodes lack the archive: submit uploads it; was it removed?"),
    (r"(PYTHON_VERSION_MISMATCH.*)", "Set spark.pyspark.python to Python 3.11 on all nodes."),
    (r"(.*No space left on device.*)", "Take instances with larger disks."),
    (
        r"(.*(?:AccessDenied|Access Denied|AccessControlException|Permission denied).*)",
        "Compare the nodes' role with --print-policy.",
    ),
    (r"(.*[Ss]pot.*(?:interrupt|terminat).*)", "Run it again: it resumes."),
    (r"(.*OutOfMemoryError.*)", "Take larger instances."),
]
_OVER = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
_CLUSTER_OVER = {"TERMINATED", "TERMINATED_WITH_ERRORS"}


def watch_step(emr: Any, cluster_id: str, step_id: str, say: Callable[[str], None], poll_s: float = 15) -> str:
    """Wait for a step, saying each change; return its last state.

    A cluster that ends before its step ran makes the step's state ``"CLUSTER: reason"``.
    """
    said = ""
    while True:
        step = emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]
        cluster = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
        if (now := f"cluster {cluster['State'].lower()}, step {step['State'].lower()}") != said:
            say(now)
            said = now
        if step["State"] in _OVER:
            return str(step["State"])
        if cluster["State"] in _CLUSTER_OVER:
            reason = cluster.get("StateChangeReason", {})
            return f"CLUSTER: {reason.get('Message') or reason.get('Code') or cluster['State']}"
        time.sleep(poll_s)


def watch_run(serverless: Any, application_id: str, run_id: str, say: Callable[[str], None], poll_s: float = 15) -> str:
    """Wait for a Serverless run, saying each change; return its last state, and its details if it failed."""
    said = ""
    while True:
        run = serverless.get_job_run(applicationId=application_id, jobRunId=run_id)["jobRun"]
        if run["state"] != said:
            said = run["state"]
            say(f"run {said.lower()}")
        if said == "SUCCESS":
            return "COMPLETED"
        if said in ("FAILED", "CANCELLED"):
            return f"{said}: {run.get('stateDetails', '')}"
        time.sleep(poll_s)


def fetch_logs(
    s3: Any, log_uri: str, cluster_id: str, step_id: str | None, wait_s: float = _SLOW_LOGS_S
) -> dict[str, str]:
    """Return the logs that matter, by key: bootstrap actions, step, application master; waiting for late ones."""
    bucket, _, prefix = log_uri.removeprefix("s3://").partition("/")
    root = f"{prefix.strip('/')}/{cluster_id}/".lstrip("/")
    end = time.monotonic() + wait_s
    while True:
        logs = dict(_read_logs(s3, bucket, root, step_id))
        # in cluster mode the reason is in the application master's output, which comes last
        if any("/containers/" in k or "bootstrap-actions" in k for k in logs) or time.monotonic() >= end:
            return logs
        time.sleep(10)


def _read_logs(s3: Any, bucket: str, root: str, step_id: str | None) -> Iterator[tuple[str, str]]:
    wanted = re.compile(
        rf"steps/{step_id}/(stderr|stdout|controller)|containers/.*_01_000001/(stdout|stderr)|bootstrap-actions/\d+/stderr"
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root)
    for key in (item["Key"] for page in pages for item in page.get("Contents", ())):
        if wanted.search(key):
            data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            yield key, (gzip.decompress(data) if key.endswith(".gz") else data).decode("utf-8", "replace")


def probable_cause(logs: dict[str, str], state: str) -> str:
    """Return one line: what most likely went wrong, and what to do."""
    for pattern, remedy in _SIGNS:
        for text in logs.values():
            if found := re.findall(pattern, text):
                return printable(f"{found[-1].strip()[:500]} {remedy}".strip())
    reason = state.partition(": ")[2]
    return printable(reason or "no log says why; look at the cluster's page in the console")


def exit_status(logs: dict[str, str]) -> int:
    """Return our own exit status, which YARN hides: 1 unless a log tells."""
    for text in logs.values():
        if found := re.search(r"User application exited with status (\d+)", text):
            return int(found[1])
    return 1


def told(error: ClientError, what: str, remedy: str = "") -> RunError:
    """Return our error for one of AWS's."""
    said = error.response.get("Error", {})
    return RunError(f"{what}: {said.get('Code', '?')}: {said.get('Message', '')}".rstrip(". "), "", remedy)
