"""Which instants have been decided, so that no step of the clock brings one back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

_MOST = 64
"""Spans of a job. Each late wake-up may begin one; the oldest are let go of, and the record refuses what it has."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A schedule without the instants that have been decided."""

    schedule: Schedule
    spans: tuple[tuple[Instant, Instant], ...]

    @property
    def text(self) -> str:
        return self.schedule.text

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:
        found = self.schedule.next(after, boot)
        for first, last in self.spans:
            if found is not None and first <= found <= last:
                found = self.schedule.next(last, boot)
        return found


class Decided:
    """Of each job the spans whose instants have all been decided.

    Spans and not the newest instant alone: a clock that stood in 2098 for a minute must not silence a job until then.
    """

    def __init__(self) -> None:
        self._spans: dict[str, tuple[Schedule, tuple[tuple[Instant, Instant], ...]]] = {}
        """By job id the schedule that named them, and the spans, in order, and apart from each other."""

    def __len__(self) -> int:
        return len(self._spans)

    def undecided(self, job_id: str, schedule: Schedule, after: Instant) -> Schedule:
        """What the schedule still names later than `after`: the schedule itself, unless the clock went back."""
        ahead = tuple(span for span in self.spans(job_id, schedule) if span[1] > after)
        return Undecided(schedule, ahead) if ahead else schedule

    def spans(self, job_id: str, schedule: Schedule) -> tuple[tuple[Instant, Instant], ...]:
        """First and last of each, in order, and apart from each other."""
        named, spans = self._spans.get(job_id, (schedule, ()))
        # Between two instants of one schedule there may be some of another.
        return spans if named == schedule else ()

    def add(self, job_id: str, schedule: Schedule, instant: Instant, boot: Instant | None) -> None:
        """An instant is decided."""
        self.add_row(job_id, schedule, instant, instant, boot)

    def add_row(self, job_id: str, schedule: Schedule, first: Instant, last: Instant, boot: Instant | None) -> None:
        """All that lies between two moments is decided, they as well."""
        spans = list(self.spans(job_id, schedule))
        place = bisect_left(spans, first, key=itemgetter(1))
        end = bisect_right(spans, last, key=itemgetter(0))
        if place < end:
            first, last = min(first, spans[place][0]), max(last, spans[end - 1][1])
            del spans[place:end]
        # The schedule tells whether anything lies between two spans: mostly nothing, and they are one.
        if place and schedule.next(spans[place - 1][1], boot) == first:
            place -= 1
            first = spans.pop(place)[0]
        if place < len(spans) and schedule.next(last, boot) == spans[place][0]:
            last = spans.pop(place)[1]
        spans.insert(place, (first, last))
        self._spans[job_id] = schedule, tuple(spans[-_MOST:])

    def carry_over(self, job_id: str, schedule: Schedule, now: Instant, boot: Instant | None) -> None:
        """The job has another schedule. What lies ahead and was decided by the one before is decided."""
        named, spans = self._spans.get(job_id, (schedule, ()))
        if named == schedule:
            return
        for first, last in spans:
            # The ends may be instants of yet another schedule.
            instant: Instant | None = first if first > now else named.next(now, boot)
            while instant is not None and now < instant <= last:
                self.add(job_id, schedule, instant, boot)
                instant = named.next(instant, boot)
            if last > now:
                self.add(job_id, schedule, last, boot)

    def forget(self, before: Instant, keep: Container[str]) -> None:
        """Let go of jobs that are not to be kept and have decided nothing since `before`."""
        self._spans = {
            job_id: (schedule, spans)
            for job_id, (schedule, spans) in self._spans.items()
            if spans[-1][1] > before or job_id in keep
        }
