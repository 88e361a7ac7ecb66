"""What becomes of each line, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from jobschedd.ctl.terminal import plain
from jobschedd.model.job import Definition


class Status(StrEnum):
    IMPORTED = "imported"
    WOULD = "would_import"
    THERE = "already_there"
    REFUSED = "refused"
    IGNORED = "ignored"
    """Nothing runs it where it stands either."""
    REPLACED = "replaced"
    """It runs what several jobs run now."""
    NOTED = "noted"
    """It runs nothing by itself: a variable."""


@dataclass(frozen=True, slots=True)
class Place:
    source: str
    """The file, or the unit."""
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    place: Place
    status: Status
    text: str
    job_id: str | None = None
    file: str | None = None
    enabled: bool | None = None
    """Of the job; None: there is none."""
    job: dict[str, Any] | None = None
    """What the file would say; None: there is none, or it is there and says it."""

    def sentence(self) -> str:
        line = f" line {self.place.line}" if self.place.line is not None else ""
        off = ", disabled" if self.enabled is False else ""
        match self.status:
            case Status.IMPORTED | Status.WOULD:
                verb = "imported" if self.status is Status.IMPORTED else "would be imported"
                said = f"{self.place}: {verb} as {self.job_id} ({self.file}){off}; {self.text}"
            case Status.THERE:
                said = f"{self.place}: already there as {self.job_id} ({self.file}){off}"
            case Status.REFUSED:
                said = f"{self.place.source}: cannot import{line or ' it'}: {self.text}"
            case _:
                said = f"{self.place}: {self.text}"
        return plain(said)

    def json(self) -> str:
        values = asdict(self)
        return json.dumps(values.pop("place") | values)


Prove = Callable[[Definition], str]
"""Says how much is proved; raises ValueError where the job would not be due when the original runs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that is to be written."""

    place: Place
    name: str
    """What its id is made from."""
    values: dict[str, Any]
    """The keys of its file but `job_id`."""
    prove: Prove
    private: bool = False
    """Not everybody may read where it comes from."""
    notes: tuple[str, ...] = ()


Answer = Wanted | Finding


def text_of(job: dict[str, Any]) -> str:
    """A job's file. What a terminal would obey is escaped, as JSON has it, so that it can be looked at."""
    text = json.dumps(job, indent=2, ensure_ascii=False)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text) + "\n"


def refused(place: Place, text: str) -> Finding:
    return Finding(place, Status.REFUSED, text)


def ignored(place: Place, text: str) -> Finding:
    return Finding(place, Status.IGNORED, text)


def replaced(place: Place, text: str) -> Finding:
    return Finding(place, Status.REPLACED, text)


def noted(place: Place, text: str) -> Finding:
    return Finding(place, Status.NOTED, text)
