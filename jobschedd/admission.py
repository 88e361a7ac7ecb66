"""Who may start now, who waits for its turn, and who gives way: `overlap` of each job, and `max_running` of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model import event
from jobschedd.model.policy import catch_up_window
from jobschedd.model.record import Passed, Waits
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
WAITS = "overlap: the last start still waits"
HAS_TO_END = "overlap: the last run has to end first"
HAS_TO_START = "overlap: the last start has to go first"
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
        self._broken_off: list[tuple[Held, str]] = []
        """Further attempts that are not made, and why."""
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
        # Files come once: a run that brings some is never skipped.
        if reason := "" if variables else self.gives_way(definition):
            self._record.passed(Passed(run, Outcome.SKIPPED, reason, run.scheduled_at, 1))
            return Admitted(starts=False, skipped=reason)
        if not (reason := self._waits(definition, coming)):
            return Admitted(starts=True)
        until = None if reason == HAS_TO_END else self._too_late(definition, run, now)
        self.hold(Held(run, now, until, reason, variables), now)
        if definition.job.overlap == "replace":
            self._replace(run, now)
        return Admitted(starts=False, waits=reason)

    def gives_way(self, definition: Definition, *, retry: bool = False) -> str:
        """Why a start without files is skipped now; empty: it is not. One that waits for its turn is as good as going.

        `retry`: an old instant that is tried again takes no newer one's place.
        """
        job_id, overlap = definition.job.job_id, definition.job.overlap
        if overlap == "allow":
            return ""
        going, waiting = self._running.has_job(job_id), self.waiting.ready(job_id)
        if overlap == "queue" and not all(held.variables for held in waiting):
            return ONE_WAITS if going else WAITS
        if (overlap == "skip" or (overlap == "replace" and retry)) and (going or waiting):
            return OVERLAP if going else WAITS
        return ""

    def _waits(self, definition: Definition, coming: int) -> str:
        """What a start has to wait for; empty: nothing."""
        job_id = definition.job.job_id
        if not self._may_start(job_id):
            return HAS_TO_END
        # Who comes now does not overtake who waits for room.
        if not self.has_room(coming) or (self.max_running is not None and self.waiting.any_ready(self._may_start)):
            return f"limit: max_running = {self.max_running} runs go on already"
        return HAS_TO_START if definition.job.overlap != "allow" and self.waiting.ready(job_id) else ""

    def _may_start(self, job_id: str, coming: int = 0) -> bool:
        """Whether the job's own `overlap` lets it start now. `coming`: how many of it are about to start."""
        definition = self._catalog.get(job_id)
        if definition is None or definition.job.overlap == "allow":
            return True
        return not (coming or self._running.has_job(job_id))

    def _replace(self, run: Run, now: Instant) -> None:
        """A run, which waits already, takes the place of the others of its job."""
        self._ends.ask(self._running.of_job(run.job_id), Asked.STOPPED, REPLACED)
        if run.cause is not Cause.WATCH:
            for held in self.waiting.drop_ready(run.job_id, lambda held: held.run is not run and not held.variables):
                self.give_up(held, REPLACED, now)

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

    def go_on(self, held: Held, now: Instant) -> None:
        """One that is on the record goes on waiting; if its moment has come, for its turn.

        A further attempt is a start like any other: `overlap` decides when its moment has come.
        """
        definition = self._catalog.get(held.run.job_id)
        if held.since > now or definition is None or held.run.cause is not Cause.RETRY or held.variables:
            self.waiting.put(held, now)
        elif reason := self.gives_way(definition, retry=True):
            self.give_up(held, reason, now)
        else:
            self.waiting.queue(held)

    def pass_time(self, now: Instant) -> None:
        """The moment of some has come."""
        self.expire(now)
        for held in self.waiting.come(now):
            self.go_on(held, now)

    def expire(self, now: Instant) -> None:
        """Some have waited too long."""
        for held in self.waiting.expire(now):
            self.give_up(held, f"{held.reason}, for too long", now)

    def take(self, coming: Counter[str]) -> Held | None:
        """The run whose turn it is. `coming`: how many of each job are about to start."""
        if not self.has_room(coming.total()):
            return None
        return self.waiting.take(lambda job_id: self._may_start(job_id, coming[job_id]))

    def give_up(self, held: Held, reason: str, now: Instant, outcome: Outcome = Outcome.SKIPPED) -> None:
        """It waits no more, and does not start."""
        if held.run.cause is Cause.RETRY and outcome is Outcome.SKIPPED:
            # On the record together with who follows now that the last attempt was the one before it.
            self._broken_off.append((held, reason))
        else:
            self._record.ended(held.run, outcome, Ending(None, None, 0, None, reason), None, now)

    def take_broken_off(self, now: Instant) -> list[Held]:
        """The attempts that were given up since this was last asked; they are on the record now."""
        broken_off, self._broken_off = self._broken_off, []
        for held, reason in broken_off:
            self._record.ended(held.run, Outcome.SKIPPED, Ending(None, None, 0, None, reason), None, now)
        return [held for held, _ in broken_off]

    def withdraw(self, job_id: str, reason: str, now: Instant) -> list[str]:
        """None of a job's runs waits any more; those that did."""
        dropped = self.waiting.drop(job_id)
        for held in dropped:
            self.give_up(held, reason, now)
        return [held.run.run_id for held in dropped]
