"""Runs that have to end: asked to by SIGTERM, made to by SIGKILL, said where not even that ends them."""

from __future__ import annotations

import signal
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from jobschedd.model import event
from jobschedd.model.run import MINUTE, SECOND, Asked, Instant
from jobschedd.model.span import show_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobschedd.model.running import Active, Running
    from jobschedd.ports import Clock, Listener, Runner

UNKILLABLE = 30 * SECOND
"""After SIGKILL a run is gone within this, unless the kernel keeps one of its processes: a dead file server, say."""

AGAIN = 10 * MINUTE
"""How often that is said."""


FEW = 100
"""Deadlines of runs that have ended which are not worth a look."""


class Ending:
    """Used by the scheduler's thread alone.

    Its deadlines are counted in time that the machine was awake: neither a step of the clock nor a night in suspend
    ends a run that has not had its time.
    """

    def __init__(self, clock: Clock, runner: Runner, running: Running, listen: Listener) -> None:
        self._clock = clock
        self._runner = runner
        self._running = running
        self._listen = listen
        self._deadlines: list[tuple[int, str, Asked]] = []
        """A heap of when, which run, and what it is asked for then; NOT: it was asked, and has not ended."""

    def _awake(self) -> int:
        return self._clock.elapsed() - self._clock.asleep()

    def next_moment(self, now: Instant) -> Instant | None:
        """When `pass_time` wants to be called, by the wall clock as it stands now."""
        while self._deadlines and self._running.get(self._deadlines[0][1]) is None:
            heappop(self._deadlines)
        return now + self._deadlines[0][0] - self._awake() if self._deadlines else None

    def limit(self, active: Active, now: Instant) -> None:
        """A run has begun: it ends at its timeout."""
        if active.run.timeout is not None and active.started_at is not None:
            had = min(max(0, now - active.started_at), active.run.timeout)  # one that was adopted had some of it
            deadline = self._awake() + active.run.timeout - had
            if len(self._deadlines) > 2 * len(self._running) + FEW:
                # A run of a second with a timeout of a day leaves its deadline behind.
                self._deadlines = [entry for entry in self._deadlines if self._running.get(entry[1]) is not None]
                heapify(self._deadlines)
            heappush(self._deadlines, (deadline, active.run.run_id, Asked.TIMED_OUT))

    def ask(self, actives: Iterable[Active], why: Asked, reason: str) -> None:
        """Have these end, each within its `kill_after`. Those that were asked before are left alone."""
        fresh = [active for active in actives if not active.asked]
        for active in fresh:
            active.asked, active.reason = why, reason
            heappush(self._deadlines, (self._awake() + active.run.kill_after, active.run.run_id, Asked.NOT))
        if fresh:
            self._runner.end([active.run.run_id for active in fresh], signal.SIGTERM, why)

    def go_on(self, active: Active, why: Asked) -> None:
        """The daemon before us has asked this run to end: it has its `kill_after` once more."""
        if why:
            active.asked = why
            heappush(self._deadlines, (self._awake() + active.run.kill_after, active.run.run_id, Asked.NOT))

    def signal_all(self, signal: int) -> None:
        """The daemon stops, and its runs with it: it waits for them itself."""
        for active in self._running:
            active.asked = active.asked or Asked.STOPPED
        self._runner.end([active.run.run_id for active in self._running], signal, Asked.STOPPED)

    def pass_time(self) -> None:
        """Do what is due."""
        while self._deadlines and self._deadlines[0][0] <= self._awake():
            _, run_id, why = heappop(self._deadlines)
            active = self._running.get(run_id)
            if active is None:
                continue
            if why:
                assert active.run.timeout is not None, "else it has no deadline"
                self.ask([active], why, f"ran longer than its timeout of {show_duration(active.run.timeout)}")
                continue
            if active.kills:
                self._listen(event.RunUnkillable(active.run, active.started_at))
            self._runner.end([run_id], signal.SIGKILL, active.asked)
            heappush(self._deadlines, (self._awake() + (AGAIN if active.kills else UNKILLABLE), run_id, Asked.NOT))
            active.kills += 1
