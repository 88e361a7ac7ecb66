"""Runs where no cgroup is to be had: a session, what descends from it, and what we inherit as child subreaper.

Same face as cgroup.Cgroups. It finds daemons that forked twice and left the session; one that emptied its environment
too belongs to whichever of the runs went on when it was born, and ends with the last of them. What a run may leave
behind is known by what it had at its end; who has no name and is not of these is nobody's, and is ended.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from jobschedd.runner import tree
from jobschedd.runner.cgroup import AGAIN, GLANCE, GRACE
from jobschedd.runner.usage import cpu, memory_peak

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterable, Mapping

    from jobschedd.runner.run import Run

EARLIER = 100
"""Ticks, a second. A run is taken to have begun this much before we knew."""

MOST_PERIODS = 1_000
"""How many times are remembered at which runs went on that may leave nothing."""

NAMELESS = 1.0
"""Seconds for which a process may show no environment because it is in the middle of an exec."""


class Orphans:
    controllers: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._ending: dict[int, tuple[str, float]] = {}
        """Orphans of runs that are over: of which one, and when they are killed."""
        self._over: list[Run] = []
        """Runs that have ended since the last look and may leave something behind."""
        self._left: dict[str, _Left] = {}
        """What such runs have left."""
        self._seen: dict[str, set[tree.Process]] = {}
        """Of runs that were asked to end and whose main process has: what was left of them at the last look."""
        self._bound: deque[tuple[int, int]] = deque(maxlen=MOST_PERIODS)
        """When, in ticks, runs went on that are over and may leave nothing. No two overlap; the oldest first."""
        self._nameless: dict[tree.Name, float] = {}
        """Orphans in whose environment no run is named, and since when."""
        self._glance_at: float | None = None

    def make(self, run_id: str, limits: Mapping[str, Any]) -> None:
        """Nothing is to be made."""

    def discard(self, run_id: str) -> None:
        """Nor to be taken away."""

    def signal(self, runs: Iterable[Run], number: int) -> None:
        tree.end({run.run_id: self._main(run) for run in runs}, number)

    def gone(self, runs: Iterable[Run]) -> set[str]:
        """Of these runs, whose main processes have ended, those of which nothing is left that shows whose it is."""
        runs = list(runs)
        # All processes are looked at only when those that were found the last time have ended.
        unsure = [
            run for run in runs if not any(tree.is_alive(process.name) for process in self._seen.get(run.run_id, ()))
        ]
        found = tree.find_each({run.run_id: self._main(run) for run in unsure}) if unsure else {}
        seen = {run.run_id: found.get(run.run_id, self._seen.get(run.run_id, set())) for run in runs}
        self._seen = {run_id: processes for run_id, processes in seen.items() if processes}
        return seen.keys() - self._seen.keys()

    def _main(self, run: Run) -> int:
        """Its main process, which is its session too; NOBODY when the number may belong to somebody else by now.

        The kernel gives it to nobody as long as the session has a process.
        """
        if not run.over:
            return run.pid
        seen = self._seen.get(run.run_id)
        if seen is None:
            is_ours = tree.read_process(run.pid) is None  # it has just ended
        else:
            is_ours = any(process.session == run.pid and tree.is_alive(process.name) for process in seen)
        return run.pid if is_ours else tree.NOBODY

    def over(self, run: Run, usage: resource.struct_rusage) -> dict[str, Any]:
        if run.leaves_children:
            self._over.append(run)
        else:
            self._note_bound(run.begun - EARLIER, tree.ticks())
        return {
            "cpu_usec": cpu(usage),
            "memory_peak": memory_peak(usage),
            "reason": "",
        }

    def end_orphans(self, orphans: Iterable[Mapping[str, Any]]) -> None:
        tree.end({orphan["run_id"]: _own(orphan) for orphan in orphans}, signal.SIGKILL)

    def look(self, runs: Mapping[str, Run]) -> None:
        """End what runs have left behind: a run is over when its main process is.

        Looked for when something has ended, which is when we inherit. A child of ours that is no run is an orphan of one.
        """
        mains = {run.pid: run for run in runs.values() if not run.over}
        orphans = [
            process for pid in tree.children() if pid not in mains and (process := tree.read_process(pid)) is not None
        ]
        if self._ending and self._bound:
            self._note_bound(self._bound[-1][1], tree.ticks())  # of what is being ended anything may come yet
        self._note_left(orphans, runs)
        owners = self._owners(orphans, mains, {self._main(run): run.run_id for run in runs.values() if run.over})
        there = {process.pid for process in orphans}
        self._ending = {pid: ending for pid, ending in self._ending.items() if pid in there}
        if self._glance_at is None:  # else who is still to get a name may be of them
            self._left = {
                run_id: left
                for run_id, left in self._left.items()
                if run_id in owners.values() or any(map(tree.is_alive, left.processes))
            }
        now = time.monotonic()
        # What becomes ours because its parent has ended has no more time than that had.
        known = {owner: kill_at for owner, kill_at in self._ending.values() if owner}
        fresh = {
            pid: (owner, known.get(owner, now + GRACE))
            for pid, owner in owners.items()
            if pid not in self._ending and owner not in runs and owner not in self._left
        }
        tree.signal_below([pid for pid, (owner, _) in fresh.items() if owner not in known], signal.SIGTERM)
        self._ending |= fresh
        late = [pid for pid, (_, kill_at) in self._ending.items() if kill_at <= now]
        tree.signal_below(late, signal.SIGKILL)
        # What not even that ends is kept by the kernel.
        self._ending |= {pid: (self._ending[pid][0], now + AGAIN) for pid in late}

    @property
    def next_look(self) -> float | None:
        moments = [
            *(kill_at for _, kill_at in self._ending.values()),
            *([self._glance_at] if self._glance_at is not None else []),
        ]
        return min(moments, default=None)

    def _owners(
        self, orphans: Iterable[tree.Process], mains: Mapping[int, Run], over: Mapping[int, str]
    ) -> dict[int, str]:
        """The runs that these come from; empty: one that is over. Left out: it cannot be told yet.

        `over`: the sessions of runs whose main process has ended, and that go on.
        """
        now = time.monotonic()
        owners, nameless = {}, dict[tree.Name, float]()
        left = {name: run_id for run_id, left in self._left.items() for name in left.processes}
        sessions = {left.session: run_id for run_id, left in self._left.items()}
        sessions |= over
        sessions |= {pid: run.run_id for pid, run in mains.items()}
        for process in orphans:
            run_id = left.get(process.name) or tree.run_of(process.pid) or sessions.get(process.session)
            if run_id is None:
                since = nameless[process.name] = self._nameless.get(process.name, now)
                run_id = _eldest(process, mains) if now - since >= NAMELESS else None
            if run_id is not None:
                owners[process.pid] = run_id
        self._nameless = nameless
        self._glance_at = now + GLANCE if any(now - since < NAMELESS for since in nameless.values()) else None
        return owners

    def _note_left(self, orphans: Iterable[tree.Process], runs: Mapping[str, Run]) -> None:
        """What belongs to runs that may leave it is known from their end on.

        That is all we can find of them, and who has no name where it can be of no other run.
        """
        over, self._over = self._over, []
        settled = {name for left in self._left.values() for name in left.processes}
        if not over or all(process.name in settled or process.pid in self._ending for process in orphans):
            return  # they have left nothing: it would be an orphan, or descend from one
        found = tree.find_each({run.run_id: run.pid for run in over})
        known = set[tree.Process]().union(*found.values())
        began = [run.begun - EARLIER for run in runs.values() if not run.leaves_children]
        free = {
            process.name
            for process in orphans
            if process not in known
            and process.pid not in self._ending
            and not any(begun <= process.born for begun in began)
            and not self._was_bound(process.born)
            and tree.run_of(process.pid) is None
        }
        for run in over:
            self._left[run.run_id] = _Left(run.pid, free | {process.name for process in found[run.run_id]})

    def _note_bound(self, begun: int, ended: int) -> None:
        while self._bound and self._bound[-1][1] >= begun:
            begun = min(begun, self._bound.pop()[0])
        self._bound.append((begun, ended))

    def _was_bound(self, born: int) -> bool:
        """Whether a process of that birth may be of a run that is over and may leave nothing."""
        forgotten = self._bound[0][0] if len(self._bound) == MOST_PERIODS else 0
        return born < forgotten or any(begun <= born <= ended for begun, ended in self._bound)


class _Left(NamedTuple):
    """What a run has been allowed to leave behind."""

    session: int
    processes: set[tree.Name]


def _eldest(process: tree.Process, mains: Mapping[int, Run]) -> str:
    """A run that goes on and that a process without a name may come from; empty: there is none."""
    going = [main for main in map(tree.read_process, mains) if main is not None and main.born <= process.born]
    return mains[min(going, key=lambda main: main.born).pid].run_id if going else ""


def _own(orphan: Mapping[str, Any]) -> int:
    """The main process of a run that was not ours; NOBODY where its number belongs to somebody else by now.

    The number may be of an earlier boot. What tells a run's processes then is the id in their environment.
    """
    pid = orphan["pid"]
    return pid if pid is not None and tree.run_of(pid) == orphan["run_id"] else tree.NOBODY
