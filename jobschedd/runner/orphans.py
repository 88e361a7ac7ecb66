"""Runs where no cgroup is to be had: a session, what descends from it, and what we inherit as child subreaper.

Same face as cgroup.Cgroups. It finds daemons that forked twice and left the session; one that emptied its environment
too belongs to whichever of the runs went on when it was born, and ends with the last of them.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from jobschedd.runner import tree
from jobschedd.runner.cgroup import GLANCE, GRACE

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterable, Mapping

    from jobschedd.runner.run import Run

NAMELESS = 1.0
"""Seconds for which a process may show no environment because it is in the middle of an exec."""


class Orphans:
    controllers: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._ending: dict[int, float] = {}
        """Orphans of runs that are over, and when they are killed."""
        self._may_live: dict[str, int] = {}
        """Runs that are over and have been allowed to leave something behind, with their main processes."""
        self._nameless: dict[tree.Process, float] = {}
        """Orphans in whose environment no run is named, and since when."""
        self._glance_at: float | None = None

    def make(self, run_id: str, limits: Mapping[str, Any]) -> None:
        """Nothing is to be made."""

    def discard(self, run_id: str) -> None:
        """Nor to be taken away."""

    def signal(self, runs: Mapping[str, int], number: int) -> None:
        tree.end(runs, number)

    def over(self, run: Run, usage: resource.struct_rusage) -> dict[str, Any]:
        if run.leaves_children:
            self._may_live[run.run_id] = run.pid
        return {
            "cpu_usec": round((usage.ru_utime + usage.ru_stime) * 1_000_000),
            "memory_peak": usage.ru_maxrss * 1024,
            "reason": "",
        }

    def end_orphans(self, orphans: Iterable[Mapping[str, Any]]) -> None:
        tree.end({orphan["run_id"]: _own(orphan) for orphan in orphans}, signal.SIGKILL)

    def look(self, runs: Mapping[str, Run]) -> None:
        """End what runs have left behind: a run is over when its main process is.

        Looked for when something has ended, which is when we inherit. A child of ours that is no run is an orphan of one.
        """
        mains = {run.pid: run for run in runs.values()}
        children = {pid for pid in tree.children() if pid not in mains}
        owners = self._owners(children, mains)
        self._ending = {pid: kill_at for pid, kill_at in self._ending.items() if pid in children}
        self._may_live = {run_id: pid for run_id, pid in self._may_live.items() if run_id in owners.values()}
        now = time.monotonic()
        for pid, owner in owners.items():
            if pid not in self._ending and owner not in runs and owner not in self._may_live:
                os.kill(pid, signal.SIGTERM)
                self._ending[pid] = now + GRACE
        for pid, kill_at in self._ending.items():
            if kill_at <= now:
                os.kill(pid, signal.SIGKILL)
                self._ending[pid] = now + GRACE

    @property
    def next_look(self) -> float | None:
        moments = [*self._ending.values(), *([self._glance_at] if self._glance_at is not None else [])]
        return min(moments, default=None)

    def _owners(self, orphans: Iterable[int], mains: Mapping[int, Run]) -> dict[int, str]:
        """The runs that these come from; empty: one that is over. Left out: it cannot be told yet."""
        now = time.monotonic()
        owners, nameless = {}, dict[tree.Process, float]()
        sessions = {pid: run.run_id for pid, run in mains.items()} | {
            pid: run_id for run_id, pid in self._may_live.items()
        }
        for pid in orphans:
            process = tree.read_process(pid)
            if process is None:
                continue
            run_id = tree.run_of(pid) or sessions.get(process.session)
            if run_id is None:
                since = nameless[process] = self._nameless.get(process, now)
                run_id = self._eldest(process, mains) if now - since >= NAMELESS else None
            if run_id is not None:
                owners[pid] = run_id
        self._nameless = nameless
        self._glance_at = now + GLANCE if any(now - since < NAMELESS for since in nameless.values()) else None
        return owners

    def _eldest(self, process: tree.Process, mains: Mapping[int, Run]) -> str:
        """A run that a process without a name may come from."""
        going = [main for main in map(tree.read_process, mains) if main is not None and main.born <= process.born]
        if going:
            return mains[min(going, key=lambda main: main.born).pid].run_id
        return next(iter(self._may_live), "")


def _own(orphan: Mapping[str, Any]) -> int:
    """The main process of a run that was not ours; NOBODY where its number belongs to somebody else by now.

    The number may be of an earlier boot. What tells a run's processes then is the id in their environment.
    """
    pid = orphan["pid"]
    return pid if pid is not None and tree.run_of(pid) == orphan["run_id"] else tree.NOBODY
