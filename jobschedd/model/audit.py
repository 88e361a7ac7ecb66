"""Whether every instant that a job's versions named has an outcome: computed anew, and compared with the record."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

MOST_NAMED = 20
"""Instants that are named one by one; of the others there is the number."""


MOST_WALKED = 10_000
"""Instants of a row that nobody counted which are counted now."""


@dataclass(slots=True)
class Audit:
    """What was found of one job, or of many."""

    instants: int = 0
    """How many the schedules named."""
    explained: int = 0
    rows: int = 0
    """Rows of very many instants, which are not among those numbers: all of them are explained."""
    unexplained: list[tuple[str, Instant]] = field(default_factory=list)
    """The first of them."""
    double: list[tuple[str, Instant]] = field(default_factory=list)
    """Two outcomes: claimed twice by the same attempt, or claimed and said not to have run."""
    early: list[tuple[str, Instant]] = field(default_factory=list)
    """Started before their time."""

    @property
    def unexplained_count(self) -> int:
        return self.instants - self.explained

    @property
    def clean(self) -> bool:
        return not (self.unexplained_count or self.double or self.early)

    def add(self, other: Audit) -> None:
        self.instants += other.instants
        self.explained += other.explained
        self.rows += other.rows
        self.unexplained = (self.unexplained + other.unexplained)[:MOST_NAMED]
        self.double += other.double
        self.early += other.early


@dataclass(frozen=True, slots=True)
class Start:
    """A start that something else than a person asked for: its claim, and when it began."""

    instant: Instant
    attempt: int = 1
    began_at: Instant | None = None
    of_schedule: bool = True
    """Its instant is one of the schedule, and not that of a file or of another run's end."""
    ahead: bool = False
    """The clock was set back to before its instant since."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A version of a job and its time."""

    schedule: Schedule
    delay: int
    """By how much its starts come after its instants."""
    after: Instant
    until: Instant
    """Its instants lie later than `after` and no later than this."""


def audit_job(
    job_id: str,
    versions: Sequence[InForce],
    *,
    starts: Sequence[Start],
    rows: Sequence[tuple[Instant, Instant, int | None]],
    owing: Sequence[tuple[Instant, Instant]] = (),
    boots: Sequence[Sequence[Instant]],
    until: Instant,
) -> Audit:
    """Look at one job's instants up to `until`, when the daemon was last seen to have decided all that was due.

    `rows`: first, last and number of instants that did not run, in order of the first. `owing`: first and last of
    those that still wait for their turn. `boots`: the instants of each boot.
    """
    found = Audit()
    seen: set[tuple[Instant, int]] = set()
    passed = _Cover(rows)
    for start in starts:
        said_not_to_run = start.of_schedule and start.attempt == 1 and passed.over(start.instant)
        if said_not_to_run or (start.instant, start.attempt) in seen:
            found.double.append((job_id, start.instant))
        seen.add((start.instant, start.attempt))
        # A further attempt comes after its instant, unless the clock was set back in between.
        if start.attempt == 1 and not start.ahead and start.began_at is not None and start.began_at < start.instant:
            found.early.append((job_id, start.instant))
    started = {start.instant for start in starts}
    cover = _Cover(sorted([*rows, *((first, last, None) for first, last in owing)], key=lambda row: row[0]))
    # A clock step gives a boot another instant. It had its @reboot at one of them; else it is the last that is missing.
    named = sorted(
        next((instant for instant in boot if instant in started or cover.over(instant)), boot[-1]) for boot in boots
    )
    for version in versions:
        end = min(version.until, until - version.delay)
        after, walked = version.after, 0
        while (due := _next(version.schedule, after, named)) is not None and due <= end:
            after = due
            row = None if due in started else cover.over(due)
            if row and row[0] == due and row[2] and row[1] <= end:
                # As many as they were counted when they passed.
                found.instants += row[2]
                found.explained += row[2]
                after = row[1]
                continue
            walked = walked + 1 if row and row[2] is None else 0
            if row and walked > MOST_WALKED:
                found.rows += 1
                after, walked = min(row[1], end), 0
                continue
            found.instants += 1
            if row or due in started:
                found.explained += 1
            elif len(found.unexplained) < MOST_NAMED:
                found.unexplained.append((job_id, due))
    return found


class _Cover:
    """Rows of instants, asked which of them an instant lies in."""

    def __init__(self, rows: Sequence[tuple[Instant, Instant, int | None]]) -> None:
        self._rows = rows
        self._firsts = [first for first, _, _ in rows]
        self._reach: list[int] = []
        """Up to each row, the one that reaches farthest."""
        for place, (_, last, _) in enumerate(rows):
            before = self._reach[-1] if self._reach else place
            self._reach.append(place if last >= rows[before][1] else before)

    def over(self, instant: Instant) -> tuple[Instant, Instant, int | None] | None:
        place = bisect_right(self._firsts, instant) - 1
        if place < 0:
            return None
        for row in (self._rows[place], self._rows[self._reach[place]]):
            if row[0] <= instant <= row[1]:
                return row
        return None


def _next(schedule: Schedule, after: Instant, boots: Sequence[Instant]) -> Instant | None:
    """Each boot is an instant of `@reboot`: the first one later than `after`."""
    place = bisect_right(boots, after)
    return schedule.next(after, boots[place] if place < len(boots) else None)
