"""Everything a run has started, found without cgroups, and signalled without hitting anybody else.

A run is a session, what carries its id in the environment, and what descends from either. That finds daemons that
forked twice and left the session; it does not find one that also emptied its environment. Runs with a cgroup of
their own do not need this room.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_PASSES = 20
"""A process that forks faster than it is found is chased this often."""


NOBODY = -1
"""No process has this number, nor is it a session."""


class Process(NamedTuple):
    pid: int
    parent: int
    session: int
    born: int
    """Clock ticks after boot."""

    @property
    def name(self) -> Name:
        return Name(self.pid, self.born)


class Name(NamedTuple):
    """What a process keeps as long as it lives, and no other process ever has."""

    pid: int
    born: int


def is_alive(name: Name) -> bool:
    process = read_process(name.pid)
    return process is not None and process.born == name.born


def ticks() -> int:
    """The moment by the clock of births."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def read_process(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name, in brackets, may hold anything; what follows the last bracket is numbers, from field 3 on.
    fields = text[text.rfind(b")") + 2 :].split()
    if fields[0] == b"Z":
        return None
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]))


def is_stopped(pid: int) -> bool:
    """Whether it stands still, by SIGSTOP or one of its like."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except OSError:
        return False


def run_of(pid: int) -> str | None:
    """The run whose id stands in a process's environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return None
    for variable in environment.split(b"\0"):
        if variable.startswith(b"JOBSCHEDD_RUN_ID="):
            return variable.partition(b"=")[2].decode("ascii", "replace")
    return None


def children() -> list[int]:
    """Our own children, those included that we have inherited."""
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [process.pid for process in _all_processes().values() if process.parent == pid]


def find(runs: Mapping[str, int]) -> set[Process]:
    """All processes of these runs, given by id and main process."""
    return set[Process]().union(*find_each(runs).values())


def find_each(runs: Mapping[str, int]) -> dict[str, set[Process]]:
    """The processes of each of these runs, given by id and main process, in one look at all there are."""
    processes = _all_processes()
    below = _below(processes)
    sessions = {main: run_id for run_id, main in runs.items()}
    found: dict[str, set[int]] = {run_id: set() for run_id in runs}
    for process in processes.values():
        run_id = sessions.get(process.session) or run_of(process.pid)
        if run_id in found:
            found[run_id].add(process.pid)
    return {run_id: _with_all_below(roots, processes, below) for run_id, roots in found.items()}


def _below(processes: Mapping[int, Process]) -> dict[int, list[int]]:
    """The children of each."""
    below: dict[int, list[int]] = {}
    for process in processes.values():
        below.setdefault(process.parent, []).append(process.pid)
    return below


def _with_all_below(
    roots: Iterable[int], processes: Mapping[int, Process], below: Mapping[int, list[int]]
) -> set[Process]:
    found = set(roots)
    waiting = list(found)
    while waiting:
        for child in below.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return {processes[pid] for pid in found - {1, os.getpid(), os.getppid()}}


def signal_below(roots: Iterable[int], number: int) -> None:
    """Send a signal to these, and to all that descend from them."""
    if roots := list(roots):
        processes = _all_processes()
        for process in _with_all_below(set(roots) & processes.keys(), processes, _below(processes)):
            _send(process, number)
            if number != signal.SIGKILL:
                _send(process, signal.SIGCONT)


def end(runs: Mapping[str, int], number: int) -> None:
    """Send a signal to all processes of these runs; SIGKILL until none is left that was not hit."""
    hit: set[Process] = set()
    mains = set(runs.values())
    for _ in range(MOST_PASSES if number == signal.SIGKILL else 1):
        fresh = find(runs) - hit
        if not fresh:
            return
        # The main process first: else it may end by itself, with another status, because its children have.
        for process in sorted(fresh, key=lambda process: process.pid not in mains):
            _send(process, number)
            # A stopped process takes nothing but SIGKILL before it goes on.
            if number != signal.SIGKILL:
                _send(process, signal.SIGCONT)
        hit |= fresh


def _send(process: Process, number: int) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        # The handle holds whoever has the number now; only if that was born when the one that was found was.
        now = read_process(process.pid)
        if now and now.born == process.born:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended by itself; or it has become somebody else, by sudo say, and we are not root
    finally:
        os.close(handle)


def _all_processes() -> dict[int, Process]:
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process}
