"""Which instants have been decided, so that no step of the clock brings one back."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

_MOST_CARRIED = 10_000
"""Instants of one schedule that are carried over to another at most; the record refuses the others."""

_MOST = 64
"""Spans of a job that are behind. Each late wake-up may begin one; the oldest are let go of, and the record refuses what it has."""


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
        self._doubted: dict[str, tuple[tuple[Instant, Instant], ...]] = {}
        """The same of what may have been started, whatever schedule names it."""

    def __len__(self) -> int:
        return len(self._spans)

    def undecided(self, job_id: str, schedule: Schedule, after: Instant) -> Schedule:
        """What the schedule still names later than `after`: the schedule itself, unless the clock went back."""
        ahead = tuple(span for span in self.spans(job_id, schedule) if span[1] > after)
        return Undecided(schedule, ahead) if ahead else schedule

    def spans(self, job_id: str, schedule: Schedule) -> tuple[tuple[Instant, Instant], ...]:
        """First and last of each, in order, and apart from each other."""
        own, doubted = self._own(job_id, schedule), self._doubted.get(job_id)
        return _merged([*own, *doubted]) if doubted else own

    def _own(self, job_id: str, schedule: Schedule) -> tuple[tuple[Instant, Instant], ...]:
        named, spans = self._spans.get(job_id, (schedule, ()))
        # Between two instants of one schedule there may be some of another.
        return spans if named == schedule else ()

    def doubt(self, job_id: str, rows: Iterable[tuple[Instant, Instant]]) -> None:
        """All that lies between may have been started, whatever schedule names it."""
        if rows := [*self._doubted.get(job_id, ()), *rows]:
            self._doubted[job_id] = _merged(rows)

    def add(self, job_id: str, schedule: Schedule, instant: Instant, boot: Instant | None) -> None:
        """An instant is decided."""
        first = last = instant
        spans = list(self._own(job_id, schedule))
        place = bisect_left(spans, instant, key=itemgetter(1))
        if place < len(spans) and spans[place][0] <= instant:
            return
        # The schedule tells whether anything lies between two spans: mostly nothing, and they are one.
        if place and schedule.next(spans[place - 1][1], boot) == first:
            place -= 1
            first = spans.pop(place)[0]
        if place < len(spans) and schedule.next(last, boot) == spans[place][0]:
            last = spans.pop(place)[1]
        spans.insert(place, (first, last))
        # What lies later than what is decided now is ahead, and comes again: none of that is let go of.
        self._spans[job_id] = schedule, tuple(spans[max(0, place + 1 - _MOST) :])

    def carry_over(self, job_id: str, schedule: Schedule, now: Instant, boot: Instant | None) -> None:
        """The job has another schedule. What lies ahead and was decided by the one before is decided."""
        named, spans = self._spans.get(job_id, (schedule, ()))
        if named == schedule:
            return
        ahead: list[Instant] = []
        for first, last in spans:
            # The ends may be instants of yet another schedule.
            instant: Instant | None = first if first > now else named.next(now, boot)
            while instant is not None and now < instant < last and len(ahead) < _MOST_CARRIED:
                ahead.append(instant)
                instant = named.next(instant, boot)
            if last > now:
                ahead.append(last)
        for instant in reversed(ahead):
            self.add(job_id, schedule, instant, boot)

    def forget(self, before: Instant, keep: Container[str]) -> None:
        """Let go of jobs that are not to be kept and have decided nothing since `before`."""
        self._spans = {
            job_id: (schedule, spans)
            for job_id, (schedule, spans) in self._spans.items()
            if spans[-1][1] > before or job_id in keep
        }
        self._doubted = {job_id: rows for job_id, rows in self._doubted.items() if rows[-1][1] > before}


def _merged(rows: Iterable[tuple[Instant, Instant]]) -> tuple[tuple[Instant, Instant], ...]:
    """In order, and apart from each other."""
    merged: list[tuple[Instant, Instant]] = []
    for first, last in sorted(rows):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)
