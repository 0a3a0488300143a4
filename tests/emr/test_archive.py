import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fma_prep.emr.archive import build, node_distributions
from fma_prep.emr.platform import ABOUT, check
from fma_prep.errors import SetupError, UsageError

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT)}
ELF = {
    "x86_64": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\0",
    "aarch64": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\0",
}


def small_checkout(folder: Path, *names: str) -> Path:
    """A checkout that needs only some of our locked distributions, with one source file and rubbish beside it."""
    blocks = re.findall(
        r"^(\S+==.*?(?:\n    --hash=\S+(?: \\)?)+)", (ROOT / "requirements/nodes.lock").read_text(), re.MULTILINE
    )
    (folder / "requirements").mkdir(parents=True)
    (folder / "requirements/nodes.lock").write_text("\n".join(b for b in blocks if b.split("==")[0] in names) + "\n")
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = {json.dumps(list(names))}\n")
    (folder / "fma_prep/audio").mkdir(parents=True)
    (folder / "fma_prep/__init__.py").write_text("")
    (folder / "jobs").mkdir()
    (folder / "jobs/digitize.py").write_text("from fma_prep import audio\n")
    (folder / "jobs/doctor.py").write_text("")
    imports = "\n".join(f"import {n.replace('-', '_')}" for n in names)
    (folder / "fma_prep/audio/__init__.py").write_text(imports + "\n")
    for arch, head in ELF.items():
        (folder / f"fma_prep/audio/_core-{arch}.so").write_bytes(head + bytes(100))
    (folder / "fma_prep/audio/__pycache__").mkdir()
    (folder / "fma_prep/audio/__pycache__/x.pyc").write_bytes(b"rubbish")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = small_checkout(tmp_path_factory.mktemp("checkout"), "six", "multidict")
    return {arch: build(root, arch) for arch in ELF}


@pytest.mark.slow
def test_holds_the_package_and_the_wheels_of_that_platform_whatever_this_machine_is(made):
    for arch, archive in made.items():
        with tarfile.open(archive.path) as tar:
            names = set(tar.getnames())
            about = json.load(tar.extractfile(ABOUT))
        assert {"six.py", "multidict/__init__.py", "fma_prep/audio/__init__.py"} <= names
        assert [n for n in names if n.startswith("fma_prep/") and n.endswith(".so")] == [
            f"fma_prep/audio/_core-{arch}.so"
        ]
        assert {n.rpartition("cpython-311-")[2] for n in names if "cpython" in n} == {f"{arch}-linux-gnu.so"}
        assert not [n for n in names if "__pycache__" in n or n.endswith(("RECORD", ".pyi"))]
        assert about["arch"] == arch
        assert set(about["packages"]) == {"six", "multidict", "fma_prep"}
        assert set(archive.weights) == {"six", "multidict", "fma_prep"}
        assert "multidict" in str(archive)
        assert archive.sha256 == hashlib.sha256(archive.path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_same_inputs_give_the_same_tar_in_another_folder_at_another_time(made, tmp_path):
    again = build(small_checkout(tmp_path / "elsewhere", "six", "multidict"), "x86_64", tmp_path / "out")
    assert again.tar_sha256 == made["x86_64"].tar_sha256
    unpacked = gzip.decompress(again.path.read_bytes())
    assert hashlib.sha256(unpacked).hexdigest() == again.tar_sha256


@pytest.mark.slow
def test_the_other_architecture_is_refused_by_name(made):
    with pytest.raises(SetupError, match=r"native code for aarch64, not for x86_64|made for aarch64, not for x86_64"):
        check(made["aarch64"].path, "x86_64")
    assert check(made["aarch64"].path, "aarch64")["arch"] == "aarch64"


@pytest.mark.slow
def test_a_wheel_that_is_not_what_the_lock_says_is_refused(tmp_path):
    root = small_checkout(tmp_path, "six")
    lock = root / "requirements/nodes.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text()))
    with pytest.raises(SetupError, match=r"(?i:hash)"):
        build(root)
    assert list((root / "dist").iterdir()) == []


def test_a_dependency_that_the_lock_forgot_is_named(tmp_path):
    root = small_checkout(tmp_path, "six")
    (root / "requirements/nodes.lock").write_text("")
    with pytest.raises(SetupError, match="not in the lock: six"):
        build(root)


def test_an_unknown_architecture_is_a_usage_error():
    with pytest.raises(UsageError, match="riscv64"):
        build(ROOT, "riscv64")


def crafted(path: Path, *members: tuple[str, bytes | str]) -> Path:
    """An archive with files (bytes) and symlinks (str), and a good description."""
    with tarfile.open(path, "w:gz") as tar:
        about = json.dumps({"arch": "x86_64", "packages": {}}).encode()
        for name, content in [(ABOUT, about), *members]:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("pyspark/__init__.py", b""), "pyspark must not be in it"),
        (("pyspark-3.5.9.dist-info/METADATA", b""), "pyspark must not be in it"),
        (("bin/python", "/usr/bin/python3"), "link out of the archive, to /usr/bin/python3"),
        (("a/b", "../../etc/passwd"), "link out of the archive"),
        (("../evil.py", b""), "unpacked outside"),
        (("/etc/passwd", b""), "unpacked outside"),
        (("x/core.so", ELF["aarch64"]), "native code for aarch64"),
        (("x/core.dylib", b"\xcf\xfa\xed\xfe" + bytes(30)), "native code for another platform"),
        (("x-1.dist-info/WHEEL", b"Tag: cp311-cp311-macosx_11_0_arm64\n"), "wheel for another platform"),
        (("x-1.dist-info/WHEEL", b"Tag: cp312-cp312-manylinux_2_17_x86_64\n"), "wheel for another platform"),
        (("x-1.dist-info/WHEEL", b"Tag: cp311-cp311-manylinux_2_39_x86_64\n"), "wheel for another platform"),
    ],
)
def test_what_would_fail_on_the_nodes_is_refused_with_the_reason(tmp_path, member, reason):
    with pytest.raises(SetupError, match=re.escape(reason)):
        check(crafted(tmp_path / "bad.tar.gz", member), "x86_64")


@pytest.mark.parametrize(
    "member",
    [
        ("x/link", "core.so"),
        ("x/core.so", ELF["x86_64"]),
        ("x-1.dist-info/WHEEL", b"Tag: cp39-abi3-manylinux_2_17_x86_64\nTag: cp39-abi3-manylinux2014_x86_64\n"),
        ("x-1.dist-info/WHEEL", b"Tag: py3-none-any\n"),
    ],
)
def test_what_works_on_the_nodes_is_not_refused(tmp_path, member):
    assert check(crafted(tmp_path / "good.tar.gz", member), "x86_64")["arch"] == "x86_64"


@pytest.mark.parametrize("content", [b"", b"not a tar", gzip.compress(b"neither", mtime=0)])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(SetupError, match=r"not a readable archive|made for no known CPU"):
        check(tmp_path / "x.tar.gz", "x86_64")


def test_a_worker_gets_what_it_imports_and_no_compiler():
    names = node_distributions(ROOT)
    assert {"av", "numpy", "s3fs", "hdfs-native", "imageio-ffmpeg", "resampy"} <= names
    assert not names & {"pyspark", "numba", "llvmlite", "audioop-lts", "boto3", "scipy"}


@pytest.mark.slow
def test_the_command_says_what_it_made_or_why_not(made):
    script = [sys.executable, str(ROOT / "scripts/make_archive.py"), "--check", str(made["aarch64"].path)]
    good = subprocess.run([*script, "--arch", "aarch64"], env=ENV, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run(script, env=ENV, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert len(bad.stderr.splitlines()) == 1
    assert "not for x86_64" in bad.stderr
