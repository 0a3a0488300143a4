"""What doctor says of answers such as probes give; and the probe itself, where nothing but Python is."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fma_prep.dataset.access import check_input, check_output, who
from fma_prep.errors import UsageError
from fma_prep.spark import probe as probes
from fma_prep.spark.doctor import diagnose, refuse_local_paths, table

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.py"))
GOOD = {
    "executor": "core1 c1",
    "host": "core1",
    "time_s": 1000.0,
    "python": "3.11.9",
    "machine": "x86_64",
    "archive": {"arch": "x86_64"},
    "packages": {"fma_prep": "0.1.0", "numpy": "2.4.6", "av": "18.1.0", "fsspec": "1", "imageio_ffmpeg": "0.8"},
    "ffmpeg": "7.1",
    "free_bytes": 50e9,
    "who": "hadoop",
    "input": [],
    "output": [],
    "asked": True,
}


def said(**wrong) -> list[str]:
    return [str(f) for f in diagnose(GOOD | {"host": "master"}, [GOOD, GOOD | wrong], round_s=5.0)]


def test_nothing_wrong_nothing_said():
    assert said() == []
    assert said(time_s=1064.0) == []  # it may have answered late


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"python": "3.9.20"}, r"core1: Python 3.9.20 is too old. Set spark.pyspark.python"),
        (
            {"archive": {"arch": "aarch64"}},
            r"the archive is for aarch64, this node is x86_64. make archive ARCH=x86_64",
        ),
        (
            {"packages": GOOD["packages"] | {"numpy": "!No module named 'numpy'"}},
            r"numpy cannot be loaded .* --archives",
        ),
        ({"packages": GOOD["packages"] | {"numpy": "2.3.0"}}, r"numpy is 2.3.0 there and 2.4.6 on the driver"),
        ({"ffmpeg": "!Permission denied"}, r"ffmpeg does not run \(Permission denied\). Ship the archive"),
        ({"free_bytes": 1e8}, r"only 0.1 GB are free"),
        ({"time_s": 900.0}, r"differs from the driver's by -100 s. Start chronyd"),
        ({"time_s": 1100.0}, r"differs from the driver's by \+95 s"),
        ({"input": ["s3://b: may not list it. Ask."]}, r"core1: INPUT: s3://b: may not list it. Ask.$"),
        ({"output": ["hdfs://n/x: may not write it. Ask."]}, r"core1: OUTPUT: hdfs://n/x: may not write it. Ask.$"),
    ],
)
def test_each_thing_that_is_wrong_is_a_sentence_with_a_remedy(wrong, sentence):
    (only,) = said(**wrong)
    assert re.search(sentence, only)
    assert "\n" not in only


def test_the_same_thing_on_many_hosts_is_said_once():
    wrong = {"ffmpeg": "!Exec format error"}
    answers = [GOOD | wrong | {"host": f"core{i}"} for i in (2, 1)]
    (only,) = diagnose(GOOD, answers, 0.0)
    assert only.where == "core1, core2"


def test_the_table_has_a_row_for_everybody_and_no_control_characters():
    shown = table(GOOD, [GOOD | {"host": "core2\x1b[31m"}, GOOD | {"packages": GOOD["packages"] | {"av": "!no"}}], 1.0)
    assert len(shown.splitlines()) == 4
    assert "\x1b" not in shown
    assert "missing: av" in shown


def test_a_path_without_a_scheme_is_refused_on_a_cluster_only():
    refuse_local_paths("local[2,4]", "music", "out")
    refuse_local_paths("yarn", "hdfs:///music", "s3://b/out", "file:///mnt/music")
    with pytest.raises(UsageError, match="music: a path without a scheme means this machine's own disk"):
        refuse_local_paths("yarn", "music", "hdfs:///out")


def test_access_is_tried_and_leaves_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mp3").write_bytes(b"x")
    assert check_input(str(tmp_path / "in"), {}, None) == []
    assert check_input(str(tmp_path / "in"), {}, "a.mp3") == []
    assert "no.mp3" in check_input(str(tmp_path / "in"), {}, "no.mp3")[0]
    assert check_input(str(tmp_path / "nowhere"), {}, None)
    assert check_output(str(tmp_path / "in"), {}) == []
    assert os.listdir(tmp_path / "in") == ["a.mp3"]  # noqa: PTH208
    (tmp_path / "file").write_bytes(b"")
    assert len(check_output(str(tmp_path / "file/out"), {})) == 1
    assert who(str(tmp_path), {}) != "?"
    assert who("nonsense:x", {}) == "?"


def test_the_probe_needs_nothing_but_the_standard_library(tmp_path):
    code = (
        f"import runpy, json; m = runpy.run_path({str(Path(probes.__file__))!r}); "
        "print(json.dumps(m['probe']({'input': 's3://x', 'output': 'hdfs:///y', 'options': {}})))"
    )
    bare = [sys.executable, "-I", "-S", "-c", code]  # no site-packages
    done = subprocess.run(bare, capture_output=True, text=True, check=False, cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert {name for name, v in answer["packages"].items() if v.startswith("!No module named")} == {
        *("fma_prep", "numpy", "av", "fsspec", "imageio_ffmpeg", "s3fs", "hdfs_native")
    }
    assert answer["asked"] is False


@pytest.mark.parametrize("script", JOBS, ids=lambda p: p.name)
def test_jobs_say_in_one_line_that_the_package_is_missing(script):
    done = subprocess.run([sys.executable, "-I", "-S", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "fma_prep" in done.stderr
    assert "--archives" in done.stderr or script.name == "original.py"  # the yardstick is never shipped


@pytest.mark.parametrize("path", [*JOBS, Path(probes.__file__)], ids=lambda p: p.name)
def test_what_an_old_python_gets_to_see_parses_there(path):
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
