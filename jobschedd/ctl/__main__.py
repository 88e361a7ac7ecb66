# PYTHON_ARGCOMPLETE_OK
"""`jobctl`: finds the command and hands over to its file."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jobschedd import __version__
from jobschedd.ctl.daemon import Failed
from jobschedd.ctl.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "status", "list", "show", "next", "preview", "check", "run", "stop", "pause", "resume", "history", "logs", "why",
    "audit", "reload", "schema", "import", "timeline", "completion",
)  # fmt: skip
"""Each is a module of this package with HELP, EXAMPLE, add_arguments and run."""


class _Parser(argparse.ArgumentParser):
    """Of jobctl and of each command: the machine may be named before the command and behind it."""

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self.add_argument(
            "-H", "--host", metavar="[USER@]HOST", default=argparse.SUPPRESS,
            help="ask the jobctl of another machine, over ssh",
        )  # fmt: skip


def arguments(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """What the command line may say, of these commands: the imports of the others would cost more than most answers."""
    parser = _Parser(
        prog="jobctl",
        description="Asks and tells jobschedd.",
        epilog="exit codes: 0 done; 1 it failed, or problems were found; 2 usage; 3 no daemon; 4 no such job or run;"
        " 5 not permitted",
    )
    parser.add_argument("--version", action="version", version=f"jobctl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = import_module(f"jobschedd.ctl.{name}")
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"example: {module.EXAMPLE}"
        )
        command.add_argument("--json", action="store_true", help="one object a line")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    # A terminal or a pipe that has no way to write a character gets the number of it.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    host, asked = _host(argv)
    try:
        parser = arguments(asked[:1] if asked and asked[0] in COMMANDS else COMMANDS)
        options = parser.parse_args(asked)
        if "host" in options:
            # `stop backup --ho db1` would stop it here.
            parser.error("cannot tell which machine is meant; write -H HOST, or --host HOST, by itself")
        code = int(options.run(options)) if host is None else _call(host, asked)
        sys.stdout.flush()
    except Failed as error:
        sys.stdout.flush()
        print(f"jobctl {options.command}: {plain(str(error))}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Whoever read has had enough: `jobctl preview … | head -1`. Nothing may be written at exit either.
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            print(f"jobctl {options.command}: cannot write the answer: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _complete() -> None:
    """Answer a shell, and end."""
    from jobschedd.ctl import completion  # noqa: PLC0415 - only a shell that completes pays for it

    # Of the word behind jobctl all commands are known, of others one is enough.
    words = os.environ.get("COMP_LINE", "").split()
    named = [word for word in words[1:2] if word in COMMANDS]
    completion.answer(arguments(named or COMMANDS))


def _host(argv: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Which machine is to be asked, and what."""
    for place, word in enumerate(argv):
        if word == "--":
            break
        if word in ("-H", "--host") and len(argv) > place + 1:
            return argv[place + 1], [*argv[:place], *argv[place + 2 :]]
        if word.startswith(("-H", "--host=")) and word != "-H":
            return word.removeprefix("--host=").removeprefix("-H"), [*argv[:place], *argv[place + 1 :]]
    return None, argv


def _call(host: str, argv: Sequence[str]) -> int:
    from jobschedd.ctl import ssh  # noqa: PLC0415 - who asks this machine needs none of it

    return ssh.call(host, argv)


if __name__ == "__main__":
    sys.exit(main())
