"""`./dev bench [NAME…]`: a table, and with --json one line a figure. Measures; never judges."""

from __future__ import annotations

import argparse
import sys

from bench.measure import MEASUREMENTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    for name in options.names or MEASUREMENTS:
        if name not in MEASUREMENTS:
            parser.error(f'cannot measure "{name}"; known are {", ".join(MEASUREMENTS)}')
        if not options.json:
            print(f"{name}: {(MEASUREMENTS[name].__doc__ or '').splitlines()[0]}", flush=True)
        for figure in MEASUREMENTS[name]():
            print(figure.json() if options.json else figure.text(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
