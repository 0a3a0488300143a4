"""Decode one track of a dataset to a WAV file, to hear what a model will be trained on."""

from fma_prep.command import finish
from fma_prep.dataset.listen import main

if __name__ == "__main__":
    finish(main)
