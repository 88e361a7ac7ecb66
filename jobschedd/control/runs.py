"""What is done to jobs and their runs, by those who may; each is said, with who asked."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from jobschedd.control.asking import House, no_such_job
from jobschedd.model import event, message
from jobschedd.model.run import SECOND
from jobschedd.world.varlink import Refused

if TYPE_CHECKING:
    from collections.abc import Generator

    from jobschedd.control.callers import Caller
    from jobschedd.control.entries import End, Entries


class Runs:
    def __init__(self, house: House, entries: Entries) -> None:
        self._house = house
        self._entries = entries

    def run(self, caller: Caller, *, job_id: str) -> Generator[dict[str, Any], None, dict[str, Any]]:
        with self._house.feed.follow() as following:
            self._say(caller, f"start {job_id}", job_id)
            since = self._house.clock.now()
            reply: SimpleQueue[message.Started | None] = SimpleQueue()
            started = self._house.ask(message.Start(job_id, caller.uid, reply), reply)
            if started is None:
                raise no_such_job(job_id)
            if started.refusal:
                raise Refused("io.jobschedd.NotStarted", job_id=job_id, reason=started.refusal)
            first = {"run_id": started.run_id, "waits": started.waits or None}
            if not caller.more:
                return first
            yield first
            end = yield from self._entries.of_run(caller.gone, following, job_id, started.run_id, since)
        return {"run": self._row(end)}

    def _row(self, end: End) -> dict[str, Any]:
        """As the record will have it in a moment."""
        run = end.run
        row = {
            "run_id": run.run_id,
            "job_id": run.job_id,
            "definition": run.definition,
            "cause": run.cause,
            "uid": run.uid,
            "scheduled_at": event.show_instant(run.scheduled_at),
            "first_scheduled_at": None,
            "instants": 1,
            "attempt": run.attempt,
            "pid": None,
            "outcome": end.outcome,
            "host": self._house.facts["host"],
            "labels": dict(run.labels),
        }
        if isinstance(end, event.InstantPassed):
            return row | _NEVER_BEGAN | {"reason": end.reason}
        ending = end.ending
        return row | {
            "started_at": None if end.started_at is None else event.show_instant(end.started_at),
            "ended_at": event.show_instant(end.ended_at),
            "reason": ending.reason or None,
            "exit_code": ending.exit_code,
            "signal": ending.signal,
            "cpu_seconds": ending.cpu_usec / SECOND,
            "memory_peak": ending.memory_peak,
        }

    def stop(self, caller: Caller, *, name: str) -> dict[str, Any]:
        self._say(caller, f"stop {name}", "")
        reason = f"stopped by uid {caller.uid}"
        reply: SimpleQueue[tuple[str, ...] | None] = SimpleQueue()
        ended = self._house.ask(message.End(name, reason, reply), reply)
        if ended is None:
            raise Refused("io.jobschedd.NothingNamed", name=name)
        return {"run_ids": list(ended)}

    def pause(self, caller: Caller, *, job_id: str) -> dict[str, Any]:
        return self._pause(caller, job_id, "pause", message.Pause)

    def resume(self, caller: Caller, *, job_id: str) -> dict[str, Any]:
        return self._pause(caller, job_id, "resume", message.Resume)

    def _pause(
        self, caller: Caller, job_id: str, what: str, make: type[message.Pause | message.Resume]
    ) -> dict[str, Any]:
        self._say(caller, f"{what} {job_id}", job_id)
        reply: SimpleQueue[bool | None] = SimpleQueue()
        changed = self._house.ask(make(job_id, reply), reply)
        if changed is None:
            raise no_such_job(job_id)
        return {"changed": changed}

    def _say(self, caller: Caller, what: str, job_id: str) -> None:
        self._house.listen(event.ControlAsked(what[:200], job_id, caller.uid, caller.peer.pid))


_NEVER_BEGAN = dict.fromkeys(
    ("started_at", "ended_at", "reason", "exit_code", "signal", "cpu_seconds", "memory_peak"), None
)
