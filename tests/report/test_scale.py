"""A hundred thousand tracks: the page stays small, and is made within bounds of memory."""

import json
import subprocess
import sys
import time

import pytest

TRACKS, TASKS = 100_000, 4_000
MEASURED = """
import resource, sys
from fma_prep.report.command import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def large(dataset, tmp_path_factory):
    """Return a dataset of 100,000 lines and 4,000 commit records; its codes are those of one track again and again."""
    folder = tmp_path_factory.mktemp("large")
    lines = [json.loads(line) for line in (dataset / "_manifest.jsonl").read_text().splitlines()]
    done = next(line for line in lines if line["status"] == "done" and not line["silent"])
    record = json.loads(next((dataset / "_commits").glob(f"{done['shard'].removesuffix('.pkl')}*")).read_text())
    (folder / "_commits").mkdir()
    with (folder / "_manifest.jsonl").open("w") as manifest:
        for i in range(TRACKS):
            name = f"some artist/some album/{i:06d} a title as long as they are.mp3"
            more = {"genres": [f"genre {i % 160}"], "licence": f"LicenseRef-{i % 12}", "sha256": f"{i // 2 * 2:064x}"}
            line = {**done, "track": name, "peak": 0.1 + i % 997 / 1000, **more}
            line["clipped_samples"] = i % 3
            if i % 5 == 0:
                line |= {"status": "failed", "stage": "decode", "reason": f"truncated: {i / 100} s of {i} s are there"}
            manifest.write(json.dumps(line) + "\n")
    for i in range(TASKS):
        task = {**record, "host": f"node-{i % 64}", "start": i // 64 * 60.0, "end": i // 64 * 60 + 50.0 + i % 9}
        (folder / "_commits" / f"{i:05d}.json").write_text(json.dumps(task))
    (folder / done["shard"]).write_bytes((dataset / done["shard"]).read_bytes())
    return folder


@pytest.mark.slow
def test_the_page_of_100_000_tracks_is_small(large, tmp_path):
    page = tmp_path / "page.html"
    start = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(large), "--to", page], capture_output=True, text=True, check=True
    )
    print(
        f"{time.perf_counter() - start:.1f} s, {page.stat().st_size:,} bytes, {ran.stdout.splitlines()[-1]} kB resident"
    )
    assert page.stat().st_size < 5_000_000
    assert int(ran.stdout.splitlines()[-1]) * 1024 < 1_000_000_000
    text = page.read_text()
    assert "20,000 failed" in text
    assert "more are in" in text
    assert "80,000 tracks" in text or "of 80,000" in text
