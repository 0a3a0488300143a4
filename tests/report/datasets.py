"""Small real datasets for the tests of the report: made from sound by the pipeline, without Spark."""

import hashlib
import io
from pathlib import Path

from fma_prep.audio import synth
from fma_prep.audio.digitize import digitize
from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.manifest import begin
from fma_prep.dataset.plan import plan
from fma_prep.dataset.storage import list_input, open_store
from fma_prep.errors import TrackError

HOSTILE = "a <script>alert(1)<!-- & \"b' $x_1$.mp3"
PROVENANCE = {
    HOSTILE: {"licence": "CC-BY-4.0", "genres": ["R&B <b>$$", "Pop"]},
    "loud.mp3": {"licence": "CC0-1.0", "genres": ["Pop"], "title": "Loud <i>", "artist": "A & B"},
}


def make_tracks(folder: Path) -> None:
    """Write six tracks: music, a hostile name, a copy, silence, a cut one and a text."""
    folder.mkdir()
    music = synth.encode(synth.music(3, seed=1), 44100)
    (folder / "loud.mp3").write_bytes(music)
    (folder / "copy.mp3").write_bytes(music)
    (folder / HOSTILE).write_bytes(synth.encode(synth.music(2, 22050, seed=2), 22050, bit_rate_bps=64_000))
    (folder / "silent.wav").write_bytes(synth.encode(synth.music(1, seed=3) * 0, 44100, "wav"))
    (folder / "cut.mp3").write_bytes(synth.encode(synth.music(4, seed=4), 44100)[:40_000])
    (folder / "page.mp3").write_bytes(b"<html>not found</html>" * 20)


def make_dataset(tracks: Path, output: Path, max_failed: float = 1.0) -> Path:
    """Digitise `tracks` in three partitions, and finish the dataset."""
    source, entries, _ = list_input(str(tracks))
    store = open_store(str(output), create=True)
    run = begin(store, Recipe(), str(tracks), entries)
    for partition, some in run.left(plan(entries, 3, 1)):
        with run.target.writer(partition) as writer:
            for entry in some:
                data = source.read(entry.path)
                try:
                    outcome = digitize(io.BytesIO(data), Recipe())
                except TrackError as e:
                    outcome = e
                writer.add(entry, outcome, hashlib.sha256(data).hexdigest())
            writer.commit({"read": 0.01})
    run.finish(PROVENANCE, max_failed=max_failed)
    return output
