"""Compile the native core: ``python -m fma_prep.audio.subband_core.build [--arch aarch64]``.

Needs the wheel ``ziglang`` and nothing else: no system compiler, for whichever of the architectures. A library that is
newer than its sources is left alone.
"""

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from fma_prep.audio.subband_core import library_path
from fma_prep.errors import SetupError, UsageError

__all__ = ["ARCHITECTURES", "build", "build_fuzzer"]

SOURCES = Path(__file__).with_name("src")

# The oldest glibc of any system that has Python 3.11 wheels, and the oldest CPUs worth having been built for.
ARCHITECTURES = {
    "x86_64": ("-target", "x86_64-linux-gnu.2.28", "-mcpu=x86_64_v3"),
    "aarch64": ("-target", "aarch64-linux-gnu.2.28", "-mcpu=generic"),
}
_SAFE = ("-O", "ReleaseSafe", "-fstrip")  # bounds and overflows are checked, at a few per cent


def _zig(*arguments: str | Path, scratch: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        raise SetupError("the compiler is not installed", "ziglang", "Run `pip install ziglang`")
    environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(scratch / "local")}
    command = [sys.executable, "-m", "ziglang", *map(str, arguments)]
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SetupError("does not compile", str(SOURCES), done.stderr.strip())


def _is_current(target: Path) -> bool:
    newest = max(path.stat().st_mtime for path in (*SOURCES.glob("*.zig"), Path(__file__)))
    return target.exists() and target.stat().st_mtime > newest


def build(arch: str | None = None) -> Path:
    """Return the path of the library for an architecture, by default this machine's; compile it if need be.

    Raises
    ------
    UsageError
        If `arch` is not in `ARCHITECTURES`.
    SetupError
        If the compiler is missing or fails.
    """
    arch = arch or platform.machine()
    if arch not in ARCHITECTURES:
        raise UsageError(f"must be one of {', '.join(ARCHITECTURES)}", f"arch={arch}")
    target = library_path(arch)
    if not _is_current(target):
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
            made = Path(scratch) / "layer3.so"
            options = (*_SAFE, *ARCHITECTURES[arch], f"-femit-bin={made}")
            _zig("build-lib", "-dynamic", *options, SOURCES / "layer3.zig", scratch=Path(scratch))
            made.replace(target)  # whole or not at all: others may be building, or have it loaded
    return target


def build_fuzzer(target: Path) -> None:
    """Compile the core and `src/fuzz.zig` to `target`, counting its branches, for this machine."""
    options = (*_SAFE, *ARCHITECTURES[platform.machine()])
    with tempfile.TemporaryDirectory() as scratch:
        apart = Path(scratch) / "stack.o"
        _zig("build-obj", "-fPIC", *options, f"-femit-bin={apart}", SOURCES / "fuzz_stack.zig", scratch=Path(scratch))
        counted = (*options, "-ffuzz", f"-femit-bin={target}")
        _zig("build-lib", "-dynamic", *counted, SOURCES / "fuzz.zig", apart, scratch=Path(scratch))


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fma_prep.audio.subband_core.build", description=__doc__)
    parser.add_argument("--arch", choices=ARCHITECTURES, help="default: this machine's")
    try:
        print(build(parser.parse_args().arch))
    except (SetupError, UsageError) as e:
        print(e, file=sys.stderr)
        return e.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(_main())
