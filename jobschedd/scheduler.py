"""The thread that decides. It alone owns the catalog, the agenda and the running set; nothing in it is locked.

One inbox, one wait: until the next instant or the next message, capped, and then everything is computed again from
the wall clock. A step of the clock, NTP and suspend need no path of their own.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from queue import Empty
from typing import TYPE_CHECKING

from jobschedd.model import event, message
from jobschedd.model.agenda import Agenda
from jobschedd.model.catalog import Added, Catalog, Cleared, Effect, Removed, Troubled
from jobschedd.model.policy import owed
from jobschedd.model.run import DAY, SECOND, Cause, Ending, Instant, Outcome, Run, outcome_of

if TYPE_CHECKING:
    from queue import SimpleQueue

    from jobschedd.model.job import Definition
    from jobschedd.model.launch import Launch
    from jobschedd.ports import Clock, Listener, Runner

LONGEST_WAIT = 20 * SECOND
"""A step of the wall clock is noticed after this at the latest."""

STEP = SECOND
"""A difference between wall clock and elapsed time that no slewing makes between two wake-ups."""

BATCH = 32
"""Starts that are handed over together: large enough to be cheap. The first goes alone, so that it does not wait."""

BULK = 100
"""More changes than this at once are said one by one only at debug level."""


@dataclass(slots=True)
class _Active:
    """A run that was handed to the runner and has not ended."""

    run: Run
    started_at: Instant | None = None
    stopped: bool = False


class Scheduler:
    def __init__(self, inbox: SimpleQueue[message.Message], clock: Clock, runner: Runner, listen: Listener) -> None:
        self._inbox = inbox
        self._clock = clock
        self._runner = runner
        self._listen = listen
        self._catalog = Catalog()
        self._agenda = Agenda()
        self._active: dict[str, _Active] = {}
        self._running: dict[str, int] = {}
        """How many runs of a job are active, where there are any."""
        self._decided: dict[str, Instant] = {}
        """By job id: the newest instant that was decided. None is decided twice, whatever the clock does."""
        self._quarantined: set[str] = set()
        self._offset = clock.now() - clock.elapsed()
        self._stop_reply: message.Reply[message.Status] | None = None

    def run(self) -> None:
        """Decide until the process ends. An exception out of here is a bug of ours and ends the daemon."""
        while True:
            self.turn(self._wait())

    def _wait(self) -> message.Message | None:
        wait = LONGEST_WAIT
        first = None if self._stop_reply else self._agenda.first()
        if first is not None:
            wait = max(0, min(wait, first - self._clock.now()))
        try:
            return self._inbox.get(timeout=wait / SECOND)
        except Empty:
            return None

    def turn(self, received: message.Message | None) -> None:
        """One wake-up: what is due, then what was said.

        In this order, because a message may replace a job whose instant has come: the version that was in force at
        the instant still owes it.
        """
        now = self._clock.now()
        self._notice_step(now)
        self.start_due(now)
        if received is not None:
            self.handle(received, now)

    # -- time ----------------------------------------------------------------------------------------------------

    def _notice_step(self, now: Instant) -> None:
        offset = now - self._clock.elapsed()
        step, self._offset = offset - self._offset, offset
        if abs(step) < STEP:
            return
        self._listen(event.ClockStepped(step))
        if step < 0:
            # Instants that lie ahead again and were never decided come back; decided ones do not.
            for definition in self._catalog:
                self._plan(definition, now)

    def start_due(self, now: Instant) -> None:
        """Decide and start all that is due at `now`."""
        if self._stop_reply:
            return
        starts: list[tuple[Run, Launch]] = []
        together = 1
        for instant, job_id in self._agenda.take(now):
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job leaves the agenda"
            try:
                run = self._decide(definition, instant, now)
                if run is not None:
                    starts.append((run, definition.launch()))
                self._plan(definition, now)
            except Exception:  # noqa: BLE001 - a bug of ours met by one job must not take the others' instants
                self._quarantine(definition, traceback.format_exc())
            if len(starts) == together:
                self._start(starts)
                starts = []
                together = min(2 * together, BATCH)
        self._start(starts)

    def _decide(self, definition: Definition, instant: Instant, now: Instant) -> Run | None:
        """What becomes of the instants of one job from `instant` to `now`: a run, or none. All are told."""
        job = definition.job
        assert job.schedule is not None
        due = owed(job.schedule, instant, now)
        self._decided[job.job_id] = now
        newest = due.run or due.missed[-1]
        run = Run(
            run_id=self._clock.run_id(now),
            job_id=job.job_id,
            scheduled_at=newest,
            cause=Cause.SCHEDULE if newest == instant else Cause.CATCH_UP,
            labels=job.labels,
            success_codes=job.success_codes,
        )
        if due.coalesced:
            given_way = replace(run, scheduled_at=due.coalesced[-1])
            self._pass(given_way, Outcome.COALESCED, "a newer instant is owed", len(due.coalesced))
        if due.run is None:
            self._pass(run, Outcome.MISSED, "nobody could start it in time", len(due.missed))
        elif job.overlap == "skip" and job.job_id in self._running:
            self._pass(run, Outcome.SKIPPED, "overlap: the last run is still going")
        else:
            return run
        return None

    def _start(self, starts: list[tuple[Run, Launch]]) -> None:
        if not starts:
            return
        # The claims of these instants belong here, durable before the start, once there is a record.
        for run, _ in starts:
            self._active[run.run_id] = _Active(run)
            self._running[run.job_id] = self._running.get(run.job_id, 0) + 1
        self._runner.start(starts)
        for run, _ in starts:
            self._listen(event.RunDue(run))

    def _plan(self, definition: Definition, now: Instant) -> Instant | None:
        """Put the job's next instant on the agenda."""
        job = definition.job
        instant = None
        if job.enabled and job.schedule is not None and job.job_id not in self._quarantined:
            instant = job.schedule.next(max(now, self._decided.get(job.job_id, 0)))
        self._agenda.put(job.job_id, instant)
        return instant

    def _quarantine(self, definition: Definition, trace: str) -> None:
        self._quarantined.add(definition.job.job_id)
        self._agenda.put(definition.job.job_id, None)
        self._listen(event.JobQuarantined(definition.job.job_id, trace))

    def _pass(self, run: Run, outcome: Outcome, reason: str, count: int = 1) -> None:
        self._listen(event.InstantPassed(run, outcome, reason, count))

    # -- what was said -------------------------------------------------------------------------------------------

    def handle(self, received: message.Message, now: Instant) -> None:
        """Take in one message."""
        match received:
            case message.JobsChanged(changes):
                for change in changes:
                    for effect in self._catalog.apply(change):
                        self._follow(effect, now, bulk=len(changes) > BULK)
                self._forget(now)
            case message.RunStarted() | message.RunRefused() | message.RunEnded() | message.RunnerLost():
                self._hear_runner(received, now)
            case message.AskStatus(reply):
                reply.put(self._status())
            case message.AskNext(job_id, next_reply):
                next_reply.put(self._agenda.due(job_id))
            case message.EndRuns(signal):
                for active in self._active.values():
                    active.stopped = True
                self._runner.end(list(self._active), signal)
            case message.Stop(reply):
                self._stop_reply = reply
                reply.put(self._status())
                if not self._active:
                    reply.put(self._status())

    def _hear_runner(self, received: message.FromRunner, now: Instant) -> None:
        match received:
            case message.RunStarted(run_id, pid, started_at):
                if active := self._active.get(run_id):
                    active.started_at = started_at
                    self._listen(event.RunBegan(active.run, pid, started_at))
            case message.RunRefused(run_id, reason):
                if active := self._leave(run_id):
                    self._pass(active.run, Outcome.SKIPPED, f"cannot_start: {reason}")
            case message.RunEnded(run_id, ended_at, ending):
                self._finish(run_id, ended_at, ending)
            case message.RunnerLost(reason, run_ids):
                self._listen(event.RunnerDied(reason, len(run_ids)))
                for run_id in run_ids:
                    self._finish(run_id, now, Ending(None, None, 0, None, "the runner died, the end was not seen"))

    def _follow(self, effect: Effect, now: Instant, *, bulk: bool) -> None:
        """Let one effect of a changed file reach the agenda, and say it."""
        match effect:
            case Added(definition, replaced):
                job = definition.job
                self._quarantined.discard(job.job_id)
                try:
                    due = self._plan(definition, now)
                except Exception:  # noqa: BLE001 - as in start_due: one job's bug is not the others'
                    self._quarantine(definition, traceback.format_exc())
                    return
                self._listen(
                    event.JobLoaded(job.job_id, definition.path, definition.digest, replaced, due, job.enabled, bulk),
                )
            case Removed(definition):
                self._quarantined.discard(definition.job.job_id)
                self._agenda.put(definition.job.job_id, None)
                self._listen(event.JobRemoved(definition.job.job_id, definition.path))
            case Troubled(path, problems, kept):
                self._listen(event.ProblemFound(path, problems, kept))
            case Cleared(path):
                self._listen(event.ProblemCleared(path))

    def _forget(self, now: Instant) -> None:
        """Let go of what was decided for jobs that are gone, once no clock step is likely to ask for it."""
        if len(self._decided) > 2 * len(self._catalog) + BULK:
            self._decided = {
                job_id: instant
                for job_id, instant in self._decided.items()
                if instant > now - DAY or self._catalog.get(job_id)
            }

    def _finish(self, run_id: str, ended_at: Instant, ending: Ending) -> None:
        if active := self._leave(run_id):
            outcome = outcome_of(active.run, ending, stopped=active.stopped)
            self._listen(event.RunFinished(active.run, outcome, ending, active.started_at, ended_at))

    def _leave(self, run_id: str) -> _Active | None:
        """Take a run out of the running set; None: it is not in it any more."""
        active = self._active.pop(run_id, None)
        if active is None:
            return None
        job_id = active.run.job_id
        self._running[job_id] -= 1
        if not self._running[job_id]:
            del self._running[job_id]
        if self._stop_reply and not self._active:
            self._stop_reply.put(self._status())
        return active

    def _status(self) -> message.Status:
        return message.Status(
            jobs=len(self._catalog),
            problems=self._catalog.problems,
            running=len(self._active),
            agenda=len(self._agenda),
            next_due=self._agenda.first(),
            stopping=self._stop_reply is not None,
        )
