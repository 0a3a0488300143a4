"""The real job in a process of its own, on real Spark."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = ROOT / "jobs" / "digitize.py"


@dataclass
class Ran:
    """How a run ended, and what it left."""

    status: int
    out: str
    err: str
    output: Path

    @property
    def manifest(self):
        """The manifest's lines by track."""
        lines = (self.output / "_manifest.jsonl").read_text().splitlines()
        return {line["track"]: line for line in map(json.loads, lines)}

    @property
    def shards(self):
        """The shards' bytes by name."""
        return {p.name: p.read_bytes() for p in self.output.glob("part-*")}

    @property
    def succeeded(self):
        """Whether the dataset is marked as whole."""
        return (self.output / "_SUCCESS").exists()


def command(input_, output, *options, master="local[2]"):
    """Return the command line of a run."""
    return [sys.executable, str(JOB), str(input_), str(output), "--master", master, *map(str, options)]


def environment(**more):
    """Return the environment of a run, activated: this checkout, and whatever the test adds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **more}


def digitize(input_, output, *options, master="local[2]", env=None, prefix=()):
    """Run the job to its end."""
    ended = subprocess.run(
        [*prefix, *command(input_, output, *options, master=master)],
        capture_output=True,
        text=True,
        timeout=300,
        env=env or environment(),
    )
    assert "Traceback" not in ended.stderr + ended.stdout, ended.stderr + ended.stdout
    return Ran(ended.returncode, ended.stdout, ended.stderr, Path(output))


@pytest.fixture(scope="session")
def whole(tracks, tmp_path_factory):
    """Return an undisturbed run over `tracks`, with three shards."""
    return digitize(tracks, tmp_path_factory.mktemp("whole") / "out", "--partitions", 3)
