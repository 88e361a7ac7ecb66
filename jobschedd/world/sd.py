"""What systemd is told, and what it told us at the start."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from systemd import daemon


def started_by_systemd() -> bool:
    """Whether a service manager started us: then runs may outlive us, and what becomes of them is its business."""
    # Not INVOCATION_ID: a terminal that is a service itself hands that down to all that is started in it.
    return "NOTIFY_SOCKET" in os.environ or os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def watchdog_interval() -> float | None:
    """Seconds within which the watchdog wants to hear from us, sd_watchdog_enabled(3); None: it does not."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000


def notify(*assignments: str) -> None:
    """sd_notify(3): `READY=1`, `STATUS=…`. Nobody listening is no error."""
    # A manager whose socket is gone will find out by itself.
    with suppress(OSError):
        daemon.notify("\n".join(assignments))


def listening_socket() -> int | None:
    """A socket that we were started with to listen on, sd_listen_fds(3); None: there is none."""
    given: list[int] = daemon.listen_fds(True)
    return next((fd for fd in given if daemon.is_socket_unix(fd, socket.SOCK_STREAM, 1)), None)


def notify_reloading() -> None:
    """Type=notify-reload wants the moment, on the monotonic clock, at which reloading began."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")
