"""`jobctl -H [USER@]HOST`: the same command on another machine, over ssh."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from jobschedd.ctl.daemon import USAGE, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_THERE = 255
"""How ssh(1) ends when it is ssh itself that has failed."""


def call(host: str, argv: Sequence[str]) -> int:
    """How the command ended there. Raises Failed."""
    if host.startswith("-") or not host:
        raise Failed(f'cannot call "{host}": that is no host; write -H root@machine', USAGE)
    # A terminal there makes one stream of two: only where both are shown on one here.
    on_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    words = ["ssh", *(["-t"] if on_terminal else []), "--", host, shlex.join(["jobctl", *argv])]
    try:
        process = subprocess.Popen(words)
    except OSError as error:
        raise Failed(f"cannot start ssh: {error.strerror}; install openssh-client") from None
    with process:
        # A terminal's ^C reaches ssh too; we stay to say how it ended. What is sent to us alone is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: process.send_signal(number))
        code = process.wait()
    if code == NOT_THERE:
        raise Failed(
            f"cannot reach {host}: ssh has failed (255), see above; try: ssh {shlex.quote(host)} true", NOT_THERE
        )
    return code if code >= 0 else 128 - code
