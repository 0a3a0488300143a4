"""Build the dependency archive for the nodes of a cluster: `make archive [ARCH=aarch64]`."""

import argparse
from pathlib import Path

from fma_prep.command import finish
from fma_prep.emr.archive import build
from fma_prep.emr.platform import ARCHS, check

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse, build, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="x86_64", choices=sorted(ARCHS), help="CPU of the nodes (default x86_64)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="where to (default dist)")
    parser.add_argument("--check", type=Path, metavar="FILE", help="only say whether FILE is fit for the nodes")
    options = parser.parse_args()
    if options.check:
        print(f"{options.check}: fit for {options.arch}: {check(options.check, options.arch)['packages']}")
    else:
        print(build(ROOT, options.arch, options.output))


finish(main)
