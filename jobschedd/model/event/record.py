"""What became of the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jobschedd.model.event.kind import ERROR, NOTICE, WARNING, Plain
from jobschedd.model.span import show_duration


@dataclass(frozen=True, slots=True)
class RecordFailing:
    """What happens is kept in memory until it can be written."""

    NAME: ClassVar[str] = "record_failing"
    MESSAGE_ID: ClassVar[str] = "04cd2b12b7b14c13ad68078463704f01"
    reason: str
    noted: bool
    """The next daemon will know since when starts were not written down."""

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        risk = (
            "" if self.noted else ", which cannot be noted either: should the machine go down now, they may run again"
        )
        return f"degraded: the record cannot be written: {self.reason}; jobs go on, and what they do is kept in memory{risk}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_REASON": self.reason}


@dataclass(frozen=True, slots=True)
class RecordHealed:
    NAME: ClassVar[str] = "record_healed"
    MESSAGE_ID: ClassVar[str] = "36c1d4411af04308a09fba5d7f5b0f54"
    written: int
    dropped: int
    took_usec: int

    @property
    def priority(self) -> int:
        return WARNING if self.dropped else NOTICE

    def line(self) -> str:
        lost = f"; {self.dropped} had to be dropped" if self.dropped else ""
        return (
            f"the record can be written again after {show_duration(self.took_usec)}:"
            f" {self.written} entries that were kept in memory are written{lost}"
        )

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_COUNT": str(self.written), "JOBSCHEDD_DROPPED": str(self.dropped)}


@dataclass(frozen=True, slots=True)
class RecordUnwritten:
    """The daemon ends, and the record cannot be written."""

    NAME: ClassVar[str] = "record_unwritten"
    MESSAGE_ID: ClassVar[str] = "7d078026cd6f4000bc5afbd764498aa8"
    entries: int

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"{self.entries} entries are lost: the record could not be written before the end"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_COUNT": str(self.entries)}


@dataclass(frozen=True, slots=True)
class RecordSetAside:
    """A record that cannot be used, or is gone; a new one was begun."""

    NAME: ClassVar[str] = "record_set_aside"
    MESSAGE_ID: ClassVar[str] = "e7b46e5e23b84a7d9d6085740d8a9ad3"
    reason: str
    path: str
    """Where it is now; empty: it is gone."""

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        kept = f" and is kept as {self.path}" if self.path else ""
        return f"the record could not be used ({self.reason}){kept}; a new one was begun"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_FILE": self.path, "JOBSCHEDD_REASON": self.reason}


@dataclass(frozen=True, slots=True)
class ClaimRefused:
    """The record says that this instant was started before."""

    NAME: ClassVar[str] = "claim_refused"
    MESSAGE_ID: ClassVar[str] = "c793e6d28d4e4f5fb6817d4c48660486"
    job_id: str
    instant: str

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return f"{self.job_id}: {self.instant} is not started: the record says that it was, before"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id, "JOBSCHEDD_SCHEDULED_AT": self.instant}


@dataclass(frozen=True, slots=True)
class JobPaused(Plain):
    NAME: ClassVar[str] = "job_paused"
    MESSAGE_ID: ClassVar[str] = "3799abba0ea648369b1ebea7b22f21ba"
    job_id: str
    paused: bool

    def line(self) -> str:
        return f"{self.job_id}: {'paused: its instants pass until it is resumed' if self.paused else 'resumed'}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id}
