"""Show a dataset as one HTML page: what went in, what came out, how it looks and sounds."""

from fma_prep.command import finish
from fma_prep.report.command import main

if __name__ == "__main__":
    finish(main)
