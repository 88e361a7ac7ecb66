"""Time becomes starts: what is due, and what is owed from before, is decided, claimed, and handed to the runner."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from jobschedd.admission import Admission
from jobschedd.ending import Ending
from jobschedd.model import event, message
from jobschedd.model.record import Claimed, Owing, Passed, Past
from jobschedd.model.run import Cause, Instant, Outcome, Run
from jobschedd.model.running import Running
from jobschedd.model.start import Start
from jobschedd.model.timetable import Timetable
from jobschedd.model.waiting import Held
from jobschedd.model.watch import environment
from jobschedd.passing import HELD_UP, SET_ASIDE, Passing

if TYPE_CHECKING:
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.ports import Clock, Listener, Runner
    from jobschedd.record import Record

BATCH = 256
"""Starts that are claimed and handed over together, growing from one: the first does not wait for the last."""

LEAD = 2_000
"""Microseconds from a wake-up to a claim that waits for its moment, beside what the write takes."""


class Dispatch:
    """What is on the agenda, what runs, and the way from one to the other. Used by the scheduler's thread alone."""

    def __init__(
        self,
        *,
        clock: Clock,
        runner: Runner,
        listen: Listener,
        record: Record,
        catalog: Catalog,
        host: Host,
        past: Past,
        lead: int,
    ) -> None:
        """`lead`: by how much ahead of its instant a start is claimed at most, microseconds."""
        self._clock = clock
        self._runner = runner
        self._listen = listen
        self.record = record
        self._catalog = catalog
        self._most_lead = lead
        self.catch_up_parallel = 1
        self.timetable = Timetable(host, past)
        self.passing = Passing(self, host, past)
        self.running = Running()
        self.ends = Ending(clock, runner, self.running, listen)
        self.admission = Admission(record, catalog, self.running, self.ends, listen)
        self.paused = set(past.paused)
        self.stopping = False
        self._own_instants = (0, 0)
        """The last moment at which something was started that no schedule named, and how much there was before."""
        self.quarantined: set[str] = set()
        """Jobs that a bug of ours has met: set aside until their files change."""

    @property
    def lead(self) -> int:
        """By how much ahead of its instant a start is claimed: what a write takes, and a little for us."""
        return min(self._most_lead, LEAD + 2 * self.record.takes)

    def start_due(self, now: Instant, why_late: str = HELD_UP) -> None:
        """Decide and start all that is due at `now`, or within the lead that claims are given."""
        self.admission.expire(now)
        starts: list[Start] = []
        together = 1
        for instant, job_id, delay in self.timetable.take(now + self.lead):
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job leaves the agenda"
            moment = max(now, instant + delay)
            try:
                if idle := SET_ASIDE if job_id in self.quarantined else "paused" if job_id in self.paused else "":
                    passed = self.timetable.pass_over(definition, instant, delay, moment)
                    self.passing.pass_all(definition, passed, Outcome.SKIPPED, idle, now)
                    continue
                blocked = self.admission.gives_way(definition)
                verdict = self.timetable.decide(definition, instant, delay, moment, blocked=bool(blocked))
                self.passing.tell(definition, verdict, now, why_late, blocked=blocked)
                if verdict.start is not None:
                    run = self.make_run(definition, verdict.start, Cause.SCHEDULE, now)
                    if self.admission.admit(definition, run, now, coming=len(starts)).starts:
                        starts.append(Start.of(definition, run, moment))
            except Exception:  # noqa: BLE001 - a bug of ours met by one job must not take the others' instants
                self.timetable.put_back(job_id, instant, delay)
                self.quarantine(definition, traceback.format_exc())
            if len(starts) == together:
                self.start(starts)
                starts = []
                together = min(2 * together, BATCH)
        self.start(starts)

    def catch_up(self, now: Instant) -> None:
        """Start what is owed from before, the oldest first and a few at once: who comes back is not buried."""
        while (
            self.running.catching_up < self.catch_up_parallel
            and self.admission.has_room()
            and (turn := self.timetable.arrears.take())
        ):
            job_id, first, last = turn
            definition = self._catalog.get(job_id)
            assert definition is not None, "a removed job owes nothing"
            if definition.job.overlap != "allow" and self.running.has_job(job_id):
                self.timetable.arrears.stand_behind(job_id, first, last)
                continue
            try:
                verdict = self.timetable.settle(definition, first, last, now)
                self.passing.tell(definition, verdict, now, "too old when its turn to be caught up came")
                if verdict.start is not None:
                    run = self.make_run(definition, verdict.start, Cause.CATCH_UP, now)
                    self.start([Start.of(definition, run, now)])
            except Exception:  # noqa: BLE001 - a bug of ours met by one job must not take the others' turns
                self.timetable.arrears.put_back(job_id, first, last)
                self.quarantine(definition, traceback.format_exc())

    def start_waiting(self, now: Instant) -> None:
        """Start those whose turn has come."""
        self.admission.pass_time(now)
        starts: list[Start] = []
        coming: Counter[str] = Counter()
        while held := self.admission.take(coming):
            definition = self._catalog.get(held.run.job_id)
            assert definition is not None, "a removed job has nothing waiting"
            starts.append(Start.of(definition, held.run, now, held.variables))
            coming[held.run.job_id] += 1
            if len(starts) == BATCH:
                self.start(starts)
                starts = []
                coming.clear()
        self.start(starts)

    def start_now(
        self, definition: Definition, cause: Cause, now: Instant, variables: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Start a job that something other than its schedule asks for, as the job's own rules have it.

        A daemon that is about to stop leaves it to the next one.
        """
        run = self.make_run(definition, self.own_instant(), cause, now)
        if self.may_start_now(definition, run, now, variables):
            self.start([Start.of(definition, run, now, variables)])

    def may_start_now(
        self,
        definition: Definition,
        run: Run,
        now: Instant,
        variables: tuple[tuple[str, str], ...] = (),
        *,
        coming: int = 0,
    ) -> bool:
        """Whether it starts. Else it waits, or is skipped, and that is on the record."""
        if run.job_id in self.quarantined or not definition.job.enabled:
            return False
        if run.job_id in self.paused:
            self.record.passed(Passed(run, Outcome.SKIPPED, "paused", now, 1))
            return False
        if self.stopping:
            reason = "the daemon was stopped before it could start"
            self.admission.hold(Held(run, now, None, reason, variables), now)
            return False
        return self.admission.admit(definition, run, now, coming=coming, variables=variables).starts

    def start_for(self, job_id: str, paths: tuple[str, ...], now: Instant) -> None:
        """Files have come that a job watches for. It may be gone by now, or not watch any more."""
        definition = self._catalog.get(job_id)
        if definition is not None and definition.job.watch is not None:
            self.start_now(definition, Cause.WATCH, now, environment(paths))

    def start_asked(self, definition: Definition, uid: int, now: Instant) -> message.Started:
        """Start a job that somebody asks for, enabled or not, paused or not."""
        if self.stopping:
            return message.Started(refusal="jobschedd is stopping")
        if definition.job.job_id in self.quarantined:
            return message.Started(refusal=SET_ASIDE)
        run = replace(self.make_run(definition, self.own_instant(), Cause.MANUAL, now), uid=uid)
        admitted = self.admission.admit(definition, run, now)
        if admitted.skipped:
            return message.Started(refusal=admitted.skipped)
        if admitted.starts:
            self.start([Start.of(definition, run, now)])
            if self.running.get(run.run_id) is None:
                return message.Started(refusal="another start of this moment is on the record; ask again")
        return message.Started(run.run_id, admitted.waits)

    def own_instant(self) -> Instant:
        """Of a start that no schedule names. Two of one moment are told apart: of one instant there is one start."""
        now = self._clock.now()
        moment, count = self._own_instants
        self._own_instants = (now, count + 1) if moment == now else (now, 0)
        return now + self._own_instants[1]

    def make_run(self, definition: Definition, instant: Instant, cause: Cause, now: Instant, attempt: int = 1) -> Run:
        run = Run(
            run_id=self._clock.run_id(now),
            job_id=definition.job.job_id,
            scheduled_at=instant,
            cause=cause,
            attempt=attempt,
            synchronised=self._clock.synchronised(),
        )
        return self.renew(run, definition)

    @staticmethod
    def renew(run: Run, definition: Definition) -> Run:
        """The run as its job has it now."""
        job = definition.job
        return replace(
            run,
            labels=job.labels,
            success_codes=job.success_codes,
            definition=definition.digest,
            timeout=job.timeout,
            kill_after=job.kill_after,
        )

    def start(self, starts: list[Start]) -> None:
        """Claim, then hand over to the runner, which starts each at its moment."""
        if not starts:
            return
        # What the others of this wake-up owe is decided later: this is a part of one, and each part is whole.
        self.note_arrears()
        refused = self.record.claim([Claimed(start.run, start.variables) for start in starts])
        for start in starts:
            if start.run.run_id in refused:
                self.admission.waiting.look_again(start.run.job_id)  # who stood behind it
        made = [start for start in starts if start.run.run_id not in refused]
        if not made:
            return
        for start in made:
            self.running.add(start.run, variables=start.variables)
        self._runner.start([(start.run, start.launch, start.moment) for start in made])
        for start in made:
            self._listen(event.RunDue(start.run))

    def note_arrears(self) -> None:
        arrears = self.timetable.arrears
        for job_id in arrears.take_changed():
            self.record.note(Owing(job_id, tuple(arrears.of(job_id))))

    def quarantine(self, definition: Definition, trace: str) -> None:
        """None of its instants runs until its file changes, and the record says so.

        Where it is its schedule that fails, nobody can say what it names.
        """
        job_id, now = definition.job.job_id, self._clock.now()
        self.quarantined.add(job_id)
        try:
            self.admission.withdraw(job_id, SET_ASIDE, now)
            for stretch in self.timetable.withdraw(definition, now):
                run = self.make_run(definition, stretch.last, Cause.SCHEDULE, now)
                self.record.passed(Passed(run, Outcome.SKIPPED, SET_ASIDE, stretch.first, stretch.count))
            self.timetable.plan(definition, now)
        except Exception:  # noqa: BLE001 - the same bug once more
            self.timetable.set_aside(job_id)
        self._listen(event.JobQuarantined(job_id, trace))
