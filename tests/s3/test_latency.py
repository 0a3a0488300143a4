"""The job on a store that is far away: reading ahead hides the way."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fma_prep.audio.synth import encode, music
from fma_prep.dataset.storage import open_store
from tests.cluster import corpus
from tests.s3.proxy import far_away

ROOT = Path(__file__).parents[2]
TRACKS, SECONDS, LATENCY_S = 24, 240, 0.1


def digitize(source, out, **environment):
    """Run the job; return the seconds from the first task's start to the last one's end, and what it made."""
    # one worker: the server and the wire are at work on this machine too
    job = [sys.executable, ROOT / "jobs/digitize.py", source, out, "--master", "local[1]", "--partitions", "3"]
    done = subprocess.run(job, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {track: line["codes_sha256"] for track, line in corpus.manifest(str(out)).items()}
    return corpus.span_s(str(out)), made


def test_the_wire_is_as_long_as_it_says(gateway, bucket, act_as):
    with far_away(gateway.endpoint, LATENCY_S) as endpoint:
        store = open_store(f"s3://{bucket}", {"endpoint_url": endpoint})
        store.write("a", bytes(1000))
        started = time.monotonic()
        for _ in range(5):
            store.read("a")
        assert time.monotonic() - started >= 5 * LATENCY_S


@pytest.mark.slow
def test_a_hundred_milliseconds_a_request(gateway, bucket, act_as, tmp_path, measured):
    sounds = [encode(music(SECONDS, seed=seed), 44100, "mp3", bit_rate_bps=256_000) for seed in range(2)]
    store = open_store(f"s3://{bucket}/in")
    (tmp_path / "in").mkdir()
    for i in range(TRACKS):
        store.write(f"{i:03}.mp3", sounds[i % 2])
        (tmp_path / f"in/{i:03}.mp3").write_bytes(sounds[i % 2])
    here_s, here = digitize(tmp_path / "in", tmp_path / "out")
    took = {}
    for latency_s in (0.0, LATENCY_S):
        with far_away(gateway.endpoint, latency_s) as endpoint:
            out = tmp_path / f"out-{latency_s}"
            took[latency_s], there = digitize(f"s3://{bucket}/in", out, AWS_ENDPOINT_URL=endpoint)
        assert there == here
    measured.append(
        f"{TRACKS} tracks of {SECONDS} s from a local disk {here_s:.2f} s, "
        + ", ".join(f"from S3 at {k * 1000:.0f} ms {s:.2f} s ({s / here_s:.2f} times)" for k, s in took.items())
    )
