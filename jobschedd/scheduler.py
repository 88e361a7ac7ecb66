"""The thread that decides. It alone owns the catalog, the timetable and the running set; nothing in it is locked.

One inbox, one wait: until the next start, the next message, or a step of the wall clock; then everything is computed
again from the wall clock. NTP and suspend need no path of their own.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from jobschedd.model import event, message
from jobschedd.model.catalog import Added, Catalog, Cleared, Effect, Removed, Troubled
from jobschedd.model.policy import Stretch
from jobschedd.model.run import SECOND, Cause, Ending, Instant, Outcome, Run, outcome_of
from jobschedd.model.running import Active, Running
from jobschedd.model.timetable import Timetable, Verdict

if TYPE_CHECKING:
    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.model.launch import Launch
    from jobschedd.ports import Clock, Listener, Runner, Waiting

STEP = SECOND
"""A difference between wall clock and elapsed time that no slewing makes between two wake-ups."""

BATCH = 32
"""Starts that are handed over together: large enough to be cheap. The first goes alone, so that it does not wait."""

BULK = 100
"""More changes than this at once are said one by one only at debug level."""

HELD_UP = "nobody could start it in time"
OVERLAP = "overlap: the last run is still going"


class Scheduler:
    def __init__(
        self, inbox: Waiting, clock: Clock, runner: Runner, listen: Listener, host: Host, *, catch_up_parallel: int
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._runner = runner
        self._listen = listen
        self._catch_up_parallel = catch_up_parallel
        self._catalog = Catalog()
        self._timetable = Timetable(host)
        self._running = Running()
        self._quarantined: set[str] = set()
        self._offset = clock.now() - clock.elapsed()
        self._asleep = clock.asleep()
        self._stop_reply: message.Reply[message.Status] | None = None

    def run(self) -> None:
        """Decide until the process ends. An exception out of here is a bug of ours and ends the daemon."""
        while True:
            self.turn(self._inbox.wait(None if self._stop_reply else self._timetable.first()))

    def turn(self, received: message.Message | None) -> None:
        """One wake-up: what is due, what was said, then what is owed from before.

        What is due goes first, because a message may replace a job whose instant has come: the version that was in
        force at the instant still owes it. What is owed goes last, because a message may be the end of a run that it
        waited for.
        """
        now = self._clock.now()
        why_late = self._notice_gap(now)
        if not self._stop_reply:
            self.start_due(now, why_late)
        if received is not None:
            self.handle(received, now)
        if not self._stop_reply:
            self._catch_up(now)

    # -- time ----------------------------------------------------------------------------------------------------

    def _notice_gap(self, now: Instant) -> str:
        """Tell a step of the clock and a suspend from time that passed; why what is late now is late."""
        offset, asleep = now - self._clock.elapsed(), self._clock.asleep()
        step, self._offset = offset - self._offset, offset
        slept, self._asleep = asleep - self._asleep, asleep
        why = HELD_UP
        if slept >= STEP:
            self._listen(event.MachineSlept(slept))
            why = "suspended"
        if abs(step) >= STEP:
            self._listen(event.ClockStepped(step))
            why = "clock_step"
            self._timetable.step_boot(step, self._catalog)
        if step <= -STEP:
            for definition in self._catalog:
                self._step_back(definition, now)
        return why

    def _step_back(self, definition: Definition, now: Instant) -> None:
        if definition.job.job_id in self._quarantined:
            return
        try:
            self._timetable.step_back(definition, now)
        except Exception:  # noqa: BLE001 - as in start_due
            self._quarantine(definition, traceback.format_exc())

    def start_due(self, now: Instant, why_late: str = HELD_UP) -> None:
        """Decide and start all that is due at `now`."""
        starts: list[tuple[Run, Launch]] = []
        together = 1
        for instant, job_id, delay in self._timetable.take(now):
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job leaves the agenda"
            try:
                blocked = definition.job.overlap == "skip" and self._running.has_job(job_id)
                verdict = self._timetable.decide(definition, instant, delay, now, blocked=blocked)
                self._tell(definition, verdict, now, why_late, blocked=blocked)
                if verdict.start is not None:
                    run = self._make_run(definition, verdict.start, Cause.SCHEDULE, now)
                    if blocked:
                        self._pass(run, Outcome.SKIPPED, OVERLAP)
                    else:
                        starts.append((run, definition.launch()))
            except Exception:  # noqa: BLE001 - a bug of ours met by one job must not take the others' instants
                self._quarantine(definition, traceback.format_exc())
            if len(starts) == together:
                self._start(starts)
                starts = []
                together = min(2 * together, BATCH)
        self._start(starts)

    def _catch_up(self, now: Instant) -> None:
        """Start what is owed from before, the oldest first and a few at once: who comes back is not buried."""
        while self._running.catching_up < self._catch_up_parallel and (turn := self._timetable.next_in_arrears()):
            job_id, first, last = turn
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job owes nothing"
            if definition.job.overlap != "allow" and self._running.has_job(job_id):
                self._timetable.stand_behind(job_id, first, last)
                continue
            try:
                verdict = self._timetable.settle(definition, first, last, now)
                self._tell(definition, verdict, now, "too old when its turn to be caught up came")
                if verdict.start is not None:
                    run = self._make_run(definition, verdict.start, Cause.CATCH_UP, now)
                    self._start([(run, definition.launch())])
            except Exception:  # noqa: BLE001 - as in start_due
                self._quarantine(definition, traceback.format_exc())

    def _make_run(self, definition: Definition, instant: Instant, cause: Cause, now: Instant) -> Run:
        job = definition.job
        return Run(
            run_id=self._clock.run_id(now),
            job_id=job.job_id,
            scheduled_at=instant,
            cause=cause,
            labels=job.labels,
            success_codes=job.success_codes,
            synchronised=self._clock.synchronised(),
        )

    def _start(self, starts: list[tuple[Run, Launch]]) -> None:
        if not starts:
            return
        # The claims of these instants belong here, durable before the start, once there is a record.
        for run, _ in starts:
            self._running.add(run)
        self._runner.start(starts)
        for run, _ in starts:
            self._listen(event.RunDue(run))

    def _quarantine(self, definition: Definition, trace: str) -> None:
        self._quarantined.add(definition.job.job_id)
        self._timetable.set_aside(definition.job.job_id)
        self._listen(event.JobQuarantined(definition.job.job_id, trace))

    def _tell(
        self, definition: Definition, verdict: Verdict, now: Instant, why_missed: str, *, blocked: bool = False
    ) -> None:
        """Say what does not run. `blocked`: nor does the start of the verdict."""
        for stretch in verdict.coalesced:
            if blocked and verdict.start is not None:
                self._pass_stretch(definition, stretch, Outcome.SKIPPED, OVERLAP, now)
            else:
                self._pass_stretch(definition, stretch, Outcome.COALESCED, "a newer instant is owed", now)
        if verdict.missed:
            self._pass_stretch(definition, verdict.missed, Outcome.MISSED, why_missed, now)

    def _pass_stretch(
        self, definition: Definition, stretch: Stretch, outcome: Outcome, reason: str, now: Instant
    ) -> None:
        run = self._make_run(definition, stretch.last, Cause.CATCH_UP, now)
        self._listen(event.InstantPassed(run, outcome, reason, stretch.first, stretch.count))

    def _pass(self, run: Run, outcome: Outcome, reason: str) -> None:
        self._listen(event.InstantPassed(run, outcome, reason, run.scheduled_at, 1))

    # -- what was said -------------------------------------------------------------------------------------------

    def handle(self, received: message.Message, now: Instant) -> None:
        """Take in one message."""
        match received:
            case message.JobsChanged(changes):
                for change in changes:
                    for effect in self._catalog.apply(change):
                        self._follow(effect, now, bulk=len(changes) > BULK)
                self._timetable.forget(now, self._catalog, len(self._catalog))
            case message.RunStarted() | message.RunRefused() | message.RunEnded() | message.RunnerLost():
                self._hear_runner(received, now)
            case message.FirstLoadDone():
                self._timetable.open()
            case message.Configure(catch_up_parallel):
                self._catch_up_parallel = catch_up_parallel
            case message.AskStatus(reply):
                reply.put(self._status())
            case message.AskNext(job_id, next_reply):
                next_reply.put(self._timetable.due(job_id))
            case message.Stop() | message.EndRuns():
                self._hear_end(received, now)

    def _hear_end(self, received: message.Stop | message.EndRuns, now: Instant) -> None:
        match received:
            case message.EndRuns(signal):
                self._runner.end(self._running.stop_all(), signal)
            case message.Stop(reply):
                self._stop_reply = reply
                self._abandon(now)
                reply.put(self._status())
                if not self._running:
                    reply.put(self._status())

    def _hear_runner(self, received: message.FromRunner, now: Instant) -> None:
        match received:
            case message.RunStarted(run_id, pid, started_at):
                if active := self._running.get(run_id):
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
                job_id = definition.job.job_id
                self._quarantined.discard(job_id)
                try:
                    withdrawn = self._timetable.load(definition, replaced, now)
                except Exception:  # noqa: BLE001 - as in start_due: one job's bug is not the others'
                    self._quarantine(definition, traceback.format_exc())
                    return
                for stretch in withdrawn:
                    self._pass_stretch(
                        replaced or definition, stretch, Outcome.SKIPPED, "withdrawn: the job changed", now
                    )
                self._listen(event.JobLoaded(definition, replaced is not None, self._timetable.due(job_id), now, bulk))
            case Removed(definition):
                self._quarantined.discard(definition.job.job_id)
                for stretch in self._timetable.withdraw(definition, now):
                    self._pass_stretch(definition, stretch, Outcome.SKIPPED, "withdrawn: the job was removed", now)
                self._listen(event.JobRemoved(definition.job.job_id, definition.path))
            case Troubled(path, problems, kept):
                self._listen(event.ProblemFound(path, problems, kept))
            case Cleared(path):
                self._listen(event.ProblemCleared(path))

    def _abandon(self, now: Instant) -> None:
        """Say what was still owed when we were asked to stop."""
        for definition in self._catalog:
            for stretch in self._timetable.withdraw(definition, now):
                self._pass_stretch(definition, stretch, Outcome.MISSED, "the daemon stopped before its turn", now)

    def _finish(self, run_id: str, ended_at: Instant, ending: Ending) -> None:
        if active := self._leave(run_id):
            outcome = outcome_of(active.run, ending, stopped=active.stopped)
            self._listen(event.RunFinished(active.run, outcome, ending, active.started_at, ended_at))

    def _leave(self, run_id: str) -> Active | None:
        """Take a run out of the running set; None: it is not in it any more."""
        active = self._running.leave(run_id)
        if active and not self._running.has_job(active.run.job_id):
            self._timetable.run_ended(active.run.job_id)
        if active and self._stop_reply and not self._running:
            self._stop_reply.put(self._status())
        return active

    def _status(self) -> message.Status:
        return message.Status(
            jobs=len(self._catalog),
            problems=self._catalog.problems,
            running=len(self._running),
            agenda=len(self._timetable),
            next_due=self._timetable.first(),
            in_arrears=self._timetable.in_arrears,
            stopping=self._stop_reply is not None,
        )
