"""Who may start now, who waits for its turn, and who gives way: `overlap` of each job, and `max_running` of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model import event
from jobschedd.model.policy import catch_up_window
from jobschedd.model.record import Waits
from jobschedd.model.run import Asked, Cause, Ending, Instant, Outcome, Run
from jobschedd.model.waiting import Held, Waiting

if TYPE_CHECKING:
    from collections import Counter

    from jobschedd import ending
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.job import Definition
    from jobschedd.model.running import Running
    from jobschedd.ports import Listener
    from jobschedd.record import Record

OVERLAP = "overlap: the last run is still going"
ONE_WAITS = "overlap: the last run is still going, and one waits already"
REPLACED = "replaced by a newer start"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whether a run starts now. If not, one of the others says why."""

    starts: bool
    waits: str = ""
    skipped: str = ""


class Admission:
    """Used by the scheduler's thread alone."""

    def __init__(
        self, record: Record, catalog: Catalog, running: Running, ends: ending.Ending, listen: Listener
    ) -> None:
        self._record = record
        self._catalog = catalog
        self._running = running
        self._ends = ends
        self._listen = listen
        self.waiting = Waiting()
        self.max_running: int | None = None
        """How many runs may go on at once; None: as many as there are."""

    def has_room(self, coming: int = 0) -> bool:
        """`coming`: how many are about to start."""
        return self.max_running is None or len(self._running) + coming < self.max_running

    def admit(
        self,
        definition: Definition,
        run: Run,
        now: Instant,
        *,
        coming: int = 0,
        variables: tuple[tuple[str, str], ...] = (),
    ) -> Admitted:
        """Whether this run starts now. Else it waits, or is skipped, and that is on the record."""
        job_id, overlap = definition.job.job_id, definition.job.overlap
        if self._running.has_job(job_id) and overlap != "allow":
            if reason := "" if variables else self._skips(overlap, run):
                self._record.passed(run, Outcome.SKIPPED, reason, run.scheduled_at, 1)
                return Admitted(starts=False, skipped=reason)
            if overlap == "replace" and run.cause is not Cause.RETRY:
                self._ends.ask(self._running.of_job(job_id), Asked.STOPPED, REPLACED)
                # Files come once: a run that brings some gives way to nobody.
                for held in self.waiting.drop(job_id, lambda held: run.cause is not Cause.WATCH and not held.variables):
                    self.give_up(held, REPLACED, now)
            return self._wait(Held(run, now, None, "overlap: the last run has to end first", variables), now)
        # Who comes now does not overtake who waits for room.
        if not self.has_room(coming) or (self.max_running is not None and self.waiting.any_ready()):
            return self._wait(Held(run, now, self._too_late(definition, run, now), self._limit(), variables), now)
        return Admitted(starts=True)

    def _wait(self, held: Held, now: Instant) -> Admitted:
        self.hold(held, now)
        return Admitted(starts=False, waits=held.reason)

    def _skips(self, overlap: str, run: Run) -> str:
        """Why a run gives way to the one that goes on; empty: it does not."""
        if run.cause is Cause.WATCH:
            return ""  # its files come once
        # An old instant that is tried again takes no newer one's place.
        if overlap == "skip" or (overlap == "replace" and run.cause is Cause.RETRY):
            return OVERLAP
        return ONE_WAITS if overlap == "queue" and self.waiting.count(run.job_id) else ""

    def _limit(self) -> str:
        return f"limit: max_running = {self.max_running} runs go on already"

    @staticmethod
    def _too_late(definition: Definition, run: Run, now: Instant) -> Instant | None:
        """When the turn of an instant comes too late."""
        if definition.schedule is None or run.cause is not Cause.SCHEDULE:
            return None
        window = catch_up_window(definition.schedule, run.scheduled_at, definition.job.catch_up)
        return max(now, run.scheduled_at) + window

    def hold(self, held: Held, now: Instant) -> None:
        """Have a run wait. On the record: it is claimed, and goes on waiting when the daemon is started anew."""
        self._record.note(Waits(held))
        self.waiting.put(held, now)
        self._listen(event.RunWaits(held.run, held.reason))

    def take(self, now: Instant, coming: Counter[str]) -> Held | None:
        """The run whose turn it is. `coming`: how many of each job are about to start."""

        def may_start(job_id: str) -> bool:
            definition = self._catalog.get(job_id)
            alone = definition is None or definition.job.overlap == "allow"
            return alone or not (self._running.has_job(job_id) or coming[job_id])

        while self.has_room(coming.total()) and (held := self.waiting.take(now, may_start)):
            if held.until is None or now <= held.until:
                return held
            self.give_up(held, f"{held.reason}, for too long", now)
        return None

    def give_up(self, held: Held, reason: str, now: Instant, outcome: Outcome = Outcome.SKIPPED) -> None:
        """It waits no more, and does not start."""
        self._record.ended(held.run, outcome, Ending(None, None, 0, None, reason), None, now)

    def withdraw(self, job_id: str, reason: str, now: Instant) -> list[str]:
        """None of a job's runs waits any more; those that did."""
        dropped = self.waiting.drop(job_id)
        for held in dropped:
            self.give_up(held, reason, now)
        return [held.run.run_id for held in dropped]
