"""What the last daemon left, and what a new record has to be told of the present."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from jobschedd.model.error import BadFile
from jobschedd.model.policy import Stretch, apart, before, within
from jobschedd.model.record import (
    Alive,
    Began,
    Booted,
    Claimed,
    Defined,
    Doubted,
    Ended,
    Entry,
    Known,
    Owing,
    Passed,
    Past,
    Paused,
    Undefined,
    Waits,
)
from jobschedd.model.rows import merged
from jobschedd.model.run import Cause, Ending, Instant, Outcome, Run
from jobschedd.model.schedule import Schedule
from jobschedd.model.span import show_span
from jobschedd.passing import GONE, NOT_KEPT, NOT_READ, NOT_WRITTEN, not_written
from jobschedd.supervision import NOT_SEEN

if TYPE_CHECKING:
    from jobschedd.dispatch import Dispatch
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.model.rows import Rows
    from jobschedd.ports import Clock
    from jobschedd.record import Record
    from jobschedd.supervision import Supervision

ReadTerms = Callable[[str, str], Schedule | None]

NO_INSTANT = 0
"""Of a boot that was seen, but may have had its @reboot before the record was begun."""


class Recovery:
    """Used by the scheduler's thread alone."""

    def __init__(
        self,
        *,
        clock: Clock,
        record: Record,
        dispatch: Dispatch,
        supervision: Supervision,
        catalog: Catalog,
        host: Host,
        past: Past,
        read_terms: ReadTerms,
    ) -> None:
        """`read_terms`: the schedule of a version that is on the record, from its job and terms; may raise BadFile."""
        self._read_terms = read_terms
        self._clock = clock
        self._record = record
        self._dispatch = dispatch
        self._supervision = supervision
        self._catalog = catalog
        self._host = host
        self._seen_at = past.seen_at
        self._past_doubt = past.doubt
        self._ahead = past.ahead
        self._loaded = False
        self._waiting = {held.run.run_id: held for held in past.waiting}
        """What the last daemon has left waiting, until its jobs have come."""
        record.everything = self.everything
        record.see_dropped = self.see_dropped
        record.doubt = self.doubt
        record.unwritten.found = past.doubt
        if past.unread:
            record.unread = self.see_past
        # The clock may have been set back while nobody watched, or could not write it down.
        record.step_back(host.since if past.doubt is None else past.doubt.certain(host.since))
        if past.doubt is not None:
            record.note(Doubted(past.doubt.spans, past.doubt.presumed(host.since)))
        if past.boot is None:
            record.note(Booted(host.boot_id, host.boot or NO_INSTANT))

    def end_first_load(self, now: Instant) -> None:
        """All that was there at the start has been read: what the last daemon knew and is not among it is gone."""
        seen_at = now if self._seen_at is None else min(self._seen_at, self._host.since)
        for job_id, (known, rows) in self._dispatch.timetable.open().items():
            # A start that was claimed ahead of its instant may be the last thing that the daemon has written.
            gone_since = max(seen_at, known.accounted)
            self.let_pass(job_id, known, gone_since, Outcome.SKIPPED, GONE)
            self.withdraw(job_id, known, rows, GONE)
            self._record.note(Undefined(job_id, gone_since))
        self._supervision.lose_the_rest(now)
        for held in self._waiting.values():
            self._dispatch.admission.give_up(held, GONE, now)
        self._waiting = {}
        self._loaded = True
        self._record.loading = False
        self._record.note(Alive(now))

    def go_on_waiting(self, definition: Definition, now: Instant) -> None:
        """What the last daemon has left waiting of this job waits on, as the job says now."""
        admission = self._dispatch.admission
        for held in [held for held in self._waiting.values() if held.run.job_id == definition.job.job_id]:
            del self._waiting[held.run.run_id]
            if active := self._dispatch.running.get(held.run.run_id):
                # The runner has it: a daemon that kept too much in memory has dropped its claim.
                active.variables = held.variables
                self._record.note(Claimed(held.run))
            elif self._past_doubt is not None:
                admission.give_up(held, f"{NOT_WRITTEN}; whether it was started is not known", now, Outcome.LOST)
            elif not definition.job.enabled:
                admission.give_up(held, "withdrawn: the job is not enabled", now)
            else:
                admission.go_on(replace(held, run=self._dispatch.renew(held.run, definition)), now)

    def see_past(self, past: Past) -> list[Entry]:
        """The record can be read at last. What it leaves open was decided without it: nothing is made up for."""
        now, since, entries = self._clock.now(), self._host.since, list[Entry]()
        self._ahead = past.ahead
        reason = f"{NOT_READ} {show_span(since, now, self._host.zone)}"
        self.doubt(past.doubted)
        for job_id, known in past.known.items():
            self.let_pass(job_id, known, since - 1, Outcome.MISSED, reason)
        self._dispatch.paused |= past.paused
        if self._loaded:
            for job_id in past.known.keys() - {definition.job.job_id for definition in self._catalog}:
                entries.append(Undefined(job_id, since))
        for job_id, rows in past.owing.items():
            known = past.known.get(job_id, Known("", "", 0))
            self.withdraw(job_id, known, rows, reason, Outcome.MISSED)
            entries.append(Owing(job_id, tuple(self._dispatch.timetable.arrears.of(job_id))))
        return [*entries, *self._lost(past, NOT_SEEN, Outcome.SKIPPED, reason)]

    def see_dropped(self, past: Past) -> list[Entry]:
        """What goes on, and what does not and is said to: what there was to say of it may have been dropped."""
        return [*self._going(), *self._lost(past, NOT_KEPT, Outcome.LOST, NOT_KEPT)]

    def doubt(self, doubted: Doubted) -> None:
        """None of what lies in these is started, nor caught up."""
        for definition, row in self._dispatch.timetable.doubt(doubted, self._catalog):
            self._dispatch.passing.pass_doubted(definition, row, self._clock.now())

    def _lost(self, past: Past, open_reason: str, waiting: Outcome, waiting_reason: str) -> Iterator[Entry]:
        """The ends of what goes on or waits by the record, and for nobody else."""
        now, waits = self._clock.now(), self._dispatch.admission.waiting
        going = {active.run.run_id for active in self._dispatch.running} | {held.run.run_id for held in waits}
        going |= self._record.waiting_runs()
        for run, outcome, reason in (
            *((claim.run, Outcome.LOST, open_reason) for claim in past.open),
            *((held.run, waiting, waiting_reason) for held in past.waiting),
        ):
            if run.run_id not in going:
                yield Ended(run.run_id, outcome, now, Ending(None, None, 0, None, reason))

    def withdraw(self, job_id: str, known: Known, rows: Rows, reason: str, outcome: Outcome = Outcome.SKIPPED) -> None:
        """Say of what a job had to catch up that it does not."""
        for first, last in rows:
            run = Run("", job_id, last, Cause.SCHEDULE, definition=known.digest)
            self._pass(known, Passed(run, outcome, reason, first, 1 if first == last else None))
        self._record.note(Owing(job_id, ()))

    def let_pass(self, job_id: str, known: Known, until: Instant, outcome: Outcome, reason: str) -> None:
        """Say of what a job named after what is accounted for, up to `until`, that it does not run."""
        schedule = self._schedule(job_id, known)
        first = None if schedule is None else schedule.next(known.accounted, self._host.boot)
        if schedule is not None and first is not None and first <= until:
            row = before(schedule, first, until + 1, self._host.boot)
            run = Run("", job_id, row.last, Cause.SCHEDULE, definition=known.digest)
            self._pass(known, Passed(run, outcome, reason, row.first, row.count))

    def _pass(self, known: Known, passed: Passed) -> None:
        """Say of a row of instants that it does not run; but for those that did."""
        run, boot = passed.run, self._host.boot
        row = Stretch(passed.first, run.scheduled_at, passed.count)
        instants = {*self._ahead.get(run.job_id, ()), *self._supervision.adopted.get(run.job_id, ())}
        started, doubts = [(instant, instant) for instant in sorted(instants)], self._dispatch.timetable.doubted_spans
        schedule = self._schedule(run.job_id, known) if started or doubts else None
        if schedule is None:
            self._pass_row(passed, row)
            return
        for doubted, span in within(schedule, row, doubts, boot):
            for part in apart(schedule, doubted, started, boot):
                self._pass_row(replace(passed, outcome=Outcome.MISSED, reason=not_written(span, self._host)), part)
        for part in apart(schedule, row, merged([*started, *doubts]), boot):
            self._pass_row(passed, part)

    def _pass_row(self, passed: Passed, row: Stretch) -> None:
        one = replace(passed.run, run_id=self._clock.run_id(self._clock.now()), scheduled_at=row.last)
        self._record.passed(replace(passed, run=one, first=row.first, count=row.count))

    def _schedule(self, job_id: str, known: Known) -> Schedule | None:
        """None: it had none, or its time zone is gone and nobody can say what it named."""
        try:
            return self._read_terms(job_id, known.terms)
        except BadFile:
            return None

    def everything(self) -> list[Entry]:
        """The present, for a record that knows nothing of it."""
        now = self._clock.now()
        entries: list[Entry] = [self.defined(definition, now) for definition in self._catalog]
        ids = [definition.job.job_id for definition in self._catalog]
        arrears = self._dispatch.timetable.arrears
        entries += (Owing(job_id, tuple(rows)) for job_id in ids if (rows := arrears.of(job_id)))
        entries += self._going()
        entries += map(Waits, self._dispatch.admission.waiting)
        entries += (Paused(job_id, now) for job_id in self._dispatch.paused)
        entries.append(self._dispatch.timetable.doubts())
        entries.append(Booted(self._host.boot_id, self._host.boot or NO_INSTANT))
        return entries

    def _going(self) -> Iterator[Entry]:
        for active in self._dispatch.running:
            yield Claimed(active.run, active.variables)
            if active.pid is not None and active.started_at is not None:
                yield Began(active.run.run_id, active.pid, active.started_at)

    def defined(self, definition: Definition, since: Instant) -> Defined:
        delay = self._dispatch.timetable.delay(definition)
        return Defined(definition.job.job_id, definition.digest, definition.path, definition.terms, delay, since)
