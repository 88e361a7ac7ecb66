"""A Debian of our own under a kernel of its own, User-Mode Linux: in it a test may set the clock.

A container shares its host's clock, so it will not do. This needs no hardware and no image: the kernel is a program,
and its root is a directory. Seen from inside, every process, mount and clock is the machine's own; files alone are the
host's (hostfs), and so are their timestamps: a file made after `date -s` still bears the host's time, unless it lies
on one of the machine's own filesystems (/run, /tmp).
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.system.machine import CACHE, SUITE, base_root, call, discard, install_project, lend_network, mount_over

KERNEL = CACHE / f"linux.uml-{SUITE}"
HERE = "opt/virtual"
DISK = f"{HERE}/disk"

# Of a process namespace everything ends with its first process, and that ends with the `unshare` that we started; a
# kernel of this kind is dozens of processes which trace each other, and killing one of them leaves the others behind.
APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child")

# The kernel keeps the machine's memory in a file, which must lie where programs may run: a /dev/shm of its own.
POWER_ON = f"""
set -e
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev/shm"
root=$1
shift
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TMPDIR=/dev/shm chroot "$root" /{HERE}/linux.uml "$@"
"""

SWITCHES = (
    "mem=512M",
    "uml_dir=/dev/shm/uml",
    "rootfstype=hostfs",
    "rootflags=/",
    "rw",
    "quiet",
    "console=tty0",
    "con=null",
    "con0=null,fd:1",
)

# `ended` is made last: without it the machine went down before the script was through.
RUN = f"""#!/bin/sh
sh /{HERE}/script </dev/null >/{HERE}/output 2>&1
sync
touch /{HERE}/ended
"""

# The kernel has mounted /dev itself.
PLAIN_INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp; do mount -t tmpfs -o mode=1777 tmpfs $place; done
chmod 755 /run
/{HERE}/run
poweroff -ff
"""

UNIT = f"""
[Unit]
Description=The script of a test
Wants=multi-user.target
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
Environment=LANG=C.UTF-8
ExecStart=/{HERE}/run
"""


def why_not_virtual() -> str | None:
    """What keeps this machine from running one; None: nothing does."""
    if platform.machine() != "x86_64":
        return f"Debian has no user-mode-linux for {platform.machine()}"
    if os.geteuid() != 0:
        return "only root can make the root of a virtual machine"
    for tool in ("debootstrap", "unshare"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    trace_me = "import ctypes, os; raise SystemExit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) and 'ptrace is not allowed')"
    mount_then = 'mount -t proc proc /proc && exec "$@"'
    probe = subprocess.run(
        [*APART, "sh", "-c", mount_then, "sh", sys.executable, "-c", trace_me],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"a kernel cannot run as a program here: {probe.stderr.strip()}" if probe.returncode else None


def kernel() -> Path:
    """The kernel, from Debian's package, fetched once and kept in the cache; nothing is installed on this machine."""
    if KERNEL.exists():
        return KERNEL
    work = Path(tempfile.mkdtemp(prefix="jobschedd-kernel-"))
    mount_over(base_root(), work)
    try:
        root = work / "root"
        lend_network(root)
        call("chroot", str(root), "apt-get", "-q", "update")
        fetch = "cd /opt && apt-get -q -o APT::Sandbox::User=root download user-mode-linux && dpkg -x *.deb /opt/uml"
        call("chroot", str(root), "sh", "-c", fetch)
        with tempfile.TemporaryDirectory(prefix="making-", dir=CACHE) as making:
            shutil.copy(root / "opt/uml/usr/bin/linux.uml", making)
            (Path(making) / "linux.uml").rename(KERNEL)
    finally:
        discard(work)
    return KERNEL


class VirtualMachine:
    """On an overlay over the cached root, with the project installed; it is off but while `run` or `cut` runs.

    What one run leaves on disk the next one finds. Its clock does not last: each boot takes the host's time.
    """

    def __init__(self, disk: int = 0) -> None:
        """`disk`: bytes of a disk of its own, /dev/ubda, with an empty ext4 on it.

        The root is the host's, where a write is safe as soon as it is made. What is written on the disk lies in this
        kernel's memory until it is synced.
        """
        chosen = kernel()
        self._work = Path(tempfile.mkdtemp(prefix="jobschedd-virtual-"))
        self.root = self._work / "root"
        mount_over(base_root(), self._work)
        try:
            install_project(self.root, self._work / "wheels")
            (self.root / HERE).mkdir()
            shutil.copy(chosen, self.root / HERE / "linux.uml")
            for name, text in (("run", RUN), ("init", PLAIN_INIT)):
                (self.root / HERE / name).write_text(text)
                (self.root / HERE / name).chmod(0o755)
            (self.root / "etc/systemd/system/virtual.service").write_text(UNIT)
            if disk:
                with open(self.root / DISK, "wb") as file:
                    file.truncate(disk)
                call("chroot", str(self.root), "mkfs.ext4", "-q", f"/{DISK}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, script: str, patience: float = 120, *, systemd: bool = False) -> str:
        """Boot, run a shell script as root, power off; what the script wrote, to either stream.

        Without `systemd` the script is all that runs: /proc, /sys and control groups are there, /run and /tmp are
        empty, and there is no journal. With it the script begins when multi-user.target is reached.
        """
        why = "it went down"
        with self._power(script, systemd=systemd) as power:
            try:
                power.wait(patience)
            except subprocess.TimeoutExpired:
                why = f"{patience} s were over"
        if not (self.root / HERE / "ended").exists():
            raise self._failed(f"{why} before the script was through")
        return self._output()

    def cut(
        self, script: str, sign: str, seconds: Callable[[], float], *, stalled: float = 0, patience: float = 120
    ) -> str:
        """Boot, run a shell script as root, and cut the power some time after it wrote `sign`; what it wrote.

        `seconds`: asked when the sign is seen. `stalled`: for how long before the cut the disk has done nothing more
        of what it was told, while the machine goes on. What the kernel had handed over to the disk by then, synced or
        not, is there afterwards; what it still kept in its memory is lost.
        """
        deadline = time.monotonic() + patience
        with self._power(script) as power:
            while sign not in self._output():
                if power.poll() is not None or time.monotonic() > deadline:
                    raise self._failed(f"the script did not write {sign!r}")
                time.sleep(0.01)  # it is another system that writes; there is nothing here to wait on
            helpers = _untraced(power)
            with suppress(subprocess.TimeoutExpired):
                power.wait(seconds())
                raise self._failed(f"it went down by itself after {sign!r}")
            if stalled:
                # One of the machine's processes is not traced in the moment in which it is made, and not in another.
                for helper in helpers & _untraced(power):
                    os.kill(helper, signal.SIGSTOP)
                with suppress(subprocess.TimeoutExpired):
                    power.wait(stalled)
                    raise self._failed("it went down by itself when its disk stalled")
        return self._output()

    @contextmanager
    def _power(self, script: str, *, systemd: bool = False) -> Iterator[subprocess.Popen[bytes]]:
        """Boot. At the end nothing of the machine is left, whatever it does."""
        here = self.root / HERE
        (here / "ended").unlink(missing_ok=True)
        (here / "output").write_text("")
        (here / "script").write_text(script)
        init = ("init=/lib/systemd/systemd", "systemd.unit=virtual.service") if systemd else (f"init=/{HERE}/init",)
        # Without the flag `s`: it writes through to the host's own disk, which keeps its power.
        disk = (f"ubd0=/{DISK}",) if (self.root / DISK).exists() else ()
        with open(self._work / "console", "wb") as console:
            power = subprocess.Popen(
                [*APART, "sh", "-c", POWER_ON, "sh", str(self.root), *SWITCHES, *disk, *init],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
            try:
                yield power
            finally:
                _cut(power)

    def _output(self) -> str:
        return (self.root / HERE / "output").read_text(errors="replace")

    def _failed(self, why: str) -> AssertionError:
        told = (self._work / "console").read_text(errors="replace")[-3000:]
        return AssertionError(f"{why}\nconsole:\n{told}\nscript:\n{self._output()[-3000:]}")

    def close(self) -> None:
        discard(self._work)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _untraced(power: subprocess.Popen[bytes]) -> set[int]:
    """The kernel's helpers: one does what the disk is told. Its other children are the machine's processes."""
    (first,) = _children(power.pid)
    (kernel,) = _children(first)
    found = set()
    for child in _children(kernel):
        with suppress(FileNotFoundError, ProcessLookupError):  # a process that has just ended
            if "\nTracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
                found.add(child)
    return found


def _cut(power: subprocess.Popen[bytes]) -> None:
    """End every process of a machine at once, and wait until none is left."""
    if power.poll() is not None:
        return
    # Killing `unshare` itself would do, but not say when the others are gone, and two kernels would write on one disk.
    # It waits for its child, and the first process of a namespace is not gone before the last one is.
    first = _children(power.pid)
    for process in first:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(process, signal.SIGKILL)
    if not first:
        power.kill()
    power.wait()
