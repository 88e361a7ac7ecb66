"""Which instants have been decided, so that no step of the clock brings one back."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from jobschedd.model.policy import Stretch, apart, within
from jobschedd.model.record import Doubted
from jobschedd.model.rows import Rows, merged, up_to

if TYPE_CHECKING:
    from collections.abc import Container

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
    spans: Rows

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
        self._spans: dict[str, tuple[Schedule, Rows]] = {}
        """By job id the schedule that named them, and the spans, in order, and apart from each other."""
        self._noted: Rows = ()
        self._presumed: Rows = ()
        self.doubted: Rows = ()
        """What may have been started, of any job, whatever its schedule; in order, and apart."""

    def __len__(self) -> int:
        return len(self._spans)

    def doubt(self, noted: Rows, presumed: Rows) -> None:
        """What lies in these may have been started too."""
        self._noted, self._presumed = merged([*self._noted, *noted]), merged([*self._presumed, *presumed])
        self.doubted = merged([*self._noted, *self._presumed])

    def step_back(self, now: Instant) -> None:
        """The clock was set back: it was wrong when it said up to where something is to be presumed."""
        self._presumed = up_to(self._presumed, now)
        self.doubt((), ())

    def doubts(self) -> Doubted:
        return Doubted(self._noted, self._presumed)

    def undecided(self, job_id: str, schedule: Schedule, after: Instant) -> Schedule:
        """What the schedule still names later than `after`: the schedule itself, unless the clock went back."""
        return _without(schedule, self.started(job_id, schedule), after)

    def certain(self, job_id: str, schedule: Schedule, after: Instant) -> Schedule:
        """The same without what may have been started."""
        # What is behind is passed by at each decision: it stays for months.
        doubted = self.doubted[bisect_left(self.doubted, after + 1, key=itemgetter(1)) :]
        started = self.started(job_id, schedule)
        return _without(schedule, merged([*started, *doubted]) if doubted else started, after)

    def spans(self, job_id: str, schedule: Schedule) -> Rows:
        """What was started, or may have been; in order, and apart from each other."""
        own = self.started(job_id, schedule)
        return merged([*own, *self.doubted]) if self.doubted else own

    def started(self, job_id: str, schedule: Schedule) -> Rows:
        """In order, and apart from each other."""
        named, spans = self._spans.get(job_id, (schedule, ()))
        # Between two instants of one schedule there may be some of another.
        return spans if named == schedule else ()

    def undecided_of(self, job_id: str, schedule: Schedule, row: Stretch, boot: Instant | None) -> list[Stretch]:
        """A row without what was started or may have been."""
        return apart(schedule, row, self.spans(job_id, schedule), boot)

    def doubted_of(
        self, job_id: str, schedule: Schedule, row: Stretch, boot: Instant | None
    ) -> list[tuple[Stretch, tuple[Instant, Instant]]]:
        """What of a row may have been started, each with the span in which that was."""
        return [
            (part, span)
            for doubted, span in within(schedule, row, self.doubted, boot)
            for part in apart(schedule, doubted, self.started(job_id, schedule), boot)
        ]

    def add(self, job_id: str, schedule: Schedule, instant: Instant, boot: Instant | None) -> None:
        """An instant is decided."""
        first = last = instant
        spans = list(self.started(job_id, schedule))
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


def _without(schedule: Schedule, spans: Rows, after: Instant) -> Schedule:
    ahead = tuple(span for span in spans if span[1] > after)
    return Undecided(schedule, ahead) if ahead else schedule
