"""When each job is due, and what it owes: agenda, decided instants and arrears under one set of rules.

Pure: the moment is passed in, and the answers are values. Whoever asks starts what has to start and tells the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.agenda import Agenda
from jobschedd.model.arrears import Arrears
from jobschedd.model.decided import Decided
from jobschedd.model.policy import LATE, Stretch, apart, before, owed, start_delay, stretch
from jobschedd.model.record import Past
from jobschedd.model.rows import lies_in, meets, up_to
from jobschedd.model.run import DAY
from jobschedd.model.verdict import Arrival, Verdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition, Job
    from jobschedd.model.record import Doubted, Known
    from jobschedd.model.rows import Rows
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
        self._decided.doubt(past.doubted.noted, up_to(past.doubted.presumed, host.since))
        if past.doubt is not None:
            self._decided.doubt(past.doubt.spans, past.doubt.presumed(host.since))
        self.arrears = Arrears()
        """Each turn that is taken from it wants `settle`."""
        self._held_back: dict[str, int] = {}
        """By job id: the delay, of a version that is no more, by which what waits now is held back."""
        self._released: dict[str, Instant] = {}

    def __len__(self) -> int:
        """How many jobs wait for an instant."""
        return len(self._agenda)

    def first(self) -> Instant | None:
        """When the next instant is to be decided: mostly a start."""
        return self._agenda.first()

    def due(self, job_id: str) -> Instant | None:
        """The instant a job waits for. It may have been started before: see `next_start`."""
        return self._agenda.due(job_id)

    def next_start(self, definition: Definition) -> Instant | None:
        """The instant at which a job runs next."""
        job_id = definition.job.job_id
        due = self._agenda.due(job_id)
        if due is None or not lies_in(self._decided.doubted, due):
            return due
        return self._decided.certain(job_id, _schedule(definition), due - 1).next(due - 1, self._boot)

    @property
    def doubted_spans(self) -> Rows:
        """What may have been started, of any job: it does not come again."""
        return self._decided.doubted

    def doubts(self) -> Doubted:
        """The same, for the record."""
        return self._decided.doubts()

    def doubt(self, more: Doubted, jobs: Iterable[Definition]) -> list[tuple[Definition, Stretch]]:
        """All that lies in these may have been started, too. What jobs had to catch up there is in doubt now."""
        self._decided.doubt(more.noted, up_to(more.presumed, self._since))
        cut = []
        for definition in jobs:
            rows = self.arrears.of(definition.job.job_id)
            if any(meets(self._decided.doubted, *row) for row in rows):
                self.arrears.drop(definition.job.job_id)
                for first, last in rows:
                    self._fall_behind(definition, first, last)
                    cut.append((definition, Stretch(first, last, None)))
        return cut

    def open(self) -> dict[str, tuple[Known, Rows]]:
        """All that was there at the start is loaded: jobs that come from now on owe nothing from before.

        The jobs of the past that are gone, with what they had to catch up.
        """
        self._open = True
        gone = {job_id: (known, self._past.owing.get(job_id, ())) for job_id, known in self._known.items()}
        self._known, self._past = {}, Past()
        return gone

    # -- jobs that come, change and go ---------------------------------------------------------------------------

    def load(self, new: Definition, old: Definition | None, now: Instant, started: Iterable[Instant] = ()) -> Arrival:
        """A job came, or took the place of `old`. `started`: instants of it that the record did not know."""
        job_id = new.job.job_id
        goes_on = old is not None and new.job.enabled and new.schedule == old.schedule
        # Before the new schedule takes over what was started: that of it which is behind is forgotten then.
        withdrawn = () if old is None or goes_on else self._replace(old, now)
        if new.schedule is not None:
            self._decided.carry_over(job_id, new.schedule, now, self._boot)
        if goes_on:
            # What waits and what its jitter holds back is owed by this version now, and starts when it was to start.
            pending = self._agenda.due(job_id)
            if pending is not None and pending <= now:
                self._held_back[job_id] = self._agenda.delay(job_id)
                return Arrival(pending - 1)
            self.plan(new, now)
            return Arrival(now)
        if self._open:
            self.plan(new, now)
            return Arrival(now, withdrawn)
        # While the first files are read, whoever has lost its id to another file was never in force: nothing of it
        # is said. And what fell while no daemon ran is owed by the jobs that the last one knew.
        known = self._past.known.get(job_id)
        self._known.pop(job_id, None)
        accounted = known.accounted if known else 0
        self._decide(new, {*started, *(one for one in self._past.ahead.get(job_id, ()) if one > accounted)})
        if known is None:
            self.plan(new, self._since - 1)
            return Arrival(self._since - 1)
        rows = self._past.owing.get(job_id, ())
        if (known.digest, known.terms) == (new.digest, new.terms):
            self.arrears.inherit(job_id, rows)
            for first, last in rows:
                self._fall_behind(new, first, last)
            self.plan(new, known.accounted)
            return Arrival(doubted=tuple(Stretch(first, last, None) for first, last in rows))
        since = max(known.accounted, min(self._past.seen_at or 0, self._since))
        self.plan(new, since)
        return Arrival(since, before=known, withdrawn_before=rows)

    def delay(self, definition: Definition) -> int:
        """By how much its starts come after their instants, at most."""
        return max(self._delay(definition.job), self._held_back.get(definition.job.job_id, 0))

    def take_released(self) -> dict[str, Instant]:
        """The jobs that nothing holds back any more by the jitter they once had, and up to where all is decided."""
        released, self._released = self._released, {}
        return released

    def withdraw(self, old: Definition, now: Instant) -> tuple[Stretch, ...]:
        """A job goes. Returns what it owed."""
        job_id = old.job.job_id
        withdrawn = self._withdraw_arrears(old)
        self._held_back.pop(job_id, None)
        pending = self._agenda.due(job_id)
        self._agenda.put(job_id, None)
        if pending is not None and pending <= now:
            withdrawn += (before(_schedule(old), pending, now + 1, self._boot),)
        return withdrawn

    def _replace(self, old: Definition, now: Instant) -> tuple[Stretch, ...]:
        """What an old version owed, and has not started."""
        schedule = old.schedule
        if schedule is None:
            return ()
        started = self._decided.started(old.job.job_id, schedule)
        return tuple(part for row in self.withdraw(old, now) for part in apart(schedule, row, started, self._boot))

    def _withdraw_arrears(self, old: Definition) -> tuple[Stretch, ...]:
        rows = self.arrears.of(old.job.job_id)
        self.arrears.drop(old.job.job_id)
        return tuple(stretch(_schedule(old), first, last, self._boot) for first, last in rows)

    def _decide(self, definition: Definition, started: Iterable[Instant]) -> None:
        if definition.schedule is not None:
            # The nearest last: it is the farthest that are let go of.
            for instant in sorted(started, reverse=True):
                self._decided.add(definition.job.job_id, definition.schedule, instant, self._boot)

    def set_aside(self, job_id: str) -> None:
        """Have no instants of this job any more until it is loaded again."""
        self._agenda.put(job_id, None)
        self.arrears.drop(job_id)

    def forget(self, now: Instant, keep: Container[str], jobs: int) -> None:
        """Let go of what was decided for jobs that are gone, once no clock step is likely to ask for it."""
        if len(self._decided) > 2 * jobs + 100:
            self._decided.forget(now - DAY, keep)

    def pass_over(self, definition: Definition, first: Instant, delay: int, now: Instant) -> Stretch:
        """Let the instants from `first`, which was due after `delay`, pass: none of them is owed."""
        passed = before(_schedule(definition), first, now - delay + 1, self._boot)
        self.plan(definition, passed.last)
        return passed

    def plan(self, definition: Definition, after: Instant) -> None:
        """Put the job's next instant later than `after` on the agenda."""
        job = definition.job
        instant = None
        delay = self._delay(job)
        if self._held_back.pop(job.job_id, 0) > delay:
            self._released[job.job_id] = after
        if job.enabled and definition.schedule is not None:
            instant = self._decided.undecided(job.job_id, definition.schedule, after).next(after, self._boot)
        self._agenda.put(job.job_id, instant, delay)

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
        schedule = self._decided.certain(job.job_id, _schedule(definition), first - 1)
        moment = now - delay
        doubted = None
        if meets(self._decided.doubted, first, moment):
            doubted = Stretch(first, moment, None)
            certain = schedule.next(first - 1, boot)
            if certain is None or certain > moment:
                self.plan(definition, moment)
                return Verdict(doubted=doubted)
            first = certain
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
        return Verdict(start, coalesced, due.missed, doubted)

    def _fall_behind(self, definition: Definition, first: Instant, last: Instant) -> None:
        """What of the instants from `first` to `last` is not decided is to be caught up, row by row."""
        for row in self.undecided(definition, Stretch(first, last, None)):
            self.arrears.put(definition.job.job_id, row.first, row.last)

    def undecided(self, definition: Definition, row: Stretch) -> list[Stretch]:
        """A row without what was started or may have been: a clock that was set back has left that in its midst."""
        return self._decided.undecided_of(definition.job.job_id, _schedule(definition), row, self._boot)

    def doubted(self, definition: Definition, row: Stretch) -> list[tuple[Stretch, tuple[Instant, Instant]]]:
        """What of a row may have been started, each with the span in which that was."""
        return self._decided.doubted_of(definition.job.job_id, _schedule(definition), row, self._boot)

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
            self.arrears.put(job.job_id, following, last)
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
            if (old, old) in self.arrears.of(job_id):
                self.arrears.drop(job_id)
                self.arrears.put(job_id, self._boot, self._boot)
        return self._boot

    def set_back(self, now: Instant) -> None:
        """The clock was. Each job wants `step_back` then."""
        self._decided.step_back(now)

    def step_back(self, definition: Definition, started: Iterable[Instant], now: Instant) -> None:
        """The clock went back. What lies ahead again and was not decided comes again, what was decided does not.

        `started`: what the record knows of that, which reaches farther back than we.
        """
        job_id = definition.job.job_id
        self._decide(definition, (instant for instant in started if instant > now))
        rows = self.arrears.of(job_id)
        if rows and rows[-1][1] > now:
            self.arrears.drop(job_id)
            for first, last in rows:
                if last <= now:
                    self.arrears.put(job_id, first, last)
                elif first <= now:
                    self.arrears.put(job_id, first, before(_schedule(definition), first, now + 1, None).last)
        # An instant that its jitter holds back has come and has not started: nothing before it is left.
        if (pending := self._agenda.due(job_id)) is None or pending > now:
            self.plan(definition, now)


def _schedule(definition: Definition) -> Schedule:
    assert definition.schedule is not None, "only jobs with a schedule are on the agenda"
    return definition.schedule
