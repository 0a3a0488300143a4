"""The dependency archive: everything a worker needs beside a bare Python, put on PYTHONPATH as it is.

A virtual environment would not do: its ``bin/python`` is a symlink to an interpreter that the nodes do not have.
So this is a folder of unpacked wheels, chosen for the nodes' platform and not for the machine that builds it.
"""

import ast
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fma_prep
from fma_prep.emr.platform import ABOUT, ARCHS, PYTHON, check, machine, platforms
from fma_prep.errors import SetupError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

__all__ = ["Archive", "build", "node_distributions"]

NAME = "fma_prep-{arch}.tar.gz"

# Found by name at run time, or read as data, where no import statement shows it.
_NOT_SEEN_AS_IMPORTS = {"audioop-lts", "hdfs-native", "imageio-ffmpeg", "resampy", "s3fs"}
# Dependencies of dependencies that our use never imports, and that are not even downloaded: resampy's filter table is
# read as a file, and argcomplete serves hdfs-native's command line. numba and llvmlite alone weigh 150 MB.
_UNUSED = {"argcomplete", "llvmlite", "numba"}
_JOBS = ("digitize.py", "doctor.py")  # that run on nodes; original.py, the yardstick, needs scipy and numba
# botocore describes 400 services; a worker talks to these.
_SERVICES = {"s3", "sts", "sso", "sso-oidc", "signin"}
_PRUNED_FOLDERS = {"__pycache__", "tests", "bin", "include"}
_PRUNED_SUFFIXES = {".pyc", ".pyi", ".pyx", ".pxd", ".a", ".h", ".c", ".f", ".f90"}
_PRUNED_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}  # they name the machine that built it


@dataclass(frozen=True)
class Archive:
    """A finished archive.

    Attributes
    ----------
    path : Path
        The ``.tar.gz``.
    sha256, tar_sha256 : str
        Of the file, and of the uncompressed tar in it (the latter is the same wherever it is built).
    size_bytes : int
        Of the file.
    weights : dict[str, tuple[str, int, int]]
        Version, unpacked bytes and bytes once compressed alone, by distribution; largest first.
    """

    path: Path
    sha256: str
    tar_sha256: str
    size_bytes: int
    weights: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [f"{'part':<20} {'version':<14} {'unpacked':>9} {'packed':>9}"]
        rows += [
            f"{name:<20} {version:<14} {raw / 1e6:>6.1f} MB {packed / 1e6:>6.1f} MB"
            for name, (version, raw, packed) in self.weights.items()
        ]
        raw = sum(w[1] for w in self.weights.values())
        rows += [f"{'in all':<20} {'':<14} {raw / 1e6:>6.1f} MB {self.size_bytes / 1e6:>6.1f} MB"]
        rows += [f"{self.path}  sha256 {self.sha256}", f"tar within  sha256 {self.tar_sha256}"]
        return "\n".join(rows)


def build(root: Path, arch: str = "x86_64", output: Path | None = None) -> Archive:
    """Build the archive for nodes of one CPU architecture, on any machine.

    Parameters
    ----------
    root : Path
        The checkout: ``fma_prep``, ``pyproject.toml`` and ``requirements/nodes.lock`` are read from it.
    arch : {"x86_64", "aarch64"}
    output : Path, optional
        A folder; ``root/dist`` by default.

    Raises
    ------
    UsageError
        For another architecture.
    SetupError
        If pip cannot install what the lock says, or the result is not fit for the nodes (see `check`).
    """
    if arch not in ARCHS:
        raise UsageError("no such CPU architecture", arch, f"Known: {', '.join(ARCHS)}.")
    lock = root / "requirements" / "nodes.lock"
    wanted = node_distributions(root)
    folder = output or root / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as scratch:
        tree = Path(scratch) / "tree"
        _install(lock, wanted, arch, tree)
        parts = _parts(tree, root / "fma_prep", arch, _needed(tree, wanted))
        lock_sha256 = hashlib.sha256(lock.read_bytes()).hexdigest()
        made = Path(scratch) / "archive.tar.gz"
        # what a worker loads by name: the smoke test of the bootstrap action (resampy is read as data, unimported)
        imports = ["fma_prep", *sorted(n.replace("-", "_") for n in wanted - {"resampy"})]
        about: dict[str, object] = {
            "arch": arch,
            "python": list(PYTHON),
            "imports": imports,
            "lock_sha256": lock_sha256,
        }
        archive = _pack(parts, made, about)
        check(made, arch)
        made.chmod(0o644)  # the cluster's users read it, not only who built it
        final = folder / NAME.format(arch=arch)
        made.replace(final)
    return replace(archive, path=final)


def node_distributions(root: Path) -> set[str]:
    """Return the distributions named in pyproject.toml that the jobs import, directly or through our own modules."""
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {canonicalize_name(r.name) for r in map(Requirement, declared) if _applies(r)}
    queue, seen = [root / "jobs" / name for name in _JOBS], set[Path]()
    imported: set[str] = set()
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            found = set(_imports(path))
            imported |= {name.partition(".")[0] for name in found}
            queue += [file for name in found for file in _own_files(root, name)]
    return {n for n in names if n.replace("-", "_") in imported or n in _NOT_SEEN_AS_IMPORTS}


def _imports(path: Path) -> Iterator[str]:
    """Yield the names that a Python file imports, wherever in it; of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_files(root: Path, name: str) -> Iterator[Path]:
    """Yield the files of ours that importing `name` loads."""
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:i])
        yield from (p for p in (path / "__init__.py", path.with_name(path.name + ".py")) if p.exists())


def _applies(requirement: Requirement) -> bool:
    """Evaluate a marker for the nodes; pip would evaluate it for the interpreter that runs pip."""
    version = ".".join(map(str, PYTHON))
    nodes = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_version": f"{version}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "extra": "",
    }
    return requirement.marker is None or requirement.marker.evaluate(nodes)


def _locked(lock: Path) -> dict[str, str]:
    """Return the lines of a lock that apply to the nodes, with their hashes, by distribution."""
    lines: dict[str, str] = {}
    for line in re.sub(r"\\\n\s*", " ", lock.read_text("utf-8")).splitlines():
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#"):
            requirement = Requirement(text.partition(" --hash")[0].strip())
            if _applies(requirement):
                pinned = f"{requirement.name}{requirement.specifier}"
                lines[canonicalize_name(requirement.name)] = pinned + text[text.index(" --hash") :]
    return lines


def _install(lock: Path, wanted: set[str], arch: str, tree: Path) -> None:
    """Unpack the nodes' wheels into `tree` by pip, each checked against its hash."""
    locked = _locked(lock)
    if missing := wanted - set(locked):
        raise SetupError(f"not in the lock: {', '.join(sorted(missing))}", str(lock), "Run `make lock`.")
    requirements = tree.with_suffix(".txt")
    requirements.write_text("\n".join(line for name, line in locked.items() if name not in _UNUSED), "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    command += ["--implementation=cp", "--python-version", ".".join(map(str, PYTHON)), "--target", str(tree)]
    command += [f"--platform={p}" for p in platforms(arch)] + ["-r", str(requirements)]
    # PYTHONPATH would make pip think that what is on it is there already
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PIP_TARGET", "PIP_USER"}}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise SetupError(
            f"pip cannot install it for {arch}: {errors[0].removeprefix('ERROR: ')[:300]}",
            str(lock),
            "Each line of the lock needs a wheel for the nodes; run `make lock` if the lock is stale.",
        )


def _needed(tree: Path, wanted: set[str]) -> set[str]:
    """Return the wanted distributions in `tree` and those that they ask for, and so on."""
    asks: dict[str, set[str]] = {}
    for metadata in tree.glob("*.dist-info/METADATA"):
        name = canonicalize_name(metadata.parent.name.partition("-")[0])
        header = metadata.read_text("utf-8").partition("\n\n")[0]
        found = map(Requirement, re.findall(r"^Requires-Dist: (.+)$", header, re.MULTILINE))
        asks[name] = {canonicalize_name(r.name) for r in found if _applies(r)} if name != "resampy" else set()
    needed: set[str] = set()
    queue = list(wanted)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in asks and name not in needed:
            needed.add(name)
            queue += asks[name]
    return needed


def _parts(tree: Path, package: Path, arch: str, needed: set[str]) -> dict[str, tuple[str, dict[str, Path]]]:
    """Return version and files (archive name -> file), by distribution; what a worker never loads is left out."""
    parts: dict[str, tuple[str, dict[str, Path]]] = {}
    for info in sorted(tree.glob("*.dist-info")):
        written, _, version = info.name.removesuffix(".dist-info").partition("-")
        record = (info / "RECORD").read_text("utf-8").splitlines()
        names = [line.rsplit(",", 2)[0].strip('"') for line in record]
        # scripts are recorded as ../../bin/x: they name the interpreter that built this, and go
        inside = {n: tree / n for n in names if not n.startswith("..") and _is_kept(PurePosixPath(n))}
        if canonicalize_name(written) in needed:
            parts[canonicalize_name(written)] = (version, {n: p for n, p in inside.items() if p.exists()})
    own = {f"fma_prep/{p.relative_to(package).as_posix()}": p for p in package.rglob("*") if not p.is_dir()}
    own = {n: p for n, p in own.items() if _is_kept(PurePosixPath(n)) and machine(p) in {None, ARCHS[arch]}}
    parts["fma_prep"] = (fma_prep.__version__, own)
    return parts


def _is_kept(name: PurePosixPath) -> bool:
    if name.parts[0] == "botocore" and name.parts[1:2] == ("data",) and len(name.parts) > 3:
        return name.parts[2] in _SERVICES
    if _PRUNED_FOLDERS & set(name.parts[:-1]) or name.suffix in _PRUNED_SUFFIXES:
        return False
    return not (name.parent.suffix == ".dist-info" and name.name in _PRUNED_RECORDS)


def _pack(parts: dict[str, tuple[str, dict[str, Path]]], path: Path, about: dict[str, object]) -> Archive:
    """Write the tar: sorted, owned by nobody in particular, dated 1980, so that the same files give the same bytes."""
    about |= {"format": "fma_prep-archive/1", "packages": {name: version for name, (version, _) in parts.items()}}
    weights = {}
    with path.open("wb") as raw:
        packed = _Hashed(raw)
        with gzip.GzipFile("", "wb", 6, packed, mtime=0) as zipped:
            inner = _Hashed(zipped)
            with tarfile.open(fileobj=inner, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, ABOUT, data=json.dumps(about, sort_keys=True).encode())
                for name in sorted(parts):
                    version, files = parts[name]
                    before = packed.size_bytes
                    for inside in sorted(files):
                        _add(tar, inside, files[inside])
                    zipped.flush()  # so that what this part added can be told
                    size = sum(f.lstat().st_size for f in files.values())
                    weights[name] = (version, size, packed.size_bytes - before)
    ordered = dict(sorted(weights.items(), key=lambda item: -item[1][2]))
    return Archive(path, packed.sha256, inner.sha256, packed.size_bytes, ordered)


def _add(tar: tarfile.TarFile, name: str, path: Path | None = None, data: bytes = b"") -> None:
    member = tar.gettarinfo(path, name) if path else tarfile.TarInfo(name)
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 315532800  # 1980: zip's oldest, for whoever repacks it
    run_bit = path is not None and member.isreg() and ("binaries/ffmpeg" in name or os.access(path, os.X_OK))
    member.mode = 0o755 if run_bit else 0o644
    if path is None:
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    elif member.isreg():
        with path.open("rb") as file:
            tar.addfile(member, file)
    else:
        tar.addfile(member)


class _Hashed(io.RawIOBase):
    """A file for writing only that hashes and counts what goes through it."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file, self._hash, self.size_bytes = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer") -> int:
        self._hash.update(data)
        self.size_bytes += memoryview(data).nbytes
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
