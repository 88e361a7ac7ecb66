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
from jobschedd.model.record import Booted, Claimed, Defined, Entry, Owing, Past, Paused, TakenBack, Undefined
from jobschedd.model.run import SECOND, Cause, Ending, Instant, Outcome, Run, outcome_of
from jobschedd.model.running import Running
from jobschedd.model.span import show_span
from jobschedd.model.timetable import Timetable, Verdict
from jobschedd.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.model.launch import Launch
    from jobschedd.ports import Clock, Listener, Runner, Store, Waiting

    Start = tuple[Run, Launch, Instant]
    """A run, how it is started, and the moment before which it is not."""

STEP = SECOND
"""A difference between wall clock and elapsed time that no slewing makes between two wake-ups."""

BATCH = 256
"""Starts that are claimed and handed over together, growing from one: the first does not wait for the last."""

BULK = 100
"""More changes than this at once are said one by one only at debug level."""

MOST_RERUNS = 3
"""Attempts at one instant whose end nobody saw: a job that takes the machine down with it comes to rest."""

HELD_UP = "nobody could start it in time"
NOT_SEEN = "nobody saw it end"
NOT_WRITTEN = "not known: starts could not be written down"
GONE = "withdrawn: the job was removed"
CHANGED = "withdrawn: the job changed"
OVERLAP = "overlap: the last run is still going"


class Scheduler:
    def __init__(
        self,
        inbox: Waiting,
        clock: Clock,
        runner: Runner,
        store: Store,
        listen: Listener,
        host: Host,
        past: Past,
        *,
        catch_up_parallel: int,
        lead: int = 0,
        patience: int = 0,
    ) -> None:
        """`lead`: by how much ahead of its instant a start is claimed. `patience`: see record.py. Microseconds."""
        self._inbox = inbox
        self._clock = clock
        self._runner = runner
        self._listen = listen
        self._host = host
        self._down_since = past.seen_at
        self._doubtful_since = past.doubtful_since
        self._catch_up_parallel = catch_up_parallel
        self._lead = lead
        self._catalog = Catalog()
        self._timetable = Timetable(host, past)
        self._running = Running()
        for claim in past.open:
            self._running.add(claim.run, claim.started_at)
        self._lost: dict[str, list[Run]] = {}
        """By job id: runs of the last daemon that are gone, and wait for what their jobs say of that."""
        self._paused = set(past.paused)
        self._record = Record(store, clock, listen, self._everything, patience)
        self._quarantined: set[str] = set()
        self._offset = clock.now() - clock.elapsed()
        self._asleep = clock.asleep()
        self._stop_reply: message.Reply[message.Status] | None = None
        if host.boot is not None and host.boot != past.boot:
            self._record.note(Booted(host.boot_id, host.boot))

    def run(self) -> None:
        """Decide until the process ends. An exception out of here is a bug of ours and ends the daemon."""
        while True:
            self.turn(self._inbox.wait(self._next_moment()))

    def _next_moment(self) -> Instant | None:
        start = None if self._stop_reply else self._timetable.first()
        moments = [self._record.flush_at] if start is None else [start - self._lead, self._record.flush_at]
        return min((moment for moment in moments if moment is not None), default=None)

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
        self._note_arrears()
        self._record.flush(now, at_once=self._stop_reply is not None)
        if recorded := self._record.take_recorded():
            self._runner.forget(recorded)

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
            boot = self._timetable.step_boot(step, self._catalog)
            if boot is not None:
                self._record.note(Booted(self._host.boot_id, boot))
        if step <= -STEP:
            self._record.note(TakenBack(now))
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
        """Decide and start all that is due at `now`, or within the lead that claims are given."""
        starts: list[Start] = []
        together = 1
        for instant, job_id, delay in self._timetable.take(now + self._lead):
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job leaves the agenda"
            moment = max(now, instant + delay)
            try:
                if job_id in self._paused:
                    self._pass_stretch(
                        definition,
                        self._timetable.pass_over(definition, instant, delay, moment),
                        Outcome.SKIPPED,
                        "paused",
                        now,
                    )
                    continue
                blocked = definition.job.overlap == "skip" and self._running.has_job(job_id)
                verdict = self._timetable.decide(definition, instant, delay, moment, blocked=blocked)
                self._tell(definition, verdict, now, why_late, blocked=blocked)
                if verdict.start is not None:
                    run = self._make_run(definition, verdict.start, Cause.SCHEDULE, now)
                    if blocked:
                        self._record.passed(run, Outcome.SKIPPED, OVERLAP, run.scheduled_at, 1)
                    else:
                        starts.append((run, definition.launch(), moment))
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
                    self._start([(run, definition.launch(), now)])
            except Exception:  # noqa: BLE001 - as in start_due
                self._quarantine(definition, traceback.format_exc())

    def _make_run(self, definition: Definition, instant: Instant, cause: Cause, now: Instant, attempt: int = 1) -> Run:
        job = definition.job
        return Run(
            run_id=self._clock.run_id(now),
            job_id=job.job_id,
            scheduled_at=instant,
            cause=cause,
            labels=job.labels,
            success_codes=job.success_codes,
            attempt=attempt,
            definition=definition.digest,
            synchronised=self._clock.synchronised(),
        )

    def _start(self, starts: list[Start]) -> None:
        """Claim, then start, each not before its moment."""
        if not starts:
            return
        # What the others of this wake-up owe is decided later: this is a part of one, and each part is whole.
        self._note_arrears()
        refused = self._record.claim([run for run, _, _ in starts])
        made = [(run, launch) for run, launch, _ in starts if run.run_id not in refused]
        if not made:
            return
        for run, _ in made:
            self._running.add(run)
        self._clock.sleep_until(max(moment for _, _, moment in starts))
        self._runner.start(made)
        for run, _ in made:
            self._listen(event.RunDue(run))

    def _note_arrears(self) -> None:
        for job_id in self._timetable.take_changed():
            self._record.note(Owing(job_id, self._timetable.waiting(job_id)))

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
            if self._down_since is not None and verdict.missed.first <= self._host.since:
                why_missed = f"down {show_span(self._down_since, self._host.since, self._host.zone)}"
            self._pass_stretch(definition, verdict.missed, Outcome.MISSED, why_missed, now)

    def _pass_stretch(
        self, definition: Definition, stretch: Stretch, outcome: Outcome, reason: str, now: Instant
    ) -> None:
        run = self._make_run(definition, stretch.last, Cause.SCHEDULE, now)
        self._record.passed(run, outcome, reason, stretch.first, stretch.count)

    # -- what was said -------------------------------------------------------------------------------------------

    def handle(self, received: message.Message, now: Instant) -> None:
        """Take in one message."""
        match received:
            case message.JobsChanged(changes):
                for change in changes:
                    for effect in self._catalog.apply(change):
                        self._follow(effect, now, bulk=len(changes) > BULK)
                self._timetable.forget(now, self._catalog, len(self._catalog))
            case (
                message.RunnerFound()
                | message.RunStarted()
                | message.RunRefused()
                | message.RunEnded()
                | message.RunnerLost()
            ):
                self._hear_runner(received, now)
            case message.FirstLoadDone():
                self._end_first_load(now)
            case message.Configure(catch_up_parallel):
                self._catch_up_parallel = catch_up_parallel
            case message.AskStatus() | message.AskNext() | message.Pause() | message.Resume():
                self._answer(received, now)
            case message.Stop() | message.EndRuns() | message.Close():
                self._hear_end(received, now)

    def _answer(self, asked: message.Asked, now: Instant) -> None:
        match asked:
            case message.AskStatus(reply):
                reply.put(self._status())
            case message.AskNext(job_id, next_reply):
                next_reply.put(self._timetable.due(job_id))
            case message.Pause(job_id, known_reply):
                if definition := self._catalog.get(job_id):
                    self._pause(definition, now)
                known_reply.put(definition is not None)
            case message.Resume(job_id, known_reply):
                if job_id in self._paused:
                    self._paused.discard(job_id)
                    self._record.note(Paused(job_id, None))
                    self._listen(event.JobPaused(job_id, paused=False))
                known_reply.put(job_id in self._catalog)

    def _pause(self, definition: Definition, now: Instant) -> None:
        job_id = definition.job.job_id
        self._paused.add(job_id)
        self._record.note(Paused(job_id, now))
        for stretch in self._timetable.withdraw(definition, now):
            self._pass_stretch(definition, stretch, Outcome.SKIPPED, "paused", now)
        self._timetable.plan(definition, now)
        self._listen(event.JobPaused(job_id, paused=True))

    def _hear_end(self, received: message.Leaving, now: Instant) -> None:
        match received:
            case message.EndRuns(signal):
                self._runner.end(self._running.stop_all(), signal)
            case message.Stop(reply):
                self._stop_reply = reply
                reply.put(self._status())
                if not self._running:
                    reply.put(self._status())
            case message.Close(closed_reply):
                self._note_arrears()
                closed_reply.put(message.Closed(self._record.close(now)))

    def _hear_runner(self, received: message.FromRunner, now: Instant) -> None:
        match received:
            case message.RunnerFound(runs):
                self._adopt(runs)
            case message.RunStarted(run_id, pid, started_at):
                if active := self._running.get(run_id):
                    active.started_at = started_at
                    self._record.began(active.run, pid, started_at)
            case message.RunRefused(run_id, reason):
                self._finish(run_id, now, Ending(None, None, 0, None, f"cannot_start: {reason}"), refused=True)
            case message.RunEnded(run_id, ended_at, ending):
                self._finish(run_id, ended_at, ending)
            case message.RunnerLost(reason, run_ids):
                self._listen(event.RunnerDied(reason, len(run_ids)))
                for run_id in run_ids:
                    if active := self._running.get(run_id):
                        self._lose(active.run, self._catalog.get(active.run.job_id), now)

    # -- what the last daemon left -------------------------------------------------------------------------------

    def _adopt(self, found: Sequence[message.RunFound]) -> None:
        """Go on with the runs that the runner has; what was claimed and it does not know is lost."""
        there = {run.run.run_id for run in found}
        for active in [active for active in self._running if active.run.run_id not in there]:
            self._lost.setdefault(active.run.job_id, []).append(active.run)
        for run in found:
            known = self._running.leave(run.run.run_id)
            if known is None and self._record.claim([run.run]):
                continue  # its end is on the record: the daemon before us died before it could say so
            self._running.add(run.run, run.started_at)
            if run.pid is not None and run.started_at is not None and (known is None or known.started_at is None):
                self._record.began(run.run, run.pid, run.started_at)

    def _lose(self, run: Run, definition: Definition | None, now: Instant) -> None:
        """Nobody saw the end of this run, nor ever will."""
        active = self._running.get(run.run_id)
        began = active is not None and active.started_at is not None
        reason = NOT_SEEN if began else f"{NOT_SEEN}; whether it was started is not known"
        self._finish(run.run_id, now, Ending(None, None, 0, None, reason))
        if (
            definition is not None
            and definition.job.on_lost == "rerun"
            and run.attempt < MOST_RERUNS
            and not self._stop_reply
        ):
            again = self._make_run(definition, run.scheduled_at, Cause.RETRY, now, run.attempt + 1)
            self._start([(again, definition.launch(), now)])

    def _end_first_load(self, now: Instant) -> None:
        """All that was there at the start has been read: what the last daemon knew and is not among it is gone."""
        gone_since = self._down_since if self._down_since is not None else now
        for job_id, rows in self._timetable.open().items():
            for first, last in rows:
                run = Run(self._clock.run_id(now), job_id, last, Cause.SCHEDULE)
                self._record.passed(run, Outcome.SKIPPED, GONE, first, 1 if first == last else None)
                self._record.note(Owing(job_id, ()))
            self._record.note(Undefined(job_id, gone_since))
        for runs in list(self._lost.values()):
            for run in runs:
                self._lose(run, None, now)
        self._lost.clear()

    def _everything(self) -> list[Entry]:
        """The present, for a record that knows nothing of it."""
        now = self._clock.now()
        entries: list[Entry] = [self._defined(definition, now) for definition in self._catalog]
        for definition in self._catalog:
            if rows := self._timetable.waiting(definition.job.job_id):
                entries.append(Owing(definition.job.job_id, rows))
        entries += (Claimed(active.run) for active in self._running)
        entries += (Paused(job_id, now) for job_id in self._paused)
        if self._host.boot is not None:
            entries.append(Booted(self._host.boot_id, self._host.boot))
        return entries

    def _defined(self, definition: Definition, since: Instant) -> Defined:
        delay = self._timetable.delay(definition)
        return Defined(
            definition.job.job_id, definition.digest, definition.path, definition.terms, delay, since
        )

    # -- jobs ----------------------------------------------------------------------------------------------------

    def _follow(self, effect: Effect, now: Instant, *, bulk: bool) -> None:
        """Let one effect of a changed file reach the agenda, and say it."""
        match effect:
            case Added(definition, replaced):
                self._take_in(definition, replaced, now, bulk=bulk)
            case Removed(definition):
                job_id = definition.job.job_id
                self._quarantined.discard(job_id)
                for stretch in self._timetable.withdraw(definition, now):
                    self._pass_stretch(definition, stretch, Outcome.SKIPPED, GONE, now)
                self._record.note(Undefined(job_id, now))
                self._listen(event.JobRemoved(job_id, definition.path))
            case Troubled(path, problems, kept):
                self._listen(event.ProblemFound(path, problems, kept))
            case Cleared(path):
                self._listen(event.ProblemCleared(path))

    def _take_in(self, definition: Definition, replaced: Definition | None, now: Instant, *, bulk: bool) -> None:
        job_id = definition.job.job_id
        self._quarantined.discard(job_id)
        try:
            arrival = self._timetable.load(definition, replaced, now)
        except Exception:  # noqa: BLE001 - as in start_due: one job's bug is not the others'
            self._quarantine(definition, traceback.format_exc())
            return
        for stretch in arrival.withdrawn:
            self._pass_stretch(replaced or definition, stretch, Outcome.SKIPPED, CHANGED, now)
        if arrival.unknown:
            assert self._doubtful_since is not None, "only then is anything unknown"
            span = show_span(self._doubtful_since, self._host.since, self._host.zone)
            self._pass_stretch(definition, arrival.unknown, Outcome.MISSED, f"{NOT_WRITTEN} {span}", now)
        if arrival.since is not None:
            self._record.note(self._defined(definition, arrival.since))
        for run in self._lost.pop(job_id, ()):
            self._lose(run, definition, now)
        self._listen(event.JobLoaded(definition, replaced is not None, self._timetable.due(job_id), now, bulk))

    # -- runs ----------------------------------------------------------------------------------------------------

    def _finish(self, run_id: str, ended_at: Instant, ending: Ending, *, refused: bool = False) -> None:
        active = self._running.leave(run_id)
        if active is None:
            # Told twice: the daemon before us had written it down, and died before it said so.
            self._runner.forget([run_id])
            return
        if not self._running.has_job(active.run.job_id):
            self._timetable.run_ended(active.run.job_id)
        outcome = Outcome.SKIPPED if refused else outcome_of(active.run, ending, stopped=active.stopped)
        self._record.ended(active.run, outcome, ending, active.started_at, ended_at)
        if self._stop_reply and not self._running:
            self._stop_reply.put(self._status())

    def _status(self) -> message.Status:
        return message.Status(
            jobs=len(self._catalog),
            problems=self._catalog.problems,
            running=len(self._running),
            agenda=len(self._timetable),
            next_due=self._timetable.first(),
            in_arrears=self._timetable.in_arrears,
            stopping=self._stop_reply is not None,
            degraded=self._record.degraded,
        )
