"""What was: the record, for those who cannot read its file."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from jobschedd.control.asking import House, no_such_job
from jobschedd.control.jobs import pattern
from jobschedd.explanation import Explanation
from jobschedd.model import message
from jobschedd.model.error import BadFile
from jobschedd.model.run import Outcome
from jobschedd.world.varlink import Refused

if TYPE_CHECKING:
    from collections.abc import Generator

    from jobschedd.control.callers import Caller
    from jobschedd.control.jobs import Jobs

MOST = 10_000
AT_ONCE = 100
"""Rows in one reply."""


class Past:
    def __init__(self, house: House, jobs: Jobs) -> None:
        self._house = house
        self._jobs = jobs

    def history(
        self,
        caller: Caller,
        *,
        glob: str | None = None,
        since: str | None = None,
        until: str | None = None,
        outcome: str | None = None,
        limit: int | None = None,
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        bounds = {
            name: self._house.moment(name, text)
            for name, text in (("since", since), ("until", until))
            if text is not None
        }
        if outcome is not None and outcome not in [*Outcome]:
            known = ", ".join(Outcome)
            raise Refused("io.jobschedd.CannotRead", parameter="outcome", text=f"no such outcome; write one of {known}")
        most = min(50 if limit is None else max(0, limit), MOST)
        patterns = [glob or "*"]
        pattern(glob)
        theirs: dict[str, str] = {}
        if not caller.may_all:
            # What belonged to whom is known of the jobs that are there, as they are now.
            jobs_now = [job.definition for page in self._jobs.pages(caller, glob) for job in page]
            theirs = {definition.job.job_id: definition.digest for definition in jobs_now}
            patterns = list(theirs)
        with self._house.record() as reader:
            rows = [row for jobs in patterns for row in reader.history(jobs, most, outcome=outcome, **bounds)]
        if not caller.may_all:
            rows = [row for row in rows if row.definition == theirs[row.job_id]]
        rows.sort(key=lambda row: row.run_id)
        told = [row.told() for row in rows[-most:]] if most else []
        for start in range(0, len(told), AT_ONCE):
            yield {"runs": told[start : start + AT_ONCE]}
        return {"runs": []}

    def why(self, caller: Caller, *, job_id: str, at: str | None = None) -> dict[str, Any]:
        digest = None if caller.may_all else self._jobs.find(caller, job_id).definition.digest
        reply: SimpleQueue[message.Status] = SimpleQueue()
        degraded = self._house.ask(message.AskStatus(reply), reply).degraded
        now = self._house.clock.now()
        moment = now if at is None else self._house.moment("at", at)
        with self._house.record() as reader:
            # What it was when it belonged to somebody else is not theirs.
            versions = [version for version in reader.versions(job_id) if digest in (None, version.digest)]
            if not versions:
                raise no_such_job(job_id)
            try:
                explanation = Explanation(
                    reader, versions, moment, now=now, zones=self._house.zones, digest=digest, degraded=degraded
                )
                return {"answer": explanation.words(), "runs": [row.told() for row in explanation.rows]}
            except BadFile as error:
                raise Refused("io.jobschedd.RecordUnreadable", text=str(error)) from None
