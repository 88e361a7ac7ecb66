"""What every task type becomes: an argument vector and the circumstances it starts in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one run. Names are resolved by the runner at the start, never at load."""

    argv: tuple[str, ...]
    shell: str = "/bin/sh"
    """Only the value of SHELL in the run's environment; a command string has its shell in argv."""
    user: str | None = None
    group: str | None = None
    cwd: str | None = None
    """None: the home directory of `user`; `/` where no user is given."""
    umask: int = 0o022
    env: tuple[tuple[str, str], ...] = ()
    """Added last, over all that the runner sets."""
    stdin: str | None = None
    """Text on standard input; None: /dev/null."""
    timezone: str | None = None
    """TZ of the run; None: not set."""
