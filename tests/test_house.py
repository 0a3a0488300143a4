"""The rooms of the house: imports go one way, and pyspark stays in its room."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import those before it.
ROOMS = ["audio", "dataset", "scrape", "report", "spark", "emr", "benchmark"]
SOURCES = sorted([*ROOT.glob("fma_prep/**/*.py"), *ROOT.glob("jobs/*.py"), *ROOT.glob("scripts/*.py")])


def imports(path):
    """Return the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "fma_prep" and len(parts) > 2 else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path):
    room = room_of(path)
    others = {name.split(".")[1] for name in imports(path) if name.startswith("fma_prep.")} & set(ROOMS)
    if room is not None:
        allowed = ROOMS[: ROOMS.index(room) + 1]
        assert others <= set(allowed), f"{room} imports {others - set(allowed)}"
    libraries = {name.split(".")[0] for name in imports(path)}
    if room != "spark" and path.parent.name != "jobs":
        assert not libraries & {"pyspark", "py4j"}
    if room == "audio":
        assert not libraries & {"fsspec", "requests", "boto3", "socket", "urllib"}
    if path.parent.name in ("jobs", "scripts"):
        assert len(path.read_text("utf-8").splitlines()) <= 70, "jobs and scripts fit on a screen: no logic"


def test_jobs_parse_on_the_python_that_old_nodes_have():
    for path in ROOT.glob("jobs/*.py"):
        ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
