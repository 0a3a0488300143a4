"""Music for the cluster, with every odd name, a broken file and a text; and what became of it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from fma_prep.audio.synth import encode, music
from fma_prep.dataset.reading import read_dataset
from fma_prep.dataset.storage import Store, open_store
from tests.dataset.store_contract import NAMES

DISTINCT, TIMES, SECONDS = 6, 5, 30
PARTITIONS = 15
# What it is about: not when it happened, nor where a copy was found.
_OF_THE_COPY = ("etag", "modified")


def make(folder: Path, *, colons: bool) -> Path:
    """Write the corpus to a local folder; HDFS forbids colons in names."""
    sounds = [encode(music(SECONDS + i, seed=i), 44100, "mp3") for i in range(DISTINCT)]
    names = [n for n in NAMES if colons or ":" not in n]
    names += [f"plain/{i:03}.mp3" for i in range(DISTINCT * TIMES - len(names))]
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sounds[i % DISTINCT])
    (folder / "broken.mp3").write_bytes(b"this is no music\n" * 100)
    (folder / "notes.txt").write_text("not a track")
    return folder


def make_hours(folder: Path) -> float:
    """Write enough music to time a run with; return its seconds."""
    sounds = [encode(music(240, seed=i), 44100, "mp3", bit_rate_bps=256_000) for i in range(2)]
    folder.mkdir()
    for i in range(48):
        (folder / f"{i:03}.mp3").write_bytes(sounds[i % 2])
    return 48 * 240


def copy(folder: Path, store: Store) -> None:
    """Copy a local folder into a store."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        store.write(str(path.relative_to(folder)), path.read_bytes())


def manifest(uri: str) -> dict[str, dict[str, Any]]:
    """Return the lines of a dataset's manifest by track, without what tells copies apart."""
    lines = [json.loads(line) for line in open_store(uri).read("_manifest.jsonl").splitlines()]
    assert len({line["track"] for line in lines}) == len(lines), "a track twice"
    return {line["track"]: {k: v for k, v in line.items() if k not in _OF_THE_COPY} for line in lines}


def span_s(uri: str) -> float:
    """Return the seconds from the first task's start to the last end, by commit records: no start-up in it."""
    store = open_store(uri)
    records = [json.loads(store.read(e.path)) for e in store.list("_commits") if e.path.endswith(".json")]
    times = [[datetime.fromisoformat(r[end]) for r in records] for end in ("start", "end")]
    return (max(times[1]) - min(times[0])).total_seconds()


def check(uri: str) -> dict[str, dict[str, Any]]:
    """Read a whole dataset as a trainer would; return its manifest."""
    found = manifest(uri)
    done = {line["track"] for line in found.values() if line["status"] == "done"}
    read = [record["track"] for record in read_dataset(uri)]  # which checks every record against its hash
    assert sorted(read) == sorted(done)
    listed = {e.path for e in open_store(uri).list()}
    assert {"_SUCCESS", "_summary.json"} <= listed
    assert {line["shard"] for line in found.values() if line["status"] == "done"} <= listed
    return found
