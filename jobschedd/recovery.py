"""What the last daemon left, and what a new record has to be told of the present."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from jobschedd.model.error import BadFile
from jobschedd.model.policy import Stretch, apart, before
from jobschedd.model.record import (
    Alive,
    Began,
    Booted,
    Claimed,
    Defined,
    Ended,
    Entry,
    Known,
    Owing,
    Passed,
    Past,
    Paused,
    Rows,
    TakenBack,
    Undefined,
    Waits,
    floor,
)
from jobschedd.model.run import Cause, Ending, Instant, Outcome, Run
from jobschedd.model.schedule import Schedule
from jobschedd.model.span import show_span
from jobschedd.supervision import NOT_SEEN

if TYPE_CHECKING:
    from jobschedd.dispatch import Dispatch
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.ports import Clock
    from jobschedd.record import Record
    from jobschedd.supervision import Supervision

ReadTerms = Callable[[str, str], Schedule | None]

NO_INSTANT = 0
"""Of a boot that was seen, but may have had its @reboot before the record was begun."""

NOT_WRITTEN = "not known: starts could not be written down"
NOT_READ = "not known: the record could not be read"
GONE = "withdrawn: the job was removed"


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
        record.in_doubt = past.doubt is not None
        record.found = past.doubt
        if past.unread:
            record.unread = self.see_past
        if past.seen_at is not None and past.seen_at > host.since:
            record.note(TakenBack(host.since))  # while nobody watched
        if past.doubt is not None and past.doubt.reached:
            record.note(TakenBack(past.doubt.back_to(host.since)))  # while nobody could write it down
        if past.boot is None:
            record.note(Booted(host.boot_id, host.boot or NO_INSTANT))

    def end_first_load(self, now: Instant) -> None:
        """All that was there at the start has been read: what the last daemon knew and is not among it is gone."""
        seen_at = now if self._seen_at is None else min(self._seen_at, self._host.since)
        for job_id, (known, rows) in self._dispatch.timetable.open().items():
            # A start that was claimed ahead of its instant may be the last thing that the daemon has written.
            gone_since = max(seen_at, known.accounted)
            self.let_pass(job_id, known, gone_since, Outcome.SKIPPED, GONE)
            for first, last in rows:
                run = Run(self._clock.run_id(now), job_id, last, Cause.SCHEDULE, definition=known.digest)
                self._record.passed(Passed(run, Outcome.SKIPPED, GONE, first, 1 if first == last else None))
            self._record.note(Owing(job_id, ()))
            self._record.note(Undefined(job_id, gone_since))
        self._supervision.lose_the_rest(now)
        for held in self._waiting.values():
            self._dispatch.admission.give_up(held, GONE, now)
        self._waiting = {}
        self._loaded = True
        self._record.loading = False
        self._record.doubt_is_told = self._past_doubt is not None
        self._record.in_doubt = False
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
        doubt = self._past_doubt
        until = since - 1 if doubt is None else floor(since, doubt)
        for job_id, known in past.known.items():
            self.let_pass(job_id, known, until, Outcome.MISSED, reason, in_doubt=doubt is not None)
        self._dispatch.paused |= past.paused
        if self._loaded:
            for job_id in past.known.keys() - {definition.job.job_id for definition in self._catalog}:
                entries.append(Undefined(job_id, since))
        lost = Ending(None, None, 0, None, NOT_SEEN)
        going = {active.run.run_id for active in self._dispatch.running} | self._record.waiting_runs()
        entries += (
            Ended(claim.run.run_id, Outcome.LOST, now, lost) for claim in past.open if claim.run.run_id not in going
        )
        unknown = Ending(None, None, 0, None, reason)
        entries += (Ended(held.run.run_id, Outcome.SKIPPED, now, unknown) for held in past.waiting)
        for job_id, rows in past.owing.items():
            for first, last in rows:
                digest = past.known[job_id].digest if job_id in past.known else ""
                run = Run(self._clock.run_id(now), job_id, last, Cause.SCHEDULE, definition=digest)
                entries.append(Passed(run, Outcome.MISSED, reason, first, 1 if first == last else None))
            entries.append(Owing(job_id, ()))
        return entries

    def doubt(self, job_id: str, known: Known, rows: Rows, until: Instant) -> None:
        """Nobody knows what was started of what was owed up to `until`: none of it is started now."""
        assert self._past_doubt is not None, "only then is anything in doubt"
        reason = f"{NOT_WRITTEN} {show_span(self._past_doubt.since, self._host.since, self._host.zone)}"
        self.let_pass(job_id, known, until, Outcome.MISSED, reason, in_doubt=True)
        for first, last in rows:
            run = Run("", job_id, last, Cause.SCHEDULE, definition=known.digest)
            count = 1 if first == last else None
            self._pass(known, Passed(run, Outcome.MISSED, reason, first, count, in_doubt=True))
        self._record.note(Owing(job_id, ()))

    def let_pass(
        self, job_id: str, known: Known, until: Instant, outcome: Outcome, reason: str, *, in_doubt: bool = False
    ) -> None:
        """Say of what a job named after what is accounted for, up to `until`, that it does not run."""
        schedule = self._schedule(job_id, known)
        first = None if schedule is None else schedule.next(known.accounted, self._host.boot)
        if schedule is not None and first is not None and first <= until:
            row = before(schedule, first, until + 1, self._host.boot)
            run = Run("", job_id, row.last, Cause.SCHEDULE, definition=known.digest)
            self._pass(known, Passed(run, outcome, reason, row.first, row.count, in_doubt))

    def _pass(self, known: Known, passed: Passed) -> None:
        """Say of a row of instants that it does not run; but for those that did."""
        run = passed.run
        row = Stretch(passed.first, run.scheduled_at, passed.count)
        unwritten = self._supervision.unwritten.get(run.job_id, ())
        spans = sorted({*self._ahead.get(run.job_id, ()), *((instant, instant) for instant in unwritten)})
        schedule = self._schedule(run.job_id, known) if spans else None
        for part in [row] if schedule is None else apart(schedule, row, spans, self._host.boot):
            one = replace(run, run_id=self._clock.run_id(self._clock.now()), scheduled_at=part.last)
            self._record.passed(replace(passed, run=one, first=part.first, count=part.count))

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
        entries += (Owing(job_id, rows) for job_id in ids if (rows := self._dispatch.timetable.waiting(job_id)))
        for active in self._dispatch.running:
            entries.append(Claimed(active.run, active.variables))
            if active.pid is not None and active.started_at is not None:
                entries.append(Began(active.run.run_id, active.pid, active.started_at))
        entries += map(Waits, self._dispatch.admission.waiting)
        entries += (Paused(job_id, now) for job_id in self._dispatch.paused)
        entries.append(Booted(self._host.boot_id, self._host.boot or NO_INSTANT))
        return entries

    def defined(self, definition: Definition, since: Instant) -> Defined:
        delay = self._dispatch.timetable.delay(definition)
        return Defined(definition.job.job_id, definition.digest, definition.path, definition.terms, delay, since)
