"""Which machine this is, and which of its boots."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def read_machine() -> str:
    """Told from other machines by this: machine-id(5), else the name of the host."""
    with suppress(OSError):
        text = _MACHINE_ID.read_text("ascii", "replace").strip()
        if text and text != "uninitialized":  # machine-id(5)
            return text
    return os.uname().nodename


def read_boot() -> str:
    """Which boot it is: the kernel's boot id, and when process 1 began, which tells a container's start from its host's."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    with suppress(OSError):  # hidepid
        # proc(5): field 22, after the name in parentheses, which may hold anything.
        boot += " " + Path("/proc/1/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return boot
