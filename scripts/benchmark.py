"""Measure this pipeline beside everything else, in one run. `--smoke` takes a few minutes."""

from fma_prep.benchmark.command import main
from fma_prep.command import finish

if __name__ == "__main__":
    finish(main)
