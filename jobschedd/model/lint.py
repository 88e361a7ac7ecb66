"""Warnings: what is legal in a job file but surely not meant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobschedd.model.error import Problem
from jobschedd.model.run import DAY, SECOND
from jobschedd.model.schedule import AnyOf, Once, Recurring, Within
from jobschedd.model.schedule.cron import month_length
from jobschedd.model.schedule.zone import jumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule
    from jobschedd.model.schedule.cron import Cron

_EVERY_SECOND = (1 << 60) - 1
_EVERY_DAY = (1 << 32) - 2
_EVERY_WEEKDAY = (1 << 7) - 1
_JUMPS_AHEAD = 400 * DAY
"""How far ahead daylight saving is looked at: it comes every year or not at all."""


def lint(definition: Definition, now: Instant) -> Iterator[Problem]:
    """What whoever wrote this job ought to look at again, at the moment `now`."""
    schedule = definition.schedule
    if schedule is None:
        return
    for text in lint_schedule(schedule, now):
        yield Problem("schedule", text)
    job = definition.job
    if job.until is not None and job.until < now:
        yield Problem("until", "this has passed; the job will not run")
    period = _shortest(schedule, now)
    if job.jitter and period is not None and job.jitter > period:
        yield Problem("jitter", "this is longer than the time from one instant to the next: runs may overlap")


def lint_schedule(schedule: Schedule, now: Instant) -> Iterator[str]:
    """The same of a schedule by itself."""
    match schedule:
        case AnyOf(parts):
            for part in parts:
                yield from lint_schedule(part, now)
        case Within():
            yield from lint_schedule(schedule.schedule, now)
        case Once() if schedule.next(now) is None:
            yield f'"{schedule.text}" has passed; the job will not run'
        case Recurring():
            yield from _lint_cron(schedule, now)


def _lint_cron(schedule: Recurring, now: Instant) -> Iterator[str]:
    cron, text = schedule.cron, schedule.text
    if cron.seconds == _EVERY_SECOND:
        yield (
            f'"{text}" fires once a second; six fields have the seconds last: "0 0 2 * * *" is 02:00'
            ' only as {"cron": …, "seconds": "first"}'
        )
    if "/" in text:
        for field, mask, size in (("second", cron.seconds, 60), ("minute", cron.minutes, 60), ("hour", cron.hours, 24)):
            if step := _uneven_step(mask, size):
                yield f'"{text}": {step} does not divide {size}: the last {field} step is {size % step}, not {step}'
    if not cron.both_days and cron.days != _EVERY_DAY and cron.weekdays != _EVERY_WEEKDAY:
        yield (
            f'"{text}" fires on days that match the day of the month or the day of the week, not only on those that'
            " match both; both must match where one of the fields begins with *"
        )
    if cron.both_days and _skips_months(cron):
        yield f'"{text}" skips the months that have no such day; L is the last day of each month'
    yield from _lint_jumps(schedule, now)


def _uneven_step(mask: int, size: int) -> int | None:
    """The step of a field that goes in steps from one of its first values to its last, and does not come out even."""
    values = [value for value in range(size) if mask >> value & 1]
    if len(values) < 3:
        return None
    step = values[1] - values[0]
    if list(range(values[0], size, step)) != values or values[0] >= step or size % step == 0:
        return None
    return step


def _skips_months(cron: Cron) -> bool:
    earliest = next(day for day in range(1, 33) if cron.days >> day & 1 or day == 32)
    return not cron.last_day and any(
        cron.months >> month & 1 and month_length(2026, month) < earliest for month in range(1, 13)
    )


def _lint_jumps(schedule: Recurring, now: Instant) -> Iterator[str]:
    """Fixed times that daylight saving skips in the year to come, each only once."""
    if schedule.cron.follows_clock:
        return
    for begins, ends in jumps(schedule.zone, now // SECOND, (now + _JUMPS_AHEAD) // SECOND):
        found = schedule.cron.next_local(begins - 1)
        if found is not None and found < ends:
            skipped, after = (datetime.fromtimestamp(second, UTC) for second in (found, ends))
            yield (
                f'"{schedule.text}": there is no {skipped:%H:%M} in {schedule.zone.key} on {skipped:%Y-%m-%d};'
                f" that day it runs at {after:%H:%M}"
            )
            return


def _shortest(schedule: Schedule, now: Instant) -> int | None:
    """The time from the next instant to the one after it, microseconds."""
    first = schedule.next(now)
    second = None if first is None else schedule.next(first)
    return None if first is None or second is None else second - first
