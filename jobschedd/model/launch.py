"""What every task type becomes: an argument vector and the circumstances it starts in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.limits import Limits

Setting = bool | int | str | tuple[str, ...]
"""The value of a systemd.exec setting; several texts are a list, as of a line that is written several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one run. Names are resolved by the runner at the start, never at load."""

    argv: tuple[str, ...]
    shell: str = "/bin/sh"
    """Only the value of SHELL in the run's environment; a command string has its shell in argv."""
    user: str | None = None
    group: str | None = None
    groups: tuple[str, ...] | None = None
    """Supplementary groups; None: those that `user` has."""
    pam_session: bool = False
    """Open a session with PAM for `user`, around the run."""
    cwd: str | None = None
    """None: the home directory of `user`; `/` where no user is given."""
    umask: int = 0o022
    env: tuple[tuple[str, str], ...] = ()
    """Added last, over all that the runner sets."""
    env_file: str | None = None
    """Lines of NAME=value, read at the start as the user of the run; added before `env`."""
    stdin: str | None = None
    """Text on standard input; None: /dev/null."""
    timezone: str | None = None
    """TZ of the run; None: not set."""
    leave_children: bool = False
    """Leave alone what is still running when the main process has ended."""
    limits: Limits | None = None
    sandbox: tuple[tuple[str, Setting], ...] = ()
    """systemd.exec settings by their own names. Any: the run is a transient unit of systemd's."""
