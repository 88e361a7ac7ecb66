"""What the daemon is doing, for whoever looks: `systemctl status`, SIGUSR1, or after a thread that does not answer."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING

from jobschedd.model.event import show_instant

if TYPE_CHECKING:
    from jobschedd.model import message


def stacks() -> str:
    """What every thread is doing."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - the documented way to see other threads
    )


def in_words(status: message.Status) -> str:
    due = f"next due {show_instant(status.next_due)}" if status.next_due is not None else "nothing due"
    waiting = f"{status.waiting} waiting, " if status.waiting else ""
    degraded = f"DEGRADED, the record cannot be written: {status.degraded}; " if status.degraded else ""
    return f"STATUS={degraded}{status.jobs} jobs, {status.problems} problems, {status.running} running, {waiting}{due}"
