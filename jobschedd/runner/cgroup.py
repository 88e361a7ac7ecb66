"""A run as a cgroup: born in it, measured, limited and ended by it. Nothing a run starts can leave it.

For where systemd has delegated us a part of the tree (Delegate=yes), or a container's namespace is ours. The layout,
below the group that is ours: `run-<run id>` for each run; `supervisor` for daemon and runner, where systemd puts them
there (DelegateSubgroup=, 254). Only then may controllers be enabled: a group with processes in it cannot have any, and
an older systemd starts the next daemon in the group itself.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobschedd.runner.identity import CannotStart
from jobschedd.runner.usage import cpu, memory_peak

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterable, Mapping

    from jobschedd.runner.run import Run

MOUNTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
SUPERVISOR = "supervisor"

GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL for what a run leaves behind."""

AGAIN = 5.0
"""Seconds after SIGKILL until it is sent once more."""

GLANCE = 0.05
"""Seconds between two looks at what was killed and is not gone."""

CONTROLLERS = ("cpu", "io", "memory", "pids")

FILES = {"memory": "memory.max", "memory_high": "memory.high", "tasks": "pids.max"}
"""Limits that are written as they are."""

PERIOD = 100_000
"""Microseconds over which the share of a CPU is counted, as systemd has it."""


def find() -> Cgroups | None:
    """The part of the tree that is ours; None: there is none, or it is not ours."""
    try:
        with open("/proc/self/cgroup") as file:
            path = next(line[3:].rstrip("\n") for line in file if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    for mount in MOUNTS:
        ours = os.path.normpath(mount + path)
        placed = os.path.basename(ours) == SUPERVISOR
        base = os.path.dirname(ours) if placed else ours
        # The root of the whole tree has no cgroup.events; the root of a container's has.
        if (
            os.path.exists(f"{base}/cgroup.events")
            and (path == "/" or _is_delegated(base))
            and os.access(base, os.W_OK)
        ):
            return Cgroups(base, _enable_controllers(base) if placed else frozenset())
    return None


def _is_delegated(path: str) -> bool:
    """Whether systemd says so, on the directory."""
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _enable_controllers(base: str) -> frozenset[str]:
    for controller in CONTROLLERS:
        with suppress(OSError):  # not every kernel has all, nor is every one delegated
            _write(f"{base}/cgroup.subtree_control", f"+{controller}")
    return frozenset(_read(f"{base}/cgroup.subtree_control").split())


class Cgroups:
    def __init__(self, base: str, controllers: frozenset[str]) -> None:
        self._base = base
        self.controllers = controllers
        self._ending: dict[str, float] = {}
        """Groups whose run is over and that are not empty, and when what is in them is killed."""
        self._left: set[str] = set()
        """Groups that may live on after their run."""

    # -- starting ------------------------------------------------------------------------------------------------

    def make(self, run_id: str, limits: Mapping[str, Any]) -> int:
        """A group for a run; its directory. Raises CannotStart."""
        path = self._path(run_id)
        try:
            os.mkdir(path)
            for key, name, text in _files(limits):
                if not os.path.exists(f"{path}/{name}"):
                    raise CannotStart(f"cannot limit {key}: this kernel's cgroups have no {name}")
                _write(f"{path}/{name}", text)
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except CannotStart:
            self._remove(run_id)
            raise
        except OSError as error:
            self._remove(run_id)
            raise CannotStart(f"cannot make its cgroup: {error.strerror}: {error.filename}") from None

    def discard(self, run_id: str) -> None:
        """Nothing was started in it."""
        self._end(run_id, time.monotonic())

    # -- ending --------------------------------------------------------------------------------------------------

    def signal(self, runs: Iterable[Run], number: int) -> None:
        """Send a signal to all processes of these runs."""
        for run in runs:
            self._signal(run.run_id, number)

    def gone(self, runs: Iterable[Run]) -> set[str]:
        """Of these runs, whose main processes have ended, those of which nothing is left."""
        return {run.run_id for run in runs if _value(f"{self._path(run.run_id)}/cgroup.events", "populated") != "1"}

    def _signal(self, run_id: str, number: int) -> None:
        path = self._path(run_id)
        if number == signal.SIGKILL:
            with suppress(OSError):
                _write(f"{path}/cgroup.kill", "1")
                return
        for pid in _processes(path):
            _send(pid, path, number)
            # A stopped process takes nothing but SIGKILL before it goes on.
            if number != signal.SIGKILL:
                _send(pid, path, signal.SIGCONT)

    def over(self, run: Run, usage: resource.struct_rusage) -> dict[str, Any]:
        """A run's main process has ended: what all of the run has used; what it leaves behind is ended from now on."""
        path = self._path(run.run_id)
        measured = {
            "cpu_usec": int(_value(f"{path}/cpu.stat", "usage_usec") or cpu(usage)),
            "memory_peak": int(_read(f"{path}/memory.peak") or 0) or memory_peak(usage),
            "reason": "",
        }
        if int(_value(f"{path}/memory.events", "oom_kill") or 0):
            measured["reason"] = f"out of memory: more than its limit of {_read(f'{path}/memory.max').strip()} bytes"
        elif int(_value(f"{path}/pids.events", "max") or 0):
            measured["reason"] = (
                f"could not fork: it had as many tasks as its limit, {_read(f'{path}/pids.max').strip()}"
            )
        if run.leaves_children:
            if not self._remove(run.run_id):
                self._left.add(run.run_id)
        elif not self._remove(run.run_id):
            self._signal(run.run_id, signal.SIGTERM)
            self._ending[run.run_id] = time.monotonic() + GRACE
        return measured

    def end_orphans(self, orphans: Iterable[Mapping[str, Any]]) -> None:
        """What another runner has left, given by run id: nobody watches it. Groups that are empty are taken away."""
        for orphan in orphans:
            self._end(orphan["run_id"], time.monotonic())
        for name in os.listdir(self._base):
            if name.startswith("run-") and name[4:] not in self._ending:
                self._remove(name[4:])

    def _end(self, run_id: str, kill_at: float) -> None:
        if not self._remove(run_id):
            self._ending[run_id] = kill_at

    def look(self, runs: Mapping[str, Run]) -> None:
        """Something has ended, or the moment has come. The last process of a group ends as a child of ours."""
        del runs
        now = time.monotonic()
        for run_id, kill_at in list(self._ending.items()):
            if self._remove(run_id):
                del self._ending[run_id]
            elif kill_at <= now:
                self._signal(run_id, signal.SIGKILL)
                self._ending[run_id] = now + GLANCE
        self._left = {run_id for run_id in self._left if not self._remove(run_id)}

    @property
    def next_look(self) -> float | None:
        return min(self._ending.values(), default=None)

    def _remove(self, run_id: str) -> bool:
        """Whether the group is gone; it is not while somebody is in it."""
        path = self._path(run_id)
        if _value(f"{path}/cgroup.events", "populated") == "1":
            return False
        try:
            # Whoever has the right may have made groups in it, as podman does.
            for directory, _, _ in os.walk(path, topdown=False):
                os.rmdir(directory)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    def _path(self, run_id: str) -> str:
        return f"{self._base}/run-{run_id}"


def _files(limits: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """The files of a group that say these limits: key, file, text."""
    for key, name in FILES.items():
        if (value := limits.get(key)) is not None:
            yield key, name, str(value)
    if limits.get("memory") is not None:
        # Of a run that has lost one of its processes nobody knows what it goes on to do.
        yield "memory", "memory.oom.group", "1"
    if (percent := limits.get("cpu")) is not None:
        yield "cpu", "cpu.max", f"{percent * PERIOD // 100} {PERIOD}"
    if (weight := limits.get("io_weight")) is not None:
        yield "io_weight", "io.weight", f"default {weight}"


def _processes(path: str) -> Iterable[int]:
    for directory, _, _ in os.walk(path):
        yield from map(int, _read(f"{directory}/cgroup.procs").split())


def _send(pid: int, path: str, number: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # The handle holds whoever has the number now; only if that is in the group still.
        if _read(f"/proc/{pid}/cgroup").rpartition("0::")[2].strip().find(os.path.basename(path)) > 0:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended by itself; or it has become somebody else, by sudo say, and we are not root
    finally:
        os.close(handle)


def _value(path: str, key: str) -> str | None:
    """The value of a line `key value`."""
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return value
    return None


def _read(path: str) -> str:
    """What stands in the file; nothing where there is none."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "w") as file:
        file.write(text)
