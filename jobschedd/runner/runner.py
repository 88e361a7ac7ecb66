"""The runner's one loop: orders come in, runs start and end, answers go out.

One thread, one selector, nothing that blocks. A pidfd for each run would still need SIGCHLD for the orphans that we
inherit as child subreaper, so SIGCHLD wakes the loop for both; a child of ours keeps its number until it is reaped, so
signalling it by number is safe. Processes that are not ours are signalled by pidfd.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jobschedd.runner import tree
from jobschedd.runner.cgroup import AGAIN, GLANCE
from jobschedd.runner.launch import now
from jobschedd.runner.line import Line
from jobschedd.runner.output import Pipes
from jobschedd.runner.standing import wake_on_sigchld
from jobschedd.runner.starting import Starting
from jobschedd.runner.wire import VERSION

if TYPE_CHECKING:
    import resource
    import socket

    from jobschedd.runner.cgroup import Cgroups
    from jobschedd.runner.orphans import Orphans
    from jobschedd.runner.run import Run


REST = 0.2
"""Seconds between two looks at what was asked to end and is not gone, should nothing tell us."""


class _Ending(NamedTuple):
    run: Run
    status: int
    usage: resource.struct_rusage
    kill_at: float
    """When what is left of it is killed."""
    reminded: bool = False
    """What was left when its main process had ended has been asked once more: it may have been started since."""


class Runner:
    def __init__(
        self, daemon: socket.socket, listener: socket.socket, soft_files: int, bounds: Cgroups | Orphans
    ) -> None:
        """`bounds`: what holds all that a run starts."""
        self._bounds = bounds
        self._runs: dict[str, Run] = {}
        self._by_pid: dict[int, Run] = {}
        self._unrecorded: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}
        """By run id: `refused` or `ended`, what was said of it, and its note; until a daemon has recorded it."""
        self._ending: dict[str, _Ending] = {}
        """Runs that were asked to end, and whose main process has: they end when nothing of them is left."""
        self._looked_at = 0.0
        self._look_at = 0.0
        """When these are looked at. They were, at the other moment."""
        self._deaths = False
        """Something has ended since the bounds were last looked at."""
        self._started: list[dict[str, Any]] = []
        """What is to be said to have begun."""
        self._selector = selectors.DefaultSelector()
        self._deaths_fd = wake_on_sigchld(soft_files)
        self._selector.register(self._deaths_fd, selectors.EVENT_READ, self._reap)
        self._line = Line(
            daemon, listener, self._selector, soft_files, obey=self._obey, greet=self._greet, lost=self._lose_daemon
        )
        self._pipes = Pipes(self._selector, self._line.say)
        self._starting = Starting(self._selector, bounds, soft_files, self)
        self._greet()

    def serve(self) -> None:
        """Until the daemon is gone and nothing is left to be told to the next one."""
        while self._line.is_up or self._has_business():
            for key, events in self._selector.select(self._patience()):
                if events & selectors.EVENT_WRITE:
                    self._line.flush()
                if events & selectors.EVENT_READ:
                    key.data()
            self._starting.go()
            deaths, self._deaths = self._deaths, False
            look_at = self._bounds.next_look
            if deaths or (look_at is not None and look_at <= time.monotonic()):
                self._bounds.look(self._runs)
            if deaths:
                self._look_at = min(self._look_at, self._looked_at + GLANCE)
            if self._ending and self._look_at <= time.monotonic():
                self._end_what_is_gone()
            self._tell_started()
            self._line.flush()

    def _has_business(self) -> bool:
        return bool(self._runs or self._starting.orders or self._unrecorded or self._bounds.next_look is not None)

    def _patience(self) -> float | None:
        """Seconds until there is something to do without being woken."""
        moments = [at for at in (self._bounds.next_look, self._starting.next_moment) if at is not None]
        if self._ending:
            moments.append(self._look_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    # -- the daemon ----------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        runs = [
            {"run": run.note, "pid": run.pid, "at": run.at or None, "asked": run.asked} for run in self._runs.values()
        ]
        runs += [{"run": order["run"], "pid": None, "at": None} for order in self._starting.orders]
        runs += [{"run": note, "pid": None, "at": note.get("began")} for _, _, note in self._unrecorded.values()]
        controllers = sorted(self._bounds.controllers)
        self._pipes.somebody_hears()
        self._line.say({"hello": VERSION, "pid": os.getpid(), "runs": runs, "controllers": controllers})
        for kind, answer, _ in self._unrecorded.values():
            self._line.say({kind: [answer]})

    def _lose_daemon(self) -> None:
        self._started = []
        self._pipes.nobody_hears()

    def _obey(self, order: dict[str, Any]) -> None:
        match order:
            case {"hello": version, "journal": journal}:
                if version != VERSION:
                    raise ValueError(f"cannot speak version {version} of the protocol; this runner speaks {VERSION}")
                self._starting.journal = journal
            case {"start": starts}:
                self._starting.orders.extend(starts)
            case {"end": run_ids, "signal": number, "why": why}:
                self._starting.withdraw(run_ids)
                there = [self._runs[run_id] for run_id in run_ids if run_id in self._runs]
                for run in there:
                    run.asked = why
                    run.stood_still = run.stood_still or (not run.over and tree.is_stopped(run.pid))
                self._bounds.signal(there, number)
            case {"took": size}:
                self._pipes.took(size)
            case {"recorded": run_ids}:
                for run_id in run_ids:
                    self._unrecorded.pop(run_id, None)
            case {"orphans": orphans}:
                self._bounds.end_orphans(orphans)
            case _:
                raise ValueError(f"cannot obey an order with the keys {', '.join(order)}")

    # -- starting ------------------------------------------------------------------------------------------------

    def made(self, run: Run) -> None:
        self._runs[run.run_id] = self._by_pid[run.pid] = run
        if run.pipe is not None:
            self._pipes.add(run.pipe)

    def began(self, run: Run, at: int) -> None:
        run.begin(at)
        self._started.append({"run_id": run.run_id, "pid": run.pid, "at": at})

    def unmade(self, run: Run) -> None:
        del self._runs[run.run_id]
        if self._by_pid.get(run.pid) is run:
            del self._by_pid[run.pid]
        if run.pipe is not None:
            self._pipes.finish(run.pipe)

    def refused(self, order: dict[str, Any], reason: str) -> None:
        answer = {"run_id": order["run_id"], "reason": reason}
        self._unrecorded[order["run_id"]] = ("refused", answer, order["run"])
        self._line.say({"refused": [answer]})

    def _tell_started(self) -> None:
        if self._started:
            self._line.say({"started": self._started})
            self._started = []

    # -- ending --------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        os.read(self._deaths_fd, 4096)
        ended = []
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if dead is None:
                break
            self._deaths = True
            run = self._by_pid.get(dead.si_pid)
            if run is not None:
                self._starting.hear(run)  # it may have begun, or not, and we have not listened yet
            _, status, usage = os.wait4(dead.si_pid, 0)
            if run is not None and run.at:
                if run.asked and not run.leaves_children:
                    # Whoever asked for its end waits for all of it.
                    del self._by_pid[run.pid]
                    run.over = True
                    kill_at = time.monotonic() + run.note["kill_after"] / 1e6
                    self._ending[run.run_id] = _Ending(run, status, usage, kill_at)
                else:
                    ended.append(self._finish(run, status, usage))
        if self._deaths:
            self._starting.make_room()
        self._tell_ended(ended)

    def _end_what_is_gone(self) -> None:
        gone = self._bounds.gone([ending.run for ending in self._ending.values()])
        over = [self._ending.pop(run_id) for run_id in gone]
        self._tell_ended([self._finish(ending.run, ending.status, ending.usage) for ending in over])
        now = self._looked_at = time.monotonic()
        self._look_at = now + REST
        fresh = [ending for ending in self._ending.values() if not ending.reminded]
        # Should nobody be there to have it killed: its daemon does so at the same moment.
        late = [ending for ending in self._ending.values() if ending.kill_at <= now]
        if fresh:
            self._bounds.signal([ending.run for ending in fresh], signal.SIGTERM)
            self._ending |= {ending.run.run_id: ending._replace(reminded=True) for ending in fresh}
        if late:
            self._bounds.signal([ending.run for ending in late], signal.SIGKILL)
            self._ending |= {ending.run.run_id: ending._replace(reminded=True, kill_at=now + AGAIN) for ending in late}

    def _tell_ended(self, ended: list[dict[str, Any]]) -> None:
        if ended:
            self._tell_started()
            self._line.say({"ended": ended})

    def _finish(self, run: Run, status: int, usage: resource.struct_rusage) -> dict[str, Any]:
        at = now()
        self.unmade(run)
        code = os.waitstatus_to_exitcode(status)
        answer = {
            "run_id": run.run_id,
            "at": at,
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "asked": run.asked,
            **self._bounds.over(run, usage),
        }
        if run.stood_still:
            answer["reason"] = answer["reason"] or "it had been stopped (SIGSTOP)"
        self._unrecorded[run.run_id] = ("ended", answer, run.note | {"began": run.at})
        return answer
