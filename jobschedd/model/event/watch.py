"""What became of the files that jobs wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jobschedd.model.event.kind import INFO, WARNING


@dataclass(frozen=True, slots=True)
class WatchChanged:
    """A job's watch that cannot see as it should, or can see again."""

    NAME: ClassVar[str] = "watch_changed"
    MESSAGE_ID: ClassVar[str] = "b518f727b0f0416da4b3da39e7e0d620"
    job_id: str
    path: str
    text: str
    good: bool

    @property
    def priority(self) -> int:
        return INFO if self.good else WARNING

    def line(self) -> str:
        return f"{self.job_id}: watch of {self.path}: {self.text}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id, "JOBSCHEDD_WATCH": self.path}


@dataclass(frozen=True, slots=True)
class ArrivalsRefused:
    """Files that came to rest and are told to no run, because of their names."""

    NAME: ClassVar[str] = "arrivals_refused"
    MESSAGE_ID: ClassVar[str] = "4b36f6be911140838a9c114ebe61c8af"
    job_id: str
    count: int
    example: str
    """The path of one of them, escaped."""

    @property
    def priority(self) -> int:
        return WARNING

    def line(self) -> str:
        what = "a file with a newline in its path"
        if self.count > 1:
            what = f"{self.count} files with a newline in their paths"
        return f"{self.job_id}: left out {what}: {self.example}; rename it to have it told to a run"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id}
