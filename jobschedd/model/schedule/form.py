"""What all forms of `schedule` have in common, and the small ones."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Protocol

from jobschedd.model.run import Instant


class Schedule(Protocol):
    def __hash__(self) -> int: ...

    @property
    def text(self) -> str:
        """As the file says it."""

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:
        """The first instant later than `after`; None: never again.

        `boot` is when this boot of the machine was first seen, the instant that `@reboot` names; None: not told.
        Nothing else enters: asking twice, after a restart, or on another machine gives the same answer.
        """


@dataclass(frozen=True, slots=True)
class Once:
    """An ISO 8601 timestamp."""

    text: str
    at: Instant

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:  # noqa: ARG002 - of the protocol
        return self.at if self.at > after else None


@dataclass(frozen=True, slots=True)
class AtBoot:
    """`@reboot`: once per boot of the machine, not per start of the daemon."""

    text: str = "@reboot"

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:
        return boot if boot is not None and boot > after else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A list of schedules. An instant that several of them name is one instant."""

    parts: tuple[Schedule, ...]
    _seen: list[tuple[Instant | None, list[tuple[Instant, Instant | None]]]] = field(
        default_factory=list, compare=False, repr=False
    )
    """The answer of before: the boot it was given for, and of each part what follows on which moment.

    It holds for every moment up to that instant too, so that a walk asks one part a step and not all.
    """

    @property
    def text(self) -> str:
        return ", ".join(part.text for part in self.parts)

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:
        told, seen = self._seen[0] if self._seen else (boot, [])
        if told != boot or not seen:
            seen = [(after + 1, None)] * len(self.parts)
        answers = [
            answer
            if answer[0] <= after and (answer[1] is None or after < answer[1])
            else (after, part.next(after, boot))
            for answer, part in zip(seen, self.parts, strict=True)
        ]
        self._seen[:] = [(boot, answers)]  # in one piece: the loader's thread asks too
        return min((found for _, found in answers if found is not None), default=None)


@dataclass(frozen=True, slots=True)
class Within:
    """A schedule with the job's `from`, `until` and `except`: no instants outside, none on the days excepted."""

    schedule: Schedule
    first: Instant
    last: Instant
    begins: tuple[Instant, ...]
    """Where what is excepted begins, in order, and below where it ends; nothing overlaps."""
    ends: tuple[Instant, ...]

    @property
    def text(self) -> str:
        return self.schedule.text

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:
        after = max(after, self.first - 1)
        while (found := self.schedule.next(after, boot)) is not None and found <= self.last:
            place = bisect_right(self.begins, found) - 1
            if place < 0 or found >= self.ends[place]:
                return found
            after = self.ends[place] - 1
        return None
