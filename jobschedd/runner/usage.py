"""What a process has used, as the kernel tells when it is waited for."""

from __future__ import annotations

import resource

BEFORE = 4 << 20
"""Bytes by which a child of ours may grow before it becomes the program of its run."""


def cpu(usage: resource.struct_rusage) -> int:
    """Microseconds, of the process and of those it has waited for."""
    return round((usage.ru_utime + usage.ru_stime) * 1_000_000)


def memory_peak(usage: resource.struct_rusage) -> int | None:
    """Bytes of the largest of these processes; None: not known.

    The kernel counts what was there before execve(2) too, and that is ours: no less than that can be told.
    """
    peak = usage.ru_maxrss * 1024
    return peak if peak > _ours() + BEFORE else None


def _ours() -> int:
    """Bytes. Not what getrusage(2) says of us: that counts what was there before we were executed."""
    with open("/proc/self/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
