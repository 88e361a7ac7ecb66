"""What the daemon is doing, for whoever looks into it: SIGUSR1, or a thread that does not answer."""

from __future__ import annotations

import sys
import threading
import traceback


def stacks() -> str:
    """What every thread is doing."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - the documented way to see other threads
    )
