"""The daemon itself: how it is, and that it reads everything again."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from jobschedd.control.asking import House, Reloaded
from jobschedd.model import event, message

if TYPE_CHECKING:
    from jobschedd.control.callers import Caller
    from jobschedd.control.feed import Written

RELOADED_WITHIN = 300.0
"""Seconds; 100,000 files take ten."""

MOST_CHANGES = 300
"""That are told one by one; the journal has all."""


class Self:
    def __init__(self, house: House) -> None:
        self._house = house

    def status(self, _caller: Caller) -> dict[str, Any]:
        reply: SimpleQueue[message.Status] = SimpleQueue()
        status = self._house.ask(message.AskStatus(reply), reply)
        return {
            "daemon": self._house.facts
            | {
                "jobs": status.jobs,
                "problems": status.problems,
                "running": status.running,
                "waiting": status.waiting,
                "next_due": None if status.next_due is None else event.show_instant(status.next_due),
                "degraded": status.degraded or None,
                "stopping": status.stopping,
                "jobs_dirs": list(self._house.jobs_dirs()),
            }
        }

    def reload(self, caller: Caller) -> dict[str, Any]:
        self._house.listen(event.ControlAsked("reload", "", caller.uid, caller.peer.pid))
        with self._house.feed.follow() as following:
            reply: SimpleQueue[Reloaded] = SimpleQueue()
            self._house.reload(reply)
            reloaded = self._house.await_answer(reply, RELOADED_WITHIN)
            changes = [change for told in following.take() if (change := _change(told)) is not None]
        return {
            "jobs": reloaded.jobs,
            "problems": reloaded.problems,
            "changes": changes[:MOST_CHANGES],
            "left_out": max(0, len(changes) - MOST_CHANGES),
            "settings_refused": reloaded.refused or None,
        }


def _change(told: event.Event | Written) -> dict[str, Any] | None:
    match told:
        case event.JobLoaded(definition, replaced):
            change = "replaced" if replaced else "loaded"
            return {"change": change, "job_id": definition.job.job_id, "file": definition.path}
        case event.JobRemoved(job_id, path):
            return {"change": "removed", "job_id": job_id, "file": path}
        case event.ProblemFound(path, problems, kept):
            text = "; ".join(map(str, problems))
            return {"change": "problem", "job_id": kept, "file": path, "text": text[:1_000]}
        case event.ProblemCleared(path):
            return {"change": "solved", "file": path}
    return None
