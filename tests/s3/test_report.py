"""The report page of a dataset in S3, made by the commands that a person would use."""

import os
import subprocess
import sys
from pathlib import Path

from fma_prep.dataset.storage import open_store

ROOT = Path(__file__).parents[2]


def run(*command):
    done = subprocess.run([sys.executable, *command], env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_goes_into_the_dataset_and_plays_its_sources(gateway, bucket, act_as, tracks):
    music, out = open_store(f"s3://{bucket}/music", create=True), f"s3://{bucket}/out"
    for path in sorted(tracks.rglob("*.mp3"))[:4]:
        music.write(path.relative_to(tracks).as_posix(), path.read_bytes())
    run(ROOT / "jobs/digitize.py", music.uri, out, "--master", "local[1]")
    assert run(ROOT / "scripts/report.py", out) == f"Report: {out}/_report.html\n"
    page = open_store(out).read("_report.html").decode()
    assert (
        page.count("<audio") == page.count("Spectrogram of the source") == page.count("Spectrogram of the codes") == 3
    )
    assert gateway.environment()["AWS_SECRET_ACCESS_KEY"] not in page
