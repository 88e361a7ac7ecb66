"""`jobctl`: finds the command and hands over to its file."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from jobschedd import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = ("audit", "check", "history", "import", "preview", "schema", "why")
"""Each is a module of this package with HELP, EXAMPLE, add_arguments and run."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="jobctl",
        description="Asks and tells jobschedd.",
        epilog="exit codes: 0 done; 1 it failed, or problems were found; 2 usage",
    )
    parser.add_argument("--version", action="version", version=f"jobctl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    argv = sys.argv[1:] if argv is None else argv
    # The others' imports would cost more than most answers.
    for name in argv[:1] if argv[:1] and argv[0] in COMMANDS else COMMANDS:
        module = import_module(f"jobschedd.ctl.{name}")
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"example: {module.EXAMPLE}"
        )
        command.add_argument("--json", action="store_true", help="one object a line")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(argv)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has had enough: `jobctl preview … | head -1`. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
