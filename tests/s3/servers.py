"""S3 servers for tests: a real gateway over a folder (versitygw), with users of its own; and moto."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.cluster.downloads import versitygw
from tests.cluster.nodes import free_port, kill, wait_for_port

ROOT_KEY, ROOT_SECRET = "rootkey", "root-secret-of-a-test"


@dataclass
class Server:
    """A running server.

    Attributes
    ----------
    endpoint : str
    users : dict[str, str]
        Secret by access key: the owner of everything, and whoever was added.
    """

    endpoint: str
    process: subprocess.Popen[bytes]
    users: dict[str, str] = field(default_factory=lambda: {ROOT_KEY: ROOT_SECRET})

    def client(self, user: str = ROOT_KEY) -> Any:
        """Return a boto3 client that acts as a user."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=user, aws_secret_access_key=self.users[user],
            region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )  # fmt: skip

    def environment(self, user: str = ROOT_KEY) -> dict[str, str]:
        """Return what the standard chain of credentials reads."""
        return {
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": self.users[user],
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def add_user(self, name: str) -> None:
        """Add a user who may do nothing (versitygw only)."""
        self.users[name] = f"secret-of-{name}"
        admin = [versitygw(), "admin", "-a", ROOT_KEY, "-s", ROOT_SECRET, "-er", self.endpoint, "create-user"]
        command = [*map(str, admin), "-a", name, "-s", self.users[name], "-r", "user"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def allow(self, bucket: str, user: str, *actions: str) -> None:
        """Let a user do these things in a bucket, and nothing else."""
        arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        by_level = [a for a in actions if "Object" not in a or a == "s3:ListBucketMultipartUploads"]
        statements = [
            {"Effect": "Allow", "Principal": user, "Action": names, "Resource": arn}
            for arn, names in zip(arns, (by_level, [a for a in actions if a not in by_level]), strict=True)
            if names
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.client().put_bucket_policy(Bucket=bucket, Policy=policy)

    def stop(self) -> None:
        """Kill it."""
        kill(self.process)


def start_gateway(folder: Path, address: str = "127.0.0.1") -> Server:
    """Start versitygw over a folder; its disk must know extended attributes (tmpfs does, on newer kernels)."""
    port = free_port(address)
    for name in ("buckets", "iam"):
        (folder / name).mkdir(parents=True)
    command = [versitygw(), "--access", ROOT_KEY, "--secret", ROOT_SECRET, "--port", f"{address}:{port}", "--quiet"]
    command += ["--iam-dir", folder / "iam", "posix", "--sidecar", folder / "meta", folder / "buckets"]
    (folder / "meta").mkdir()
    return _started(command, folder / "versitygw.log", address, port)


def start_moto(folder: Path, address: str = "127.0.0.1") -> Server:
    """Start moto's server: the API of S3, EMR, IAM and EC2; everybody may everything."""
    port = free_port(address)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)]
    return _started(command, folder / "moto.log", address, port)


def _started(command: list[Any], log: Path, address: str, port: int) -> Server:
    with log.open("ab") as output:
        process = subprocess.Popen([str(c) for c in command], stdout=output, stderr=output, start_new_session=True)
    wait_for_port(address, port, process, log)
    return Server(f"http://{address}:{port}", process)
