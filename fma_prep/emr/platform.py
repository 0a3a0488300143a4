"""What an archive for the nodes may hold: wheels and native code for their platform, and no way out of it."""

import json
import os
import re
import tarfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path, PurePosixPath

from packaging.tags import compatible_tags, cpython_tags

from fma_prep.errors import SetupError

__all__ = ["ABOUT", "ARCHS", "PYTHON", "check", "machine", "platforms"]

ARCHS = {"x86_64": 62, "aarch64": 183}  # and the machine number in an ELF header, /usr/include/elf.h
PYTHON = (3, 11)  # what Amazon Linux 2023 has at /usr/bin/python3.11
GLIBC_MINOR = 28  # the newest that a wheel may ask for; Amazon Linux 2023 has 2.34, RHEL 8 2.28
ABOUT = "fma_prep_archive.json"  # in the archive: what it is, for doctor and the bootstrap action


def check(path: Path, arch: str) -> dict[str, object]:
    """Refuse an archive that would fail on the nodes, and say why.

    Returns
    -------
    dict
        What the archive says of itself: arch, python, packages, lock_sha256.

    Raises
    ------
    SetupError
        If it holds pyspark (the cluster brings its own), a link or a name that leads out of it, a wheel or a native
        file for another platform, or is not such an archive at all.
    """
    about: dict[str, object] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                head = _readable(tar, member)
                if problem := _problem(member, head, arch):
                    raise SetupError(problem, f"{path.name}: {member.name}", "Build it again: make archive.")
                if member.name == ABOUT:
                    about = json.loads(head)
    except (OSError, EOFError, tarfile.TarError, ValueError) as e:
        raise SetupError(f"not a readable archive ({e})", str(path), "Build it again: make archive.") from e
    if about.get("arch") != arch:
        raise SetupError(
            f"made for {about.get('arch', 'no known CPU')}, not for {arch}", str(path), f"make archive ARCH={arch}"
        )
    return about


def _readable(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the head of a file in the archive; the whole of the two kinds that are text of ours to read."""
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        return b""
    return file.read(1 << 20 if member.name == ABOUT or member.name.endswith(".dist-info/WHEEL") else 20)


def _problem(member: tarfile.TarInfo, head: bytes, arch: str) -> str | None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        return "it would be unpacked outside the archive"
    if name.parts[0] == "pyspark" or name.parts[0].startswith("pyspark-"):
        return "pyspark must not be in it: the cluster brings its own"
    if member.issym() or member.islnk():
        target = os.path.normpath(member.linkname if member.islnk() else name.parent / member.linkname)
        return f"it is a link out of the archive, to {member.linkname}" if target.startswith(("/", "..")) else None
    return _foreign(name, head, arch) if member.isreg() or member.isdir() else "it is neither a file nor a folder"


def _foreign(name: PurePosixPath, head: bytes, arch: str) -> str | None:
    """Say what is for another platform, by the wheels' own tags and by the native files themselves."""
    machine = _machine_of(head)
    if machine not in {None, ARCHS[arch]}:
        other = {number: known for known, number in ARCHS.items()}.get(machine or 0, "another platform")
        return f"it is native code for {other}, not for {arch}"
    if name.name == "WHEEL" and name.parent.suffix == ".dist-info":
        tags = re.findall(r"^Tag: (\S+)$", head.decode("utf-8", "replace"), re.MULTILINE)
        if not _fits(tags, arch):
            return f"it is a wheel for another platform ({', '.join(tags)}), not for {arch}"
    return None


def _fits(tags: Iterable[str], arch: str) -> bool:
    names = platforms(arch)
    fit = chain(cpython_tags(PYTHON, platforms=names), compatible_tags(PYTHON, "cp311", names))
    return not {str(tag) for tag in fit}.isdisjoint(tags)


def platforms(arch: str) -> list[str]:
    """Return the names of the platforms whose wheels run on the nodes, newest first."""
    older = ["manylinux2014"] + (["manylinux2010", "manylinux1"] if arch == "x86_64" else [])
    return [f"manylinux_2_{minor}_{arch}" for minor in range(GLIBC_MINOR, 4, -1)] + [f"{o}_{arch}" for o in older]


def machine(path: Path) -> int | None:
    """Return the CPU that a native file is for (0: not an ELF file but native), None for any other file."""
    with path.open("rb") as file:
        return _machine_of(file.read(20))


def _machine_of(head: bytes) -> int | None:
    if head.startswith(b"\x7fELF"):
        return int.from_bytes(head[18:20], "little")
    return 0 if head[:4] in {b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"} or head[:2] == b"MZ" else None
