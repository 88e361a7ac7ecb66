"""Orders on their way to become runs: they wait for room, are prepared, started, and heard until they run."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from jobschedd.runner.identity import CannotStart
from jobschedd.runner.launch import NoRoom, Ready, hear, now, soft_limit
from jobschedd.runner.output import Pipe, open_journal, open_pipe
from jobschedd.runner.run import Run

if TYPE_CHECKING:
    from jobschedd.runner.cgroup import Cgroups
    from jobschedd.runner.orphans import Orphans

SLICE = 16
"""Starts between two looks at everything else."""

TRY_AGAIN = 0.25
"""Seconds after which a start that found no room is tried again, if no run has ended before."""

START_WITHIN = 60.0
"""Seconds that a child may take until it is the run: a directory service that does not answer must not hold a job."""

STOPPED = "stopped before it could start"
SLOW = "it was not ready to start within 60 s: does the user database answer, and its directory?"

NEEDS = {"memory": "memory", "memory_high": "memory", "cpu": "cpu", "tasks": "pids", "io_weight": "io"}
"""The cgroup controller that a limit is kept by."""


class Heard(Protocol):
    """Who wants to know what becomes of orders."""

    def made(self, run: Run) -> None:
        """It has a process, which may not be the run yet."""

    def began(self, run: Run, at: int) -> None: ...

    def unmade(self, run: Run) -> None:
        """Its process will not be the run."""

    def refused(self, order: dict[str, Any], reason: str) -> None: ...


class Starting:
    def __init__(
        self, selector: selectors.BaseSelector, bounds: Cgroups | Orphans, soft_files: int, tell: Heard
    ) -> None:
        """`bounds`: what holds all that a run starts. `soft_files`: the soft limit on open files of a run."""
        self._selector = selector
        self._bounds = bounds
        self._soft_files = soft_files
        self._tell = tell
        self.journal: str | None = None
        """Where journald takes streams; None: output goes through a pipe."""
        self.orders: deque[dict[str, Any]] = deque()
        """Those that wait."""
        self._no_room_until = 0.0
        self._unsure: dict[str, Run] = {}
        """Forked, and not yet the run, the oldest first."""

    @property
    def next_moment(self) -> float | None:
        """When `go` wants to be called without being woken."""
        moments = [self._no_room_until] if self.orders else []
        if self._unsure:
            moments.append(next(iter(self._unsure.values())).made_at + START_WITHIN)
        return min(moments, default=None)

    def make_room(self) -> None:
        """A run has ended."""
        self._no_room_until = 0.0

    def withdraw(self, run_ids: list[str]) -> None:
        """These are not to begin any more, where they have not yet."""
        for order in [order for order in self.orders if order["run_id"] in run_ids]:
            self.orders.remove(order)
            self._tell.refused(order, STOPPED)
        for run_id in self._unsure.keys() & set(run_ids):
            self._unsure[run_id].withdrawn = True

    def go(self) -> None:
        """Start some of those that wait.

        They are prepared, and then started in one go: after a fork each page that we touch costs a fault, once.
        """
        self._give_up()
        if not self.orders or time.monotonic() < self._no_room_until:
            return
        prepared: list[_Prepared] = []
        for _ in range(min(SLICE, len(self.orders))):
            order = self.orders.popleft()
            try:
                prepared.append(self._prepare(order))
            except NoRoom:
                self._put_back(order)
                break
            except CannotStart as error:
                self._tell.refused(order, str(error))
        room = True
        with soft_limit(self._soft_files):
            for start in prepared:
                if room:
                    room = start.start()
        for start in reversed(prepared):
            if not start.tried:
                self._put_back(start.order)
        for start in prepared:
            self._take_in(start)

    def _put_back(self, order: dict[str, Any]) -> None:
        """In order, and late rather than never: the next end of a run, or a moment, may make room."""
        self.orders.appendleft(order)
        self._no_room_until = time.monotonic() + TRY_AGAIN

    def _prepare(self, order: dict[str, Any]) -> _Prepared:
        """Raises CannotStart or NoRoom."""
        if unkept := [key for key in order["limits"] if NEEDS.get(key, "") not in {"", *self._bounds.controllers}]:
            raise CannotStart(f"cannot limit {', '.join(unkept)}: no cgroup controller is delegated to jobschedd here")
        start = _Prepared(order)
        try:
            start.output = open_journal(self.journal, order["job_id"]) if self.journal else None
            if start.output is None:
                read_end, start.output = open_pipe(self._soft_files)
                start.pipe = Pipe(read_end, order["job_id"], order["run_id"])
            start.group = self._bounds.make(order["run_id"], order["limits"])
            start.ready = Ready(order, start.output, start.group)
        except BaseException:
            self._let_go(start)
            raise
        return start

    def _take_in(self, start: _Prepared) -> None:
        """It was started, or was not."""
        if start.made is None:
            self._let_go(start)
            if start.refusal is not None:
                self._tell.refused(start.order, start.refusal)
            return
        start.close()
        pid, told = start.made
        run = Run(start.order, pid, start.pipe, told)
        self._tell.made(run)
        if told is None:
            self._tell.began(run, start.at)
        else:
            self._unsure[run.run_id] = run
            self._selector.register(told, selectors.EVENT_READ, lambda: self.hear(run))

    def _let_go(self, start: _Prepared) -> None:
        start.close()
        if start.pipe is not None:
            os.close(start.pipe.fd)
        if start.group is not None:
            self._bounds.discard(start.order["run_id"])

    def hear(self, run: Run) -> None:
        """A child has begun to be the run, or has not managed to."""
        while run.told is not None:
            try:
                piece = os.read(run.told, 1 << 16)
            except BlockingIOError:
                return
            run.heard += piece
            if not piece:
                self._settle(run)

    def _settle(self, run: Run) -> None:
        """No more is heard of how it starts."""
        assert run.told is not None, "it is starting"
        self._selector.unregister(run.told)
        os.close(run.told)
        run.told = None
        del self._unsure[run.run_id]
        said = hear(run.heard, run.order)
        if said is not None and not said.refusal:
            self._tell.began(run, said.began)
            return
        self._tell.unmade(run)
        self._bounds.discard(run.run_id)
        if run.withdrawn:
            self._tell.refused(run.order, STOPPED)
        elif said is None:
            self._put_back(run.order)
        else:
            self._tell.refused(run.order, said.refusal)

    def _give_up(self) -> None:
        """Who takes too long to become a run will not."""
        while self._unsure:
            run = next(iter(self._unsure.values()))
            if run.made_at + START_WITHIN > time.monotonic():
                return
            # It may be that even this does not end it; nobody waits for that.
            os.kill(run.pid, signal.SIGKILL)
            run.heard = f"-{SLOW}".encode()
            self._settle(run)


class _Prepared:
    """An order with all that its start needs."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.output: int | None = None
        self.pipe: Pipe | None = None
        """Our end of its output, where that does not go to the journal by itself."""
        self.group: int | None = None
        self.ready: Ready | None = None
        self.tried = False
        self.made: tuple[int, int | None] | None = None
        self.at = 0
        self.refusal: str | None = None

    def start(self) -> bool:
        """False: there is no room; it is to be tried again."""
        assert self.ready is not None, "it is prepared"
        try:
            self.made = self.ready.start()
        except NoRoom:
            return False
        except CannotStart as error:
            self.refusal = str(error)
        self.at = now()
        self.tried = True
        return True

    def close(self) -> None:
        """What the run has of it stays its own."""
        if self.ready is not None:
            self.ready.close()
        for descriptor in (self.output, self.group):
            if descriptor is not None:
                os.close(descriptor)
