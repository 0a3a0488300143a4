"""Build the dependency archive for the nodes of a cluster: `make archive [ARCH=aarch64]`."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fma_prep.emr.archive import ARCHS, build, check  # noqa: E402
from fma_prep.errors import FmaPrepError  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Parse, build, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="x86_64", choices=sorted(ARCHS), help="CPU of the nodes (default x86_64)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="where to (default dist)")
    parser.add_argument("--check", type=Path, metavar="FILE", help="only say whether FILE is fit for the nodes")
    args = parser.parse_args(argv)
    try:
        if args.check:
            print(f"{args.check}: fit for {args.arch}: {check(args.check, args.arch)['packages']}")
        else:
            print(build(ROOT, args.arch, args.output))
    except FmaPrepError as e:
        print(f"make_archive: {e}", file=sys.stderr)
        return e.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
