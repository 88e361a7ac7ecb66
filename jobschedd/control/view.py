"""What somebody who asks what happens may see of it, from one moment to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobschedd.control.jobs import Jobs, pattern
from jobschedd.model.event import JobLoaded
from jobschedd.world.varlink import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobschedd.control.asking import House
    from jobschedd.control.callers import Caller
    from jobschedd.control.feed import Written
    from jobschedd.model.event import Event

MOST_RUNS = 10_000
"""Whose they are is remembered."""


class View:
    """Whose a job is changes with its file; a run is of whom its job was when it was started.

    Who may not see all sees the runs that the version in force has started.
    """

    def __init__(self, caller: Caller, house: House, jobs: Jobs, glob: str | None = None) -> None:
        """Raises Refused."""
        self._caller = caller
        self._house = house
        self._jobs = jobs
        self._everything = caller.may_all and glob is None
        self._matches = pattern(glob)
        self._theirs: dict[str, str | None] = {}
        """By job id: the digest of the version in force; None: it is somebody else's."""
        self._runs: dict[str, bool] = {}

    def hear(self, told: Event | Written) -> None:
        """To be called with what is told before what it says is shown."""
        if isinstance(told, JobLoaded) and not self._caller.may_all:
            digest = told.definition.digest if self._caller.sees(told.definition) else None
            self._theirs[told.definition.job.job_id] = digest

    def sees(self, job_id: str) -> bool:
        return self._caller.may_all or self._digest(job_id) is not None

    def shows(self, entry: Mapping[str, Any]) -> bool:
        """One without a job is of the daemon."""
        job_id, run_id = entry["job_id"], entry["run_id"]
        if self._everything or not job_id:
            return self._everything
        if not self._matches(job_id) or not self.sees(job_id):
            return False
        return self._caller.may_all or run_id is None or self.is_theirs(job_id, run_id)

    def is_theirs(self, job_id: str, run_id: str) -> bool:
        if run_id not in self._runs:
            with self._house.record() as reader:
                row = reader.run(run_id)
            if len(self._runs) >= MOST_RUNS:
                self._runs.clear()
            self._runs[run_id] = row is not None and row.definition == self._digest(job_id)
        return self._runs[run_id]

    def _digest(self, job_id: str) -> str | None:
        if job_id not in self._theirs:
            try:
                self._theirs[job_id] = self._jobs.find(self._caller, job_id).definition.digest
            except Refused:
                self._theirs[job_id] = None
        return self._theirs[job_id]
