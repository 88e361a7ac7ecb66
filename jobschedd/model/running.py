"""The running set: runs that were handed to the runner and have not ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.run import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.run import Instant, Run


@dataclass(slots=True)
class Active:
    run: Run
    started_at: Instant | None = None
    stopped: bool = False
    """It was asked to end."""


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

    @property
    def ids(self) -> list[str]:
        return list(self._active)

    def get(self, run_id: str) -> Active | None:
        return self._active.get(run_id)

    def has_job(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[Active]:
        return iter(self._active.values())

    def add(self, run: Run, started_at: Instant | None = None) -> None:
        self._active[run.run_id] = Active(run, started_at)
        self._jobs[run.job_id] = self._jobs.get(run.job_id, 0) + 1
        self.catching_up += run.cause is Cause.CATCH_UP

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

    def stop_all(self) -> list[str]:
        """All are asked to end; their ids."""
        for active in self._active.values():
            active.stopped = True
        return self.ids
