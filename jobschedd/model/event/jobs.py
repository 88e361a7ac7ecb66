"""What became of a job file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jobschedd.model.event.kind import DEBUG, ERROR, INFO, Plain
from jobschedd.model.run import Instant, show_instant
from jobschedd.model.schedule import names_boot

if TYPE_CHECKING:
    from jobschedd.model.error import Problem
    from jobschedd.model.job import Definition


@dataclass(frozen=True, slots=True)
class JobLoaded(Plain):
    """A job came, or came in a new version."""

    NAME: ClassVar[str] = "job_loaded"
    MESSAGE_ID: ClassVar[str] = "e7e55d35d2e343e8b3635e0d023b8610"
    definition: Definition
    replaced: bool
    next_due: Instant | None
    now: Instant
    bulk: bool = False
    """One of very many at once: the sum is said, each one only at debug level."""

    @property
    def priority(self) -> int:
        return DEBUG if self.bulk else INFO

    def line(self) -> str:
        verb = "replaced" if self.replaced else "loaded"
        schedule = self.definition.schedule
        if not self.definition.job.enabled:
            due = "not enabled"
        elif self.next_due is not None:
            due = f"next due {show_instant(self.next_due)}"
        elif schedule is not None and names_boot(schedule, self.now):
            due = "due when the machine boots"
        elif schedule is None:
            due = "runs after other jobs, or when files arrive"
        else:
            due = "its time has passed: never due"
        return f"{self.definition.job.job_id}: {verb} from {self.definition.path}; {due}"

    def fields(self) -> dict[str, str]:
        fields = {
            "JOBSCHEDD_JOB": self.definition.job.job_id,
            "JOBSCHEDD_FILE": self.definition.path,
            "JOBSCHEDD_DEFINITION": self.definition.digest,
        }
        if self.next_due is not None:
            fields["JOBSCHEDD_NEXT_DUE"] = show_instant(self.next_due)
        return fields


@dataclass(frozen=True, slots=True)
class JobRemoved(Plain):
    NAME: ClassVar[str] = "job_removed"
    MESSAGE_ID: ClassVar[str] = "1c7ac9fa08e64620b12bae869f8bb030"
    job_id: str
    path: str

    def line(self) -> str:
        return f"{self.job_id}: removed, {self.path} does not describe it any more"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id, "JOBSCHEDD_FILE": self.path}


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """A file that cannot be used as it is."""

    NAME: ClassVar[str] = "problem_found"
    MESSAGE_ID: ClassVar[str] = "22ed015b28324a3a926d42a8b5f004ae"
    path: str
    problems: tuple[Problem, ...]
    kept: str | None
    """The job whose last good version stays in force."""

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        kept = f"; the last good version of {self.kept} stays in force" if self.kept else ""
        return "; ".join(f"{self.path}: {problem}" for problem in self.problems) + kept

    def fields(self) -> dict[str, str]:
        fields = {"JOBSCHEDD_FILE": self.path}
        if self.kept:
            fields["JOBSCHEDD_JOB"] = self.kept
        return fields


@dataclass(frozen=True, slots=True)
class ProblemCleared(Plain):
    NAME: ClassVar[str] = "problem_cleared"
    MESSAGE_ID: ClassVar[str] = "39db513912ef4349bfc85a0bbe70fc52"
    path: str

    def line(self) -> str:
        return f"{self.path}: no problem any more"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_FILE": self.path}


@dataclass(frozen=True, slots=True)
class JobQuarantined:
    """A bug of ours met this job; it is set aside until its file changes, the others go on."""

    NAME: ClassVar[str] = "job_quarantined"
    MESSAGE_ID: ClassVar[str] = "bdd70cfa2bd44175ac1f071905048d8e"
    job_id: str
    trace: str

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"{self.job_id}: set aside until its file changes, jobschedd failed on it: {self.trace}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id}
