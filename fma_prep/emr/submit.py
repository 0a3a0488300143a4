"""Run the job on EMR: upload, start or join a cluster, watch, say what happened. What failed leaves nothing running."""

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from fma_prep.command import digitize_parser
from fma_prep.dataset.storage import list_input, refuse_inside
from fma_prep.dataset.uri import has_scheme, parse
from fma_prep.emr import request, watch
from fma_prep.emr.platform import ARCHS, check
from fma_prep.emr.upload import places, upload
from fma_prep.errors import FmaPrepError, RefusedError, RunError, SetupError, UsageError

__all__ = ["main", "parse_options", "submit_parser"]

ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str] | None = None) -> int:
    """Parse, check, run; the exit status is the job's own."""
    options = parse_options(sys.argv[1:] if argv is None else argv)
    if options.print_policy:
        print(json.dumps(request.policy(options), indent=2))
        return 0
    archive = _archive(options)
    code = places(options.code_uri, archive, ROOT)
    tag = f"fma_prep-{uuid.uuid4().hex[:12]}"
    if options.dry_run:
        print(json.dumps(_request(options, code, tag), indent=2))
        return 0
    try:
        session = boto3.Session(region_name=options.region, profile_name=options.profile)
        _check(session, options)
        upload(session.client("s3"), options.code_uri, archive, ROOT, _say)
        return _run(session, options, code, tag)
    except ClientError as e:
        raise watch.told(e, "AWS says no", "See --print-policy.") from e
    except BotoCoreError as e:
        raise RunError(f"AWS cannot be asked: {e}", "", "Check region, credentials and network.") from e


def parse_options(argv: list[str]) -> argparse.Namespace:
    """Return the options; what is not ours is for digitize.py, and checked by its own parser.

    Raises
    ------
    UsageError
        For paths that the nodes could not use.
    """
    parser = submit_parser()
    options, rest = parser.parse_known_args(argv)
    job = digitize_parser().parse_args([options.input, options.output, *rest])
    if job.master is not None or any(word.startswith("@") or "=@" in word for word in rest):
        raise UsageError("--master and @FILE mean nothing on EMR", "", "Let the nodes' role give them what they need.")
    options.job_options = rest
    for uri in (options.input, options.output):
        if not has_scheme(uri) or parse(uri).scheme == "file":
            raise UsageError("the nodes do not see this machine's disk", uri, "Copy it to S3, and write s3://….")
    refuse_inside(options.output, options.input)
    if parse(options.output).scheme != "s3" and not options.cluster_id:
        raise UsageError("a transient cluster takes its HDFS with it", options.output, "Write to s3://….")
    if options.serverless and not options.execution_role:
        raise UsageError("--serverless needs --execution-role ARN")
    options.code_uri = f"s3://{options.bucket}/{options.prefix}"
    options.log_uri = options.log_uri or f"{options.code_uri}/logs/"
    options.arch = options.arch or request.arch_of(options.instance_type)
    return options


def submit_parser() -> argparse.ArgumentParser:
    """Return the parser of ``scripts/submit_emr.py``."""
    parser = argparse.ArgumentParser(
        prog="submit_emr.py",
        description="Run digitize.py on EMR. Options of digitize.py are passed on.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", metavar="INPUT", help="s3://… (or hdfs:///… with --cluster-id)")
    add("output", metavar="OUTPUT", help="s3://… (or hdfs:///… with --cluster-id)")
    add("--bucket", required=True, help="for code and logs")
    add("--prefix", default="fma_prep", help="in that bucket (default: %(default)s)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cluster-id", metavar="j-…", help="add a step to this cluster instead of starting one")
    where.add_argument("--serverless", metavar="APPLICATION_ID", help="run on EMR Serverless")
    add("--execution-role", metavar="ARN", help="for --serverless")
    add("--instance-type", default="m6a.xlarge", help="m7g.xlarge is Graviton (default: %(default)s)")
    add("--core-count", type=int, default=2, help="core nodes, on demand (default: %(default)s)")
    add("--task-count", type=int, default=0, help="task nodes, spot (default: %(default)s)")
    add("--task-type", help="their instance type (default: as --instance-type)")
    add("--arch", choices=sorted(ARCHS), help="of the nodes (default: by the instance type)")
    add("--release", default="emr-7.13.0", help="default: %(default)s")
    add("--service-role", default="EMR_DefaultRole_V2", help="default: %(default)s")
    add("--instance-profile", default="EMR_EC2_DefaultRole", help="default: %(default)s")
    add("--subnet", help="default: the account's default one")
    add("--tag", type=_pair, action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    add("--log-uri", metavar="s3://…", help="default: under --prefix")
    add("--name", default="fma_prep digitize", help="default: %(default)s")
    add("--archive", type=Path, help="default: dist/fma_prep-ARCH.tar.gz")
    add("--region", help="default: as the AWS command line has it")
    add("--profile", help="likewise")
    add("--poll-s", type=float, default=15.0, metavar="SECONDS", help="how often to look (default: %(default)s)")
    add("--log-wait-s", type=float, default=300.0, metavar="SECONDS", help="for late logs (default: %(default)s)")
    add("--no-wait", action="store_true", help="leave when it is started")
    add("--dry-run", action="store_true", help="print the request, and send nothing")
    add("--print-policy", action="store_true", help="print the least IAM policies that this needs")
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, not {text}")
    return key, value


def _archive(options: argparse.Namespace) -> Path:
    path: Path = options.archive or ROOT / "dist" / f"fma_prep-{options.arch}.tar.gz"
    if not path.exists():
        raise SetupError("there is no archive", str(path), f"make archive ARCH={options.arch}")
    check(path, options.arch)
    return path


def _request(options: argparse.Namespace, code: dict[str, str], tag: str) -> dict[str, Any]:
    if options.serverless:
        return request.serverless_run(options, code, tag)
    if options.cluster_id:
        return {"JobFlowId": options.cluster_id, "Steps": [request.step(options, code, tag, shipped=True)]}
    return request.job_flow(options, code, tag)


def _check(session: Any, options: argparse.Namespace) -> None:
    """Find out before anything costs money: buckets, cluster or roles and subnet; and how long it will take."""
    buckets = {options.bucket, parse(options.log_uri).authority}
    buckets |= {parse(u).authority for u in (options.input, options.output) if parse(u).scheme == "s3"}
    s3 = session.client("s3")
    for bucket in sorted(buckets):
        _ask(partial(s3.head_bucket, Bucket=bucket), f"bucket s3://{bucket}", "Does it exist, and may you?")
    if options.cluster_id:
        cluster = _ask(
            lambda: session.client("emr").describe_cluster(ClusterId=options.cluster_id),
            f"cluster {options.cluster_id}", "Check the id and the region.",
        )["Cluster"]  # fmt: skip
        if cluster["Status"]["State"] not in ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"):
            raise SetupError(
                f"it is {cluster['Status']['State'].lower()}",
                f"cluster {options.cluster_id}",
                "Start one without --cluster-id.",
            )
    elif not options.serverless:
        iam, service, nodes = session.client("iam"), options.service_role, options.instance_profile
        create = "Create it, or name another: aws emr create-default-roles makes the usual ones."
        _ask(lambda: iam.get_role(RoleName=service), f"role {service}", create)
        _ask(lambda: iam.get_instance_profile(InstanceProfileName=nodes), f"instance profile {nodes}", create)
        if options.subnet:
            ec2 = session.client("ec2")
            _ask(
                lambda: ec2.describe_subnets(SubnetIds=[options.subnet]),
                f"subnet {options.subnet}",
                "Check id and region.",
            )
    _estimate(options)


def _ask(action: Callable[[], Any], what: str, remedy: str) -> Any:
    try:
        return action()
    except ClientError as e:
        said = e.response["Error"]
        if said["Code"] in ("403", "AccessDenied", "AccessDeniedException"):
            raise RefusedError("you may not look at it", what, "See --print-policy.") from e
        raise SetupError(f"{said['Code']}: {said.get('Message', '')}".rstrip(". "), what, remedy) from e


def _estimate(options: argparse.Namespace) -> None:
    if parse(options.input).scheme != "s3":
        return
    storage = digitize_parser().parse_args(["", "", *options.job_options]).storage_options["input"]
    try:
        _, tracks, _ = list_input(options.input, storage)
    except FmaPrepError as e:
        _say(f"INPUT cannot be listed from here, so there is no estimate: {e}")
        return
    if not tracks:
        raise UsageError("there are no tracks in it", options.input, "Check the spelling.")
    size = sum(t.size_bytes for t in tracks)
    vcpus = request.vcpus_of(options.instance_type) * options.core_count
    vcpus += request.vcpus_of(options.task_type or options.instance_type) * options.task_count
    took = request.minutes(request.estimate_s(size, vcpus, starting=not options.cluster_id))
    _say(f"{len(tracks)} tracks, {size / 1e9:.2f} GB: about {took} on {vcpus} vCPUs")


def _run(session: Any, options: argparse.Namespace, code: dict[str, str], tag: str) -> int:
    if options.serverless:
        return _run_serverless(session, options, code, tag)
    emr = session.client("emr")
    sent = _request(options, code, tag)
    if options.cluster_id:
        cluster_id, step_id = options.cluster_id, emr.add_job_flow_steps(**sent)["StepIds"][0]
    else:
        cluster_id, step_id = emr.run_job_flow(**sent)["JobFlowId"], None
    _say(f"started on cluster {cluster_id}")
    if options.no_wait:
        return 0
    try:
        step_id = step_id or _first_step(emr, cluster_id)
        state = watch.watch_step(emr, cluster_id, step_id, _say, options.poll_s)
    except KeyboardInterrupt:
        return _interrupted(emr, options, cluster_id, step_id, tag)
    except BaseException:
        if not options.cluster_id:  # nobody would watch it: it is ours, and it costs money
            emr.terminate_job_flows(JobFlowIds=[cluster_id])
        raise
    if state == "COMPLETED":
        _say(f"done: {options.output}")
        return 0
    logs = watch.fetch_logs(session.client("s3"), options.log_uri, cluster_id, step_id, options.log_wait_s)
    print(f"submit_emr.py: failed ({state}): {watch.probable_cause(logs, state)}", file=sys.stderr)
    print(f"submit_emr.py: logs: {options.log_uri.rstrip('/')}/{cluster_id}/", file=sys.stderr)
    return watch.exit_status(logs)


def _first_step(emr: Any, cluster_id: str) -> str:
    while not (steps := emr.list_steps(ClusterId=cluster_id)["Steps"]):
        time.sleep(1)
    return str(steps[-1]["Id"])


def _interrupted(emr: Any, options: argparse.Namespace, cluster_id: str, step_id: str | None, tag: str) -> int:
    """Ask what shall become of it; without somebody to ask, end it: an unwatched cluster costs money."""
    thing = "the run" if options.cluster_id else f"cluster {cluster_id}"
    if not _yes(f"\nEnd {thing}? What is committed is kept, and the same command resumes. [Y/n] "):
        _say(f"{thing} goes on; its step is {step_id} on {cluster_id}")
        return 130
    if not options.cluster_id:
        emr.terminate_job_flows(JobFlowIds=[cluster_id])
    elif step_id:
        how = "TERMINATE_PROCESS"
        emr.cancel_steps(ClusterId=cluster_id, StepIds=[step_id], StepCancellationOption=how)
        emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[request.stop_step(tag)])
    _say(f"{thing} is ending")
    return 130


def _run_serverless(session: Any, options: argparse.Namespace, code: dict[str, str], tag: str) -> int:
    serverless = session.client("emr-serverless")
    run_id = serverless.start_job_run(**_request(options, code, tag))["jobRunId"]
    _say(f"started run {run_id}")
    if options.no_wait:
        return 0
    try:
        state = watch.watch_run(serverless, options.serverless, run_id, _say, options.poll_s)
    except KeyboardInterrupt:
        if _yes("\nEnd the run? What is committed is kept, and the same command resumes. [Y/n] "):
            serverless.cancel_job_run(applicationId=options.serverless, jobRunId=run_id)
        return 130
    except BaseException:
        serverless.cancel_job_run(applicationId=options.serverless, jobRunId=run_id)
        raise
    if state == "COMPLETED":
        _say(f"done: {options.output}")
        return 0
    print(f"submit_emr.py: failed: {watch.probable_cause({}, state)}", file=sys.stderr)
    return 1


def _yes(question: str) -> bool:
    if not sys.stdin.isatty():
        return True
    try:
        return input(question).strip().lower() in ("", "y", "yes")
    except (EOFError, KeyboardInterrupt):
        return True


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
