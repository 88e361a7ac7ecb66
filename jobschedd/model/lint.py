"""Warnings: what is legal in a job file but surely not meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.error import Problem
from jobschedd.model.schedule import Once, Recurring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant

_EVERY_SECOND = (1 << 60) - 1


def lint(definition: Definition, now: Instant) -> Iterator[Problem]:
    """What whoever wrote this job ought to look at again, at the moment `now`."""
    schedule = definition.job.schedule
    if isinstance(schedule, Recurring) and schedule.cron.seconds == _EVERY_SECOND:
        yield Problem(
            "schedule",
            f'"{schedule.text}" fires once a second; six fields have the seconds last: "0 0 2 * * *" is 02:00'
            ' only as {"cron": …, "seconds": "first"}',
        )
    if isinstance(schedule, Once) and schedule.next(now) is None:
        yield Problem("schedule", f'"{schedule.text}" has passed; the job will not run')
