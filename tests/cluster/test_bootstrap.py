"""bootstrap/install.sh on bare nodes, with the real aws command, and in every way that it can go wrong."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cluster import downloads
from tests.cluster.nodes import APART, PYTHON, Node

pytestmark = pytest.mark.skipif(not APART, reason="this machine forbids namespaces, and this must not write into it")
ARCH = os.uname().machine
ROOT = "/mnt/node/opt"
BUCKET = "code"


@pytest.fixture(scope="module")
def node(work, ship):
    """A bare node, with no daemon on it."""
    bare = Node("bare", work)
    yield bare
    bare.stop()


@pytest.fixture(scope="module")
def bucket(s3):
    s3.client().create_bucket(Bucket=BUCKET)
    return s3


def small_archive(arch=ARCH, imports=("json",), content=b"") -> bytes:
    """An archive as small as one can be that still installs."""
    about = json.dumps({"arch": arch, "imports": list(imports), "packages": {}}).encode()
    out = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=out, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, data in (("fma_prep_archive.json", about), ("content", content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def upload(s3, data: bytes, name: str = "fma_prep.tar.gz") -> tuple[str, str]:
    s3.client().put_object(Bucket=BUCKET, Key=name, Body=data)
    return f"s3://{BUCKET}/{name}", hashlib.sha256(data).hexdigest()


def install(node, s3, *arguments, user="root", **environment):
    script = ["bash", "/mnt/shared/bootstrap/install.sh", *arguments]
    known = s3.environment() | {"FMA_PREP_ROOT": ROOT, "AWS_MAX_ATTEMPTS": "1"}
    return node.run(script, user, **(known | environment))


def installed(node) -> list[str]:
    """Everything under the root but the lock: names, hidden ones too."""
    names = node.run(["ls", "-A", ROOT]).stdout.split()
    return sorted(n for n in names if n != ".lock")


def refused(node, s3, done, *words) -> None:
    """It said one clear line, with these words, and left things as they were."""
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done
    assert len(lines) == 1, lines
    assert "bare: FAILED: " in lines[0]
    for word in words:
        assert word in lines[0]


@pytest.fixture
def before(node, bucket):
    """Something good is installed; whatever fails must leave exactly that."""
    uri, sha256 = upload(bucket, small_archive())
    assert install(node, bucket, uri, sha256).returncode == 0
    names = installed(node)
    yield sha256
    assert installed(node) == names
    assert node.run(["readlink", f"{ROOT}/current"]).stdout.strip() == sha256


def test_the_real_archive_from_s3_twice_in_a_row(node, bucket, archive_sha256):
    uri = f"s3://{BUCKET}/{downloads.archive().name}"
    bucket.client().upload_file(str(downloads.archive()), BUCKET, downloads.archive().name)
    first = install(node, bucket, uri, archive_sha256)
    assert first.returncode == 0, first.stderr
    inode = node.run(["stat", "-c", "%i %Z", f"{ROOT}/{archive_sha256}"]).stdout
    again = install(
        node, bucket, uri, archive_sha256, AWS_ENDPOINT_URL="http://127.0.0.1:1"
    )  # nothing to fetch any more
    assert again.returncode == 0, again.stderr
    assert node.run(["stat", "-c", "%i %Z", f"{ROOT}/{archive_sha256}"]).stdout == inode
    assert installed(node) == sorted([archive_sha256, "current"])
    code = "import numpy, av, s3fs, hdfs_native, fma_prep.audio; print(numpy.__file__)"
    works = node.run([PYTHON, "-c", code], "yarn", PYTHONPATH=f"{ROOT}/current")
    assert works.stdout == f"{ROOT}/current/numpy/__init__.py\n", works.stderr
    ffmpeg = f"{ROOT}/current/imageio_ffmpeg/binaries/ffmpeg-*"
    assert "ffmpeg version" in node.run(["sh", "-c", f"{ffmpeg} -version"], "yarn").stdout


def test_a_wrong_hash(node, bucket, before):
    uri, _ = upload(bucket, small_archive(content=b"other"))
    refused(node, bucket, install(node, bucket, uri, "0" * 64), "not what was expected", "0" * 64)


def test_no_permission_to_read_it(node, bucket, before):
    bucket.add_user("outsider")
    uri, sha256 = upload(bucket, small_archive(content=b"secret"))
    refused(
        node,
        bucket,
        install(node, bucket, uri, sha256, **bucket.environment("outsider")),
        "may not read it",
        "s3:GetObject",
    )


def test_no_permission_to_write_there(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive(content=b"x"))
    refused(node, bucket, install(node, bucket, uri, sha256, user="stranger"), "user stranger may not write", "sudo")


def test_nothing_at_that_address(node, bucket, before):
    refused(node, bucket, install(node, bucket, f"s3://{BUCKET}/missing.tar.gz", "1" * 64), "it is not there")


def test_a_full_disk(node, bucket, before):
    node.run(["sh", "-c", "mkdir -p /opt/full && mount -t tmpfs -o size=8m none /opt/full"])
    # nsenter enters the node's own mount namespace: the mount stays
    uri, sha256 = upload(bucket, small_archive(content=bytes(20_000_000)))
    done = install(node, bucket, uri, sha256, FMA_PREP_ROOT="/opt/full")
    refused(node, bucket, done, "the disk is full", "larger root volume")
    big = upload(bucket, os.urandom(20_000_000))
    refused(node, bucket, install(node, bucket, *big, FMA_PREP_ROOT="/opt/full"), "the disk is full")
    assert node.run(["ls", "-A", "/opt/full"]).stdout.split() == [".lock"]


def test_no_network(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive(content=b"far away"))
    node.run(["ip", "link", "set", "eth0", "down"])
    try:
        refused(node, bucket, install(node, bucket, uri, sha256), "no network", "endpoint")
    finally:
        node.run(["ip", "link", "set", "eth0", "up"])


def test_no_credentials(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive(content=b"who are you"))
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    refused(node, bucket, install(node, bucket, uri, sha256, **none), "no AWS credentials", "instance profile")


def test_the_wrong_cpu_by_its_name_and_by_what_is_in_it(node, bucket, before):
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[ARCH]
    uri, sha256 = upload(bucket, small_archive(other), f"fma_prep-{other}.tar.gz")
    refused(node, bucket, install(node, bucket, uri, sha256), f"for {other}", f"make archive ARCH={ARCH}")
    uri, sha256 = upload(bucket, small_archive(other), "renamed.tar.gz")
    refused(node, bucket, install(node, bucket, uri, sha256), f"for {other}")


def test_python_311_missing_or_another_one(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive())
    refused(
        node,
        bucket,
        install(node, bucket, uri, sha256, FMA_PREP_PYTHON="/usr/bin/python3.99"),
        "Python 3.11 is missing",
    )
    node.run(
        ["sh", "-c", "printf '#!/bin/sh\\necho it is 3.9 >&2; exit 1\\n' > /opt/python3.11; chmod +x /opt/python3.11"]
    )
    refused(node, bucket, install(node, bucket, uri, sha256, FMA_PREP_PYTHON="/opt/python3.11"), "it is 3.9", "EMR 7.1")


def test_an_archive_whose_parts_do_not_load(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive(imports=["numpy_that_is_not_there"]))
    refused(node, bucket, install(node, bucket, uri, sha256), "smoke test failed", "numpy_that_is_not_there")


def test_something_else_than_an_archive(node, bucket, before):
    refused(node, bucket, install(node, bucket, *upload(bucket, b"<html>")), "cannot unpack")


def test_what_a_killed_run_left_behind_goes(node, bucket, before):
    node.run(["mkdir", "-p", f"{ROOT}/.incoming.99999/tree"])
    uri, sha256 = upload(bucket, small_archive())
    assert install(node, bucket, uri, sha256).returncode == 0


def test_a_broken_installation_is_mended(node, bucket, before):
    uri, sha256 = upload(bucket, small_archive())
    node.run(["rm", f"{ROOT}/{sha256}/fma_prep_archive.json"])
    assert install(node, bucket, uri, sha256).returncode == 0
    assert node.run(["cat", f"{ROOT}/current/fma_prep_archive.json"]).stdout


def test_a_file_on_the_node_will_do(node, bucket, ship):
    data = small_archive(content=b"by hand")
    (ship / "local.tar.gz").write_bytes(data)
    assert install(node, bucket, "/mnt/shared/local.tar.gz", hashlib.sha256(data).hexdigest()).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("s3://code/x",), ("s3://code/x", "not-a-hash")])
def test_bad_usage(node, bucket, arguments):
    done = install(node, bucket, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_shellcheck_has_nothing_to_say():
    shellcheck = shutil.which("shellcheck", path=Path(sys.executable).parent)
    subprocess.run([shellcheck, downloads.ROOT / "bootstrap/install.sh"], check=True)
