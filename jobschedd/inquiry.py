"""What is asked of the scheduler, and told to it, by people: how it stands, start this, end that.

Used by the scheduler's thread alone. Each answer is a copy, and takes no longer than a start may be late.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jobschedd.model import event, message
from jobschedd.model.record import Paused
from jobschedd.model.run import Asked, Outcome

if TYPE_CHECKING:
    from jobschedd.dispatch import Dispatch
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.run import Instant
    from jobschedd.ports import Listener
    from jobschedd.record import Record


class Inquiry:
    def __init__(self, catalog: Catalog, dispatch: Dispatch, record: Record, listen: Listener) -> None:
        self._catalog = catalog
        self._dispatch = dispatch
        self._record = record
        self._listen = listen

    def answer(self, asked: message.Question, now: Instant) -> None:
        match asked:
            case message.AskStatus(reply):
                reply.put(self.status())
            case message.AskNext(job_id, next_reply):
                definition = self._catalog.get(job_id)
                next_reply.put(None if definition is None else self._dispatch.timetable.next_start(definition))
            case message.AskJobIds(ids_reply):
                ids_reply.put(self._catalog.job_ids())
            case message.AskJobs(job_ids, jobs_reply):
                jobs_reply.put(self._jobs(job_ids))
            case message.AskTroubles(troubles_reply):
                troubles_reply.put(self._catalog.troubles())
            case message.Pause(job_id, changed_reply) | message.Resume(job_id, changed_reply):
                changed_reply.put(self._pause(job_id, now, paused=isinstance(asked, message.Pause)))
            case message.Start(job_id, uid, started_reply):
                definition = self._catalog.get(job_id)
                started_reply.put(None if definition is None else self._dispatch.start_asked(definition, uid, now))
            case message.End(name, reason, ended_reply):
                ended_reply.put(self._end(name, reason, now))

    def status(self) -> message.Status:
        dispatch = self._dispatch
        return message.Status(
            jobs=len(self._catalog),
            problems=self._catalog.problems,
            running=len(dispatch.running),
            waiting=len(dispatch.admission.waiting),
            agenda=len(dispatch.timetable),
            next_due=dispatch.timetable.first(),
            in_arrears=len(dispatch.timetable.arrears),
            stopping=dispatch.stopping,
            degraded=self._record.degraded,
        )

    def _jobs(self, job_ids: tuple[str, ...]) -> tuple[message.JobNow, ...]:
        waiting = Counter(held.run.job_id for held in self._dispatch.admission.waiting)
        return tuple(
            message.JobNow(
                definition=definition,
                next_due=self._dispatch.timetable.next_start(definition),
                paused=job_id in self._dispatch.paused,
                running=self._dispatch.running.count(job_id),
                waiting=waiting[job_id],
                problems=self._catalog.problems_of(definition),
                delay=self._dispatch.timetable.delay(definition),
                rivals=self._catalog.rivals(job_id),
            )
            for job_id in job_ids
            if (definition := self._catalog.get(job_id)) is not None
        )

    def _pause(self, job_id: str, now: Instant, *, paused: bool) -> bool | None:
        definition = self._catalog.get(job_id)
        dispatch = self._dispatch
        if definition is None and (paused or job_id not in dispatch.paused):
            return None
        if paused is (job_id in dispatch.paused):
            return False
        self._record.note(Paused(job_id, now if paused else None))
        if not paused:
            dispatch.paused.discard(job_id)
        elif definition is not None:
            dispatch.paused.add(job_id)
            dispatch.admission.withdraw(job_id, "paused", now)
            for stretch in dispatch.timetable.withdraw(definition, now):
                dispatch.passing.pass_all(definition, stretch, Outcome.SKIPPED, "paused", now)
            dispatch.timetable.plan(definition, now)
        self._listen(event.JobPaused(job_id, paused=paused))
        return True

    def _end(self, name: str, reason: str, now: Instant) -> tuple[str, ...] | None:
        admission, running = self._dispatch.admission, self._dispatch.running
        if active := running.get(name):
            self._dispatch.ends.ask([active], Asked.STOPPED, reason)
            return (name,)
        if held := admission.waiting.withdraw(name):
            admission.give_up(held, reason, now)
            return (name,)
        waited = admission.withdraw(name, reason, now)
        actives = running.of_job(name)
        if not actives and not waited and name not in self._catalog:
            return None
        self._dispatch.ends.ask(actives, Asked.STOPPED, reason)
        return (*(active.run.run_id for active in actives), *waited)
