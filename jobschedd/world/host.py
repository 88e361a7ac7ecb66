"""What is told of this machine to the scheduler: who it is, and whether this is the first start since it booted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jobschedd.model.error import CannotRun
from jobschedd.model.host import Host

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


def read_host(state: int, now: Instant) -> Host:
    """Who this machine is. `state` is the state directory, open; the boot is noted in it, durably, before it counts.

    If we die after that and before the `@reboot` jobs were started, they are not started: at most once. Raises
    CannotRun.
    """
    boot = _boot()
    try:
        first = _noted(state) != boot
        if first:
            _note(state, boot)
    except OSError as error:
        raise CannotRun(f"cannot note this boot in the state directory: {error.strerror}; make room there") from None
    return Host(since=now, boot=now if first else None, machine=_machine())


_MACHINE_ID = Path("/etc/machine-id")


def _machine() -> str:
    with suppress(OSError):
        text = _MACHINE_ID.read_text("ascii", "replace").strip()
        if text and text != "uninitialized":  # machine-id(5)
            return text
    return os.uname().nodename


def _boot() -> str:
    """Which boot it is: the kernel's boot id, and when process 1 began, which tells a container's start from its host's."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    with suppress(OSError):  # hidepid
        # proc(5): field 22, after the name in parentheses, which may hold anything.
        boot += " " + Path("/proc/1/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return boot


def _noted(state: int) -> str:
    try:
        file = os.open("boot", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=state)
    except FileNotFoundError:
        return ""
    try:
        return os.read(file, 256).decode("ascii", "replace").strip()
    finally:
        os.close(file)


def _note(state: int, boot: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open("boot.new", flags, 0o600, dir_fd=state)
    try:
        os.write(file, f"{boot}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    os.rename("boot.new", "boot", src_dir_fd=state, dst_dir_fd=state)
    os.fsync(state)
