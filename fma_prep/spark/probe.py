"""What a worker can tell about itself, with nothing but the standard library: it may have nothing else.

Shipped by value, so that it runs where this package is missing, and on any Python. Only what is asked of a store needs
the package, and where that is missing the answer says so.
"""

import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["probe"]

_IMPORTS = ("fma_prep", "numpy", "av", "fsspec", "imageio_ffmpeg")
_BY_SCHEME = {"s3": "s3fs", "s3a": "s3fs", "hdfs": "hdfs_native", "viewfs": "hdfs_native"}
_ABOUT = "fma_prep_archive.json"  # as fma_prep.emr.archive writes it, which may not be here


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return what this process sees, as builtins only.

    Parameters
    ----------
    request : dict
        input, output (URIs), options (as ``--storage-options``), track (a name under INPUT, or None), pause_s.

    Returns
    -------
    dict
        executor (who answers, the same for all workers of one executor), host, time_s, python, machine, archive (what
        it says of itself, or None), packages (version, or ``"!"`` and why not), ffmpeg (likewise), free_bytes; and who,
        input, output, asked: what `fma_prep.dataset.access` says, if it could be asked.
    """
    time.sleep(request.get("pause_s", 0))  # so that tasks spread over executors
    schemes = {str(request[end]).partition(":")[0].lower() for end in ("input", "output")}
    wanted = _IMPORTS + tuple(sorted({_BY_SCHEME[s] for s in schemes if s in _BY_SCHEME}))
    packages = {name: _version(name) for name in wanted}
    return {
        # YARN names its containers; elsewhere each executor has a folder of its own
        "executor": f"{platform.node()} {os.environ.get('CONTAINER_ID') or Path.cwd()}",
        "host": platform.node(),
        "time_s": time.time(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "archive": _archive(),
        "packages": packages,
        "ffmpeg": "" if packages["imageio_ffmpeg"].startswith("!") else _ffmpeg(),
        "free_bytes": shutil.disk_usage(Path.cwd()).free,
        **_stores(request, packages),
    }


def _version(name: str) -> str:
    try:
        module = importlib.import_module(name)
    except Exception as e:  # a library for another CPU raises whatever it likes
        return "!" + _first_line(e)
    try:
        return str(getattr(module, "__version__", None) or metadata.version(name.replace("_", "-")))
    except metadata.PackageNotFoundError:
        return "?"


def _archive() -> Any:
    for folder in sys.path:
        try:
            return json.loads(Path(folder, _ABOUT).read_text("utf-8"))
        except (OSError, ValueError):
            continue
    return None


def _ffmpeg() -> str:
    try:
        import imageio_ffmpeg  # noqa: PLC0415  # it may be missing

        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-version"]
        told = subprocess.run(command, capture_output=True, timeout=30, check=True)  # noqa: S603  # our own ffmpeg
        return told.stdout.decode(errors="replace").split()[2]
    except Exception as e:
        return "!" + _first_line(e)


def _stores(request: dict[str, Any], packages: dict[str, str]) -> dict[str, Any]:
    needed = {name: v for name, v in packages.items() if name not in ("numpy", "av", "imageio_ffmpeg")}
    if any(version.startswith("!") for version in needed.values()):
        return {"who": "?", "input": [], "output": [], "asked": False}
    try:
        from fma_prep.dataset.access import check_input, check_output, who  # noqa: PLC0415  # it may be missing

        options = request["options"]
        return {
            "who": who(request["output"], options["output"]),
            "input": check_input(request["input"], options["input"], request.get("track")),
            "output": check_output(request["output"], options["output"]),
            "asked": True,
        }
    except Exception as e:  # whatever a store does, the rest of the answer counts
        return {"who": "?", "input": [_first_line(e)], "output": [], "asked": True}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
