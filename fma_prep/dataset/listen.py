"""A track of a dataset as sound again."""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.io import wavfile  # type: ignore[import-untyped]

from fma_prep.audio import mulaw
from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.commits import load_json
from fma_prep.dataset.manifest import SUMMARY, read_manifest
from fma_prep.dataset.reading import codes_of
from fma_prep.dataset.storage import open_store
from fma_prep.errors import NotFoundError

__all__ = ["main"]


def main() -> None:
    """Decode the track that the command line names to a WAV file, and say where it is."""
    parser = argparse.ArgumentParser(prog="listen.py", description="Decode one track of a dataset to a WAV file.")
    parser.add_argument("dataset", metavar="DATASET", help="what was the OUTPUT of digitize.py")
    parser.add_argument("wav", metavar="WAV", type=Path, help="the file to write")
    parser.add_argument("--track", help="its name in the manifest (default: the first that is done)")
    options = parser.parse_args()
    store = open_store(options.dataset)
    done = (line for line in read_manifest(store) if line["status"] == "done")
    found = list(islice((line for line in done if options.track in (None, line["track"])), 1))
    if not found:
        raise NotFoundError("the dataset holds no such track", options.track or store.uri, "See its _manifest.jsonl.")
    recipe = Recipe.from_dict(load_json(store, SUMMARY)["recipe"])
    codes = np.frombuffer(codes_of(store, found[0]), np.uint8)
    samples = mulaw.decode(codes, recipe.mu, recipe.quantizer)
    wavfile.write(options.wav, found[0]["sample_rate"], samples)
    print(f"{found[0]['track']}, {len(samples) / found[0]['sample_rate']:.1f} s: {options.wav}")
