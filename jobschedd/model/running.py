"""The running set: runs that were handed to the runner and have not ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.run import Asked, Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.run import Instant, Run


@dataclass(slots=True)
class Active:
    run: Run
    started_at: Instant | None = None
    pid: int | None = None
    asked: Asked = Asked.NOT
    """It was asked to end, and why."""
    reason: str = ""
    """The same in words."""
    kills: int = 0
    """How often it was sent SIGKILL."""
    variables: tuple[tuple[str, str], ...] = ()
    """Which files it was started for, as its environment has it: they come once, and a further attempt is for them too."""


class Running:
    def __init__(self) -> None:
        self._active: dict[str, Active] = {}
        """By run id."""
        self._jobs: dict[str, int] = {}
        """How many runs of a job are active, where there are any."""
        self.catching_up = 0
        """How many of them were owed from before."""

    def __len__(self) -> int:
        return len(self._active)

    def get(self, run_id: str) -> Active | None:
        return self._active.get(run_id)

    def has_job(self, job_id: str) -> bool:
        return job_id in self._jobs

    def count(self, job_id: str) -> int:
        return self._jobs.get(job_id, 0)

    def __iter__(self) -> Iterator[Active]:
        return iter(self._active.values())

    def add(
        self,
        run: Run,
        started_at: Instant | None = None,
        pid: int | None = None,
        variables: tuple[tuple[str, str], ...] = (),
    ) -> Active:
        active = self._active[run.run_id] = Active(run, started_at, pid, variables=variables)
        self._jobs[run.job_id] = self._jobs.get(run.job_id, 0) + 1
        self.catching_up += run.cause is Cause.CATCH_UP
        return active

    def leave(self, run_id: str) -> Active | None:
        """Take a run out; None: it is not in it any more."""
        active = self._active.pop(run_id, None)
        if active is None:
            return None
        job_id = active.run.job_id
        self._jobs[job_id] -= 1
        if not self._jobs[job_id]:
            del self._jobs[job_id]
        self.catching_up -= active.run.cause is Cause.CATCH_UP
        return active

    def of_job(self, job_id: str) -> list[Active]:
        return [active for active in self if active.run.job_id == job_id] if job_id in self._jobs else []
