"""What the runner makes of itself before it starts anything, so that nothing of the daemon's reaches a job."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36


def above(descriptor: int, limit: int) -> int:
    """The same file under a number that is out of the way of `launch._soft_limit`."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _lasting(limit))
    os.close(descriptor)
    return moved


def _lasting(limit: int) -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if soft > limit else 3


def wake_on_sigchld(limit: int) -> int:
    """A descriptor that becomes readable when a child ends."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    read_end, write_end = above(read_end, limit), above(write_end, limit)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return read_end


def stand_alone() -> int:
    """Let nothing of whoever started the daemon reach a job. The soft limit on open files that jobs get."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Of no use to jobs, and harmful: a terminal's hang-up or ^C is for the daemon to judge.
    with suppress(PermissionError):  # who is not root may not become less nice
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
        if int(file.read()) < 0:
            file.write(b"0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a child subreaper")
    return soft
