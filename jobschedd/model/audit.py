"""Whether every instant that a job's versions named has an outcome: computed anew, and compared with the record."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    @property
    def early(self) -> bool:
        # A further attempt comes after its instant, unless the clock was set back in between.
        may_be = self.of_schedule and self.attempt == 1 and not self.ahead
        return may_be and self.began_at is not None and self.began_at < self.instant


@dataclass(frozen=True, slots=True)
class InForce:
    """A version of a job and its time."""

    schedule: Schedule
    delay: int
    """By how much its starts come after its instants."""
    after: Instant
    until: Instant
    """Its instants lie later than `after` and no later than this."""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Instants that did not run, or wait for their turn."""

    first: Instant
    last: Instant
    count: int | None
    """None: nobody counted them."""
    digest: str = ""
    """The version of the job that named them."""


def audit_job(
    job_id: str,
    versions: Sequence[InForce],
    *,
    starts: Sequence[Start],
    rows: Sequence[Row],
    owing: Sequence[Row] = (),
    boots: Sequence[Sequence[Instant]],
    until: Instant,
) -> Audit:
    """Look at one job's instants up to `until`, when the daemon was last seen to have decided all that was due.

    `rows`: what did not run. `owing`: what still waits for its turn. `boots`: the instants of each boot.
    """
    found = Audit()
    started = {start.instant for start in starts}
    cover = _Cover([*rows, *owing])
    # A clock step gives a boot another instant. It had its @reboot at one of them; else it is the last that is missing.
    named = sorted(
        next((instant for instant in boot if instant in started or cover.over(instant)), boot[-1]) for boot in boots
    )
    found.double += ((job_id, instant) for instant in _two_outcomes(versions, starts, _Cover(rows), named))
    found.early += ((job_id, start.instant) for start in starts if start.early)
    for version in versions:
        end = min(version.until, until - version.delay)
        after, walked = version.after, 0
        while (due := _next(version.schedule, after, named)) is not None and due <= end:
            after = due
            row = None if due in started else cover.over(due)
            if row and row.first == due and row.count and row.last <= end:
                # As many as they were counted when they passed.
                found.instants += row.count
                found.explained += row.count
                after = row.last
                continue
            walked = walked + 1 if row and row.count is None else 0
            if row and walked > MOST_WALKED:
                found.rows += 1
                after, walked = min(row.last, end), 0
                continue
            found.instants += 1
            if row or due in started:
                found.explained += 1
            elif len(found.unexplained) < MOST_NAMED:
                found.unexplained.append((job_id, due))
    return found


def _two_outcomes(
    versions: Sequence[InForce], starts: Sequence[Start], passed: _Cover, boots: Sequence[Instant]
) -> Iterator[Instant]:
    """Starts of the same attempt, and those of instants that are said not to have run."""
    schedules = {version.digest: version.schedule for version in versions}
    seen: set[tuple[Instant, int]] = set()
    for start in starts:
        row = passed.over(start.instant) if start.of_schedule and start.attempt == 1 else None
        schedule = schedules.get(row.digest) if row else None
        # A row spans what another version of the job named in between.
        said_not_to_run = schedule is not None and _next(schedule, start.instant - 1, boots) == start.instant
        if said_not_to_run or (start.instant, start.attempt) in seen:
            yield start.instant
        seen.add((start.instant, start.attempt))


class _Cover:
    """Rows of instants, asked which of them an instant lies in."""

    def __init__(self, rows: Sequence[Row]) -> None:
        rows = self._rows = sorted(rows, key=lambda row: row.first)
        self._firsts = [row.first for row in rows]
        self._reach: list[int] = []
        """Up to each row, the one that reaches farthest."""
        for place, row in enumerate(rows):
            before = self._reach[-1] if self._reach else place
            self._reach.append(place if row.last >= rows[before].last else before)

    def over(self, instant: Instant) -> Row | None:
        place = bisect_right(self._firsts, instant) - 1
        if place < 0:
            return None
        for row in (self._rows[place], self._rows[self._reach[place]]):
            if row.first <= instant <= row.last:
                return row
        return None


def _next(schedule: Schedule, after: Instant, boots: Sequence[Instant]) -> Instant | None:
    """Each boot is an instant of `@reboot`: the first one later than `after`."""
    place = bisect_right(boots, after)
    return schedule.next(after, boots[place] if place < len(boots) else None)
