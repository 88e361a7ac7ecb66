"""That a job is due when the old scheduler ran it: instant by instant, nothing taken on trust."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.walk import Walk
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.schedule import UTC_ZONE, end_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from jobschedd.ctl.imports.fields import Times
    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

INSTANTS = 1_000
_END = end_of(date(2199, 12, 31), UTC_ZONE)
"""What comes later no job file can name."""


class Differs(ValueError):  # noqa: N818 - a finding
    """The instants are not the same; the text says which is the first that differs."""


def prove(
    schedule: Schedule, truth: Iterable[Instant], after: Instant, zone: ZoneInfo, whose: str, *, count: int = INSTANTS
) -> int:
    """Compare the next `count` instants after `after`; how many there are up to the year 2199. Raises Differs."""
    ours = _instants(schedule, after)
    compared = 0
    for theirs in islice(truth, count):
        found = next(ours, None)
        if found != theirs:
            raise Differs(f"{whose} runs it at {_show(theirs, zone)}, and the job would be due at {_show(found, zone)}")
        compared += 1
    if compared < count and (found := next(ours, None)) is not None:
        raise Differs(f"{whose} does not run it at {_show(found, zone)}, when the job would be due")
    return compared


def cron_instants(times: Times, zone: ZoneInfo, own: ZoneInfo | None, after: Instant) -> Iterator[Instant]:
    """When cron runs a line, as walk.py has it."""
    walk = Walk(times, zone, own)
    return (minute * MINUTE for minute in walk.minutes(after // MINUTE + 1, _END // MINUTE))


def _instants(schedule: Schedule, after: Instant) -> Iterator[Instant]:
    moment = schedule.next(after)
    while moment is not None and moment < _END:
        yield moment
        moment = schedule.next(moment)


def _show(instant: Instant | None, zone: ZoneInfo) -> str:
    return "never" if instant is None else datetime.fromtimestamp(instant // SECOND, UTC).astimezone(zone).isoformat()
