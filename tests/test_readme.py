"""Every command and every program in the README is run, or parsed by the very parser that will get it."""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fma_prep.command import digitize_parser
from fma_prep.emr.submit import submit_parser
from fma_prep.scrape.command import scrape_parser
from tests.spark.conftest import environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MADE_BY_CI = {"make run", "make test", "make archive"}  # this test is part of one, CI runs the others


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    text = "".join(blocks("sh")).replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())  # shlex would cut archive.tar.gz#deps too
    return [words for line in lines if (words := shlex.split(line))]


@pytest.fixture(scope="module")
def folder(tracks, tmp_path_factory):
    """Return a working directory in which the README's relative paths mean something."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("jobs", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "home").mkdir()
    (folder / "home" / "Music").symlink_to(tracks)
    with zipfile.ZipFile(folder / "fma_small.zip", "w", zipfile.ZIP_BZIP2) as archive:
        mp3s = {f"{path.stem[:3]}/{path.name}": path.read_bytes() for path in tracks.rglob("*.mp3")}
        for name, content in mp3s.items():
            archive.writestr(f"fma_small/{name}", content)
        sums = "".join(
            f"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}  {name}\n" for name, content in mp3s.items()
        )
        archive.writestr("fma_small/checksums", sums)
    with zipfile.ZipFile(folder / "fma_metadata.zip", "w") as archive:
        rows = [",track,track,artist,set,set", ",license,title,name,split,subset", "track_id,,,,,"]
        rows += [f"{n},Attribution,Song {n},Somebody,training,small" for n in range(12)]
        archive.writestr("fma_metadata/tracks.csv", "\n".join(rows) + "\n")
    return folder


def run(words, folder):
    env = environment(HOME=str(folder / "home"))
    words = [sys.executable if word == "python" else os.path.expandvars(word) for word in words]
    words = [word.replace("~", str(folder / "home")) for word in words]
    ended = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, f"{words}: {ended.stderr}"


def test_commands_and_programs_work_in_the_order_in_which_they_stand(folder):
    here = [w for w in commands() if w[0] == "python" and "s3://bucket/tracks" not in w and "--site" not in w]
    assert [w[1] for w in here] == [
        "jobs/digitize.py",
        "scripts/report.py",
        "scripts/listen.py",
        "scripts/stage_fma.py",
        "scripts/stage_folder.py",
    ]
    for words in here:
        run(words if "stage_folder" not in words[1] else [*words[:3], "own", *words[4:]], folder)
    for program in blocks("python"):
        run(["python", "-W", "error::SyntaxWarning", "-c", program], folder)
    assert (folder / "listen.wav").stat().st_size > 1000
    assert (folder / "dataset" / "_report.html").exists()


def test_every_other_command_is_one_that_its_parser_takes():
    for words in commands():
        if words[0] == "make":
            target = words[1]
            assert " ".join(words[:2]) in MADE_BY_CI
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        elif "--site" in words:
            assert scrape_parser().parse_args(words[2:]).contact
        elif words[1].endswith("submit_emr.py"):
            submit_parser().parse_known_args(words[2:])
        elif words[0] == "spark-submit":
            options = digitize_parser().parse_args(words[words.index("jobs/digitize.py") + 1 :])
            assert options.input.startswith("hdfs:")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
