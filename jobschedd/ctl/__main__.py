# PYTHON_ARGCOMPLETE_OK
"""`jobctl`: finds the command and hands over to its file."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from jobschedd import __version__
from jobschedd.ctl.daemon import USAGE, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "status", "list", "show", "next", "preview", "check", "run", "stop", "pause", "resume", "history", "logs", "why",
    "audit", "reload", "schema", "import", "timeline", "completion",
)  # fmt: skip
"""Each is a module of this package with HELP, EXAMPLE, add_arguments and run."""


def arguments(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """What the command line may say, of these commands: the imports of the others would cost more than most answers."""
    parser = argparse.ArgumentParser(
        prog="jobctl",
        description="Asks and tells jobschedd.",
        epilog="exit codes: 0 done; 1 it failed, or problems were found; 2 usage; 3 no daemon; 4 no such job or run;"
        " 5 not permitted",
    )
    parser.add_argument("--version", action="version", version=f"jobctl {__version__}")
    parser.add_argument("-H", "--host", metavar="[USER@]HOST", help="ask the jobctl of another machine, over ssh")
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
    host, asked = _host(argv)
    options = arguments(asked[:1] if asked and asked[0] in COMMANDS else COMMANDS).parse_args(asked)
    try:
        if host is not None:
            _call_host(host, asked)
        code = int(options.run(options))
        sys.stdout.flush()
    except Failed as error:
        sys.stdout.flush()
        print(f"jobctl {options.command}: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has had enough: `jobctl preview … | head -1`. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _complete() -> None:
    """Answer a shell, and end."""
    import argcomplete  # noqa: PLC0415 - only a shell that completes pays for it

    # Of the word behind jobctl all commands are known, of others one is enough.
    words = os.environ.get("COMP_LINE", "").split()
    named = [word for word in words[1:2] if word in COMMANDS]
    argcomplete.autocomplete(arguments(named or COMMANDS))


def _host(argv: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Which machine is to be asked, and what; it stands before the command."""
    match argv:
        case ["-H" | "--host", host, *rest]:
            return host, rest
        case [str(word), *rest] if word.startswith(("-H", "--host=")):
            return word.removeprefix("--host=").removeprefix("-H"), rest
    return None, argv


def _call_host(host: str, argv: Sequence[str]) -> NoReturn:
    """Become ssh. Raises Failed."""
    import shlex  # noqa: PLC0415 - only here

    if host.startswith("-") or not host:
        raise Failed(f'cannot call "{host}": that is no host; write -H root@machine', USAGE)
    words = ["ssh", *(["-t"] if sys.stdout.isatty() and sys.stdin.isatty() else []), "--", host]
    try:
        os.execvp("ssh", [*words, shlex.join(["jobctl", *argv])])  # noqa: S606 - no shell here; the one there gets words that are quoted
    except OSError as error:
        raise Failed(f"cannot start ssh: {error.strerror}; install openssh-client") from None


if __name__ == "__main__":
    sys.exit(main())
