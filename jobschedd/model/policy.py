"""Decisions as values: pure functions from numbers to what ought to happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.run import HOUR, MINUTE, Instant

if TYPE_CHECKING:
    from jobschedd.model.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Owed:
    """What a job owes at a moment: at most one instant that runs, and those that do not."""

    run: Instant | None
    coalesced: tuple[Instant, ...] = ()
    """Give way to `run`, oldest first."""
    missed: tuple[Instant, ...] = ()
    """Too old to run, oldest first. Of a gap longer than an hour only its first instant and those of the last hour."""


def catch_up_window(schedule: Schedule, instant: Instant) -> int:
    """How late, in microseconds, an instant may start: a tenth of the time to the next, 1 min to 1 h."""
    following = schedule.next(instant)
    return HOUR if following is None else max(MINUTE, min(HOUR, (following - instant) // 10))


def owed(schedule: Schedule, first: Instant, now: Instant) -> Owed:
    """What is owed of the instants from `first`, which is one, to `now`.

    The newest runs if it is not too old, and the others give way to it. Bounded work however long the gap is: no
    window is longer than an hour, so only the last hour is walked, 3,600 steps for a job of every second.
    """
    instants = [first]
    following = schedule.next(max(first, now - HOUR))
    while following is not None and following <= now:
        instants.append(following)
        following = schedule.next(following)
    *older, newest = instants
    if now - newest > MINUTE and now - newest > catch_up_window(schedule, newest):
        return Owed(run=None, missed=tuple(instants))
    return Owed(run=newest, coalesced=tuple(older))
