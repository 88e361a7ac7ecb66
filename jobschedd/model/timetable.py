"""When each job is due, and what it owes: agenda, decided instants and arrears under one set of rules.

Pure: the moment is passed in, and the answers are values. Whoever asks starts what has to start and tells the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.agenda import Agenda
from jobschedd.model.arrears import Arrears
from jobschedd.model.decided import Decided
from jobschedd.model.policy import LATE, Stretch, apart, before, owed, start_delay, stretch
from jobschedd.model.record import Past, floor
from jobschedd.model.run import DAY
from jobschedd.model.verdict import Arrival, Verdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition, Job
    from jobschedd.model.record import Known, Rows
    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule


class Timetable:
    def __init__(self, host: Host, past: Past) -> None:
        self._machine = host.machine
        self._since = host.since
        self._boot = host.boot
        self._past = past
        self._known = dict(past.known)
        """Jobs of the past that have not come yet."""
        self._open = False
        self._agenda = Agenda()
        self._decided = Decided()
        self._arrears = Arrears()

    def __len__(self) -> int:
        """How many jobs wait for an instant."""
        return len(self._agenda)

    @property
    def in_arrears(self) -> int:
        """How many jobs have something to catch up."""
        return len(self._arrears)

    def first(self) -> Instant | None:
        """When the next start is due."""
        return self._agenda.first()

    def due(self, job_id: str) -> Instant | None:
        """The instant a job waits for."""
        return self._agenda.due(job_id)

    def open(self) -> dict[str, tuple[Known, Rows]]:
        """All that was there at the start is loaded: jobs that come from now on owe nothing from before.

        The jobs of the past that are gone, with what they had to catch up.
        """
        self._open = True
        gone = {job_id: (known, self._past.owing.get(job_id, ())) for job_id, known in self._known.items()}
        self._known, self._past = {}, Past()
        return gone

    # -- jobs that come, change and go ---------------------------------------------------------------------------

    def load(self, new: Definition, old: Definition | None, now: Instant) -> Arrival:
        """A job came, or took the place of `old`."""
        job_id = new.job.job_id
        if new.schedule is not None:
            self._decided.carry_over(job_id, new.schedule, now, self._boot)
        if old is not None and new.job.enabled and new.schedule == old.schedule:
            # What waits and what its jitter holds back is owed by this version now, and starts when it was to start.
            pending = self._agenda.due(job_id)
            if pending is not None and pending <= now:
                return Arrival(pending - 1)
            self.plan(new, now)
            return Arrival(now)
        withdrawn = self.withdraw(old, now) if old else ()
        if self._open:
            self.plan(new, now)
            return Arrival(now, withdrawn)
        # While the first files are read, whoever has lost its id to another file was never in force: nothing of it
        # is said. And what fell while no daemon ran is owed by the jobs that the last one knew.
        known = self._past.known.get(job_id)
        self._decide(new, self._past.ahead.get(job_id, ()), known.accounted if known else 0)
        self._known.pop(job_id, None)
        rows = self._past.owing.get(job_id, ())
        if self._past.doubt is not None:
            # Nobody knows what was started of all that has come; and the clock may have been ahead of now.
            reached = floor(self._since, self._past.doubt)
            self._decided.doubt(job_id, ((self._since, reached),))
            self.plan(new, reached)
            return Arrival(reached, in_doubt=(known, rows, reached) if known else None)
        if known is None:
            self.plan(new, self._since - 1)
            return Arrival(self._since - 1)
        if (known.digest, known.terms) == (new.digest, new.terms):
            for first, last in rows:
                self._arrears.put(job_id, first, last)
            self.plan(new, known.accounted)
            return Arrival()
        since = max(known.accounted, min(self._past.seen_at or 0, self._since))
        self.plan(new, since)
        withdrawn = tuple(Stretch(first, last, 1 if first == last else None) for first, last in rows)
        return Arrival(since, withdrawn, known)

    def delay(self, definition: Definition) -> int:
        """By how much its starts come after their instants."""
        return self._delay(definition.job)

    def withdraw(self, old: Definition, now: Instant) -> tuple[Stretch, ...]:
        """A job goes. Returns what it owed."""
        job_id = old.job.job_id
        withdrawn = self._withdraw_arrears(old)
        pending = self._agenda.due(job_id)
        self._agenda.put(job_id, None)
        if pending is not None and pending <= now:
            withdrawn += (before(_schedule(old), pending, now + 1, self._boot),)
        return withdrawn

    def _withdraw_arrears(self, old: Definition) -> tuple[Stretch, ...]:
        rows = self._arrears.of(old.job.job_id)
        self._arrears.drop(old.job.job_id)
        return tuple(stretch(_schedule(old), first, last, self._boot) for first, last in rows)

    def _decide(self, definition: Definition, rows: Rows, after: Instant) -> None:
        job_id, ahead = definition.job.job_id, [row for row in rows if row[1] > after]
        self._decided.doubt(job_id, [row for row in ahead if row[0] != row[1]])
        if definition.schedule is not None:
            # The nearest last: it is the farthest that are let go of.
            for first, last in reversed(ahead):
                if first == last:
                    self._decided.add(job_id, definition.schedule, first, self._boot)

    def set_aside(self, job_id: str) -> None:
        """Have no instants of this job any more until it is loaded again."""
        self._agenda.put(job_id, None)
        self._arrears.drop(job_id)

    def forget(self, now: Instant, keep: Container[str], jobs: int) -> None:
        """Let go of what was decided for jobs that are gone, once no clock step is likely to ask for it."""
        if len(self._decided) > 2 * jobs + 100:
            self._decided.forget(now - DAY, keep)

    def pass_over(self, definition: Definition, first: Instant, delay: int, now: Instant) -> Stretch:
        """Let the instants from `first`, which was due after `delay`, pass: none of them is owed."""
        passed = before(_schedule(definition), first, now - delay + 1, self._boot)
        self.plan(definition, passed.last)
        return passed

    def waiting(self, job_id: str) -> Rows:
        """All that a job has to catch up."""
        return tuple(self._arrears.of(job_id))

    def take_changed(self) -> set[str]:
        """The jobs whose `waiting` is not what it was the last time this was asked."""
        return self._arrears.take_changed()

    def plan(self, definition: Definition, after: Instant) -> None:
        """Put the job's next instant later than `after` on the agenda."""
        job = definition.job
        instant = None
        if job.enabled and definition.schedule is not None:
            instant = self._decided.undecided(job.job_id, definition.schedule, after).next(after, self._boot)
        self._agenda.put(job.job_id, instant, self._delay(job))

    def _delay(self, job: Job) -> int:
        return start_delay(self._machine, job.job_id, job.jitter)

    # -- what is owed --------------------------------------------------------------------------------------------

    def take(self, now: Instant) -> list[tuple[Instant, str, int]]:
        """Take off what is to start: instant, job, and the delay it had. Each wants `decide` or `put_back`."""
        return self._agenda.take(now)

    def put_back(self, job_id: str, instant: Instant, delay: int) -> None:
        """It could not be decided."""
        self._agenda.put(job_id, instant, delay)

    def decide(self, definition: Definition, first: Instant, delay: int, now: Instant, *, blocked: bool) -> Verdict:
        """What becomes of the instants from `first`, which was due after `delay`. The job waits for its next one then.

        `blocked`: it does not start now, its last run is still going.
        """
        job, boot = definition.job, self._boot
        schedule = self._decided.undecided(job.job_id, _schedule(definition), first)
        moment = now - delay
        due = owed(schedule, first, moment, catch_up=job.catch_up, coalesce=job.coalesce, boot=boot)
        coalesced: tuple[Stretch, ...] = (due.coalesced,) if due.coalesced else ()
        start = None
        if due.runs:
            late = moment - due.runs.last > LATE
            if job.coalesce and (late or not blocked):
                coalesced += self._withdraw_arrears(definition)
            first, last = due.runs.first, due.runs.last
            if not late:
                start = last
                if not blocked:
                    self._decided.add(job.job_id, _schedule(definition), start, boot)
            if late or first < last:
                self._fall_behind(definition, first, last if late else last - 1)
        self.plan(definition, moment)
        return Verdict(start, coalesced, due.missed)

    def _fall_behind(self, definition: Definition, first: Instant, last: Instant) -> None:
        """What of the instants from `first` to `last` is not decided is to be caught up, row by row."""
        for row in self.undecided(definition, Stretch(first, last, None)):
            self._arrears.put(definition.job.job_id, row.first, row.last)

    def undecided(self, definition: Definition, row: Stretch) -> list[Stretch]:
        """A row without what was decided: a clock that was set back has left that in its midst."""
        schedule = _schedule(definition)
        return apart(schedule, row, self._decided.spans(definition.job.job_id, schedule), self._boot)

    def next_in_arrears(self) -> tuple[str, Instant, Instant] | None:
        """The job whose turn to catch up it is, with the first and last instant; wants `settle` or `stand_behind`."""
        return self._arrears.take()

    def stand_behind(self, job_id: str, first: Instant, last: Instant) -> None:
        """It runs just now; its turn comes after `run_ended`."""
        self._arrears.stand_behind(job_id, first, last)

    def owe_again(self, job_id: str, first: Instant, last: Instant) -> None:
        """It could not be settled, or only some of it."""
        rows = [row for row in self._arrears.of(job_id) if not first <= row[0] <= last]
        self._arrears.drop(job_id)
        for row in (*rows, (first, last)):
            self._arrears.put(job_id, *row)

    def run_ended(self, job_id: str) -> None:
        """No run of the job goes on any more."""
        self._arrears.run_ended(job_id)

    def settle(self, definition: Definition, first: Instant, last: Instant, now: Instant) -> Verdict:
        """What becomes of the oldest instant of a row that a job has to catch up; the rest of the row goes back."""
        job, schedule, boot = definition.job, _schedule(definition), self._boot
        moment = now - self._delay(job)
        due = owed(schedule, first, moment, last=last, catch_up=job.catch_up, coalesce=False, boot=boot)
        if due.runs is None:
            return Verdict(missed=due.missed)
        start = due.runs.first
        self._decided.add(job.job_id, schedule, start, boot)
        following = schedule.next(start, boot)
        if following is not None and following <= last:
            self._arrears.put(job.job_id, following, last)
        return Verdict(start, missed=due.missed)

    # -- clock steps ---------------------------------------------------------------------------------------------

    def step_boot(self, step: int, jobs: Iterable[Definition]) -> Instant | None:
        """The clock was set. The machine booted as long ago as before: the instant that `@reboot` names goes along.

        That instant, if this boot has one.
        """
        self._since = min(self._since, self._since + step)
        if self._boot is None:
            return None
        old, self._boot = self._boot, self._boot + step
        for definition in jobs:
            job_id = definition.job.job_id
            if self._agenda.due(job_id) == old:
                self.plan(definition, min(old, self._boot) - 1)
            if (old, old) in self._arrears.of(job_id):
                self._arrears.drop(job_id)
                self._arrears.put(job_id, self._boot, self._boot)
        return self._boot

    def step_back(self, definition: Definition, started: Rows, now: Instant) -> None:
        """The clock went back. What lies ahead again and was not decided comes again, what was decided does not.

        `started`: what the record knows of that, which reaches farther back than we.
        """
        job_id = definition.job.job_id
        self._decide(definition, started, now)
        rows = self._arrears.of(job_id)
        if rows and rows[-1][1] > now:
            self._arrears.drop(job_id)
            for first, last in rows:
                if last <= now:
                    self._arrears.put(job_id, first, last)
                elif first <= now:
                    self._arrears.put(job_id, first, before(_schedule(definition), first, now + 1, None).last)
        # An instant that its jitter holds back has come and has not started: nothing before it is left.
        if (pending := self._agenda.due(job_id)) is None or pending > now:
            self.plan(definition, now)


def _schedule(definition: Definition) -> Schedule:
    assert definition.schedule is not None, "only jobs with a schedule are on the agenda"
    return definition.schedule
