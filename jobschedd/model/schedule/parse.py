"""From what a job file says under `schedule`, `from`, `until` and `except` to a schedule."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from jobschedd.model.schedule.cron import EVERY_HOUR
from jobschedd.model.schedule.expression import MACROS, parse_cron
from jobschedd.model.schedule.form import AnyOf, AtBoot, Once, Schedule, Within
from jobschedd.model.schedule.interval import parse_every, parse_repeating
from jobschedd.model.schedule.recurring import Recurring
from jobschedd.model.schedule.timestamp import LAST_YEAR, begin_of, end_of, parse_timestamp, read_day
from jobschedd.model.schedule.zone import UTC_ZONE
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from jobschedd.model.run import Instant
    from jobschedd.model.schedule.cron import Cron

SCHEDULE_FORM = 'write a cron expression "0 1 * * *", a macro "@daily", or a timestamp "2026-09-20T02:00:00Z"'

MOST_PARTS = 8
"""Schedules in a list, and below spans of excepted days. Together they bound what a step may cost: 10 ms at worst."""
MOST_EXCEPT = 100

_SINCE = begin_of(date(2026, 1, 1), UTC_ZONE)
"""What a zone's rules were before is past."""

Days = tuple[date, date]
"""A span of days, the last one included."""


def parse_schedule(value: object, zone: ZoneInfo, job_id: str | None = None) -> Schedule:
    """Read any form. `job_id` is what `H` is made from. Raises ValueError with the right form."""
    if not isinstance(value, list):
        return _parse_one(value, zone, job_id)
    if not 1 <= len(value) <= MOST_PARTS:
        raise ValueError(f"cannot use a list of {len(value)} schedules; write 1 to {MOST_PARTS}, or several files")
    parts = tuple(_parse_one(part, zone, job_id) for part in value)
    return parts[0] if len(parts) == 1 else AnyOf(parts)


def _parse_one(value: object, zone: ZoneInfo, job_id: str | None) -> Schedule:
    match value:
        case str():
            return _parse_text(value.strip(), zone, job_id)
        case {"cron": str(text), **rest}:
            seconds = rest.pop("seconds", "last")
            if rest or seconds not in ("first", "last"):
                raise ValueError('cannot read the schedule; write {"cron": "0 0 2 * * *", "seconds": "first"}')
            return _recurring(parse_cron(text, seconds_first=seconds == "first", job_id=job_id), zone)
    raise ValueError(f"cannot read {show_value(value)} as a schedule; {SCHEDULE_FORM}")


def _parse_text(text: str, zone: ZoneInfo, job_id: str | None) -> Schedule:
    if text.startswith("@"):
        return _parse_macro(text, zone)
    if re.match(r"R[0-9]*/", text):
        return parse_repeating(text, zone)
    if re.match(r"[0-9]{4}-", text):
        return Once(text, parse_timestamp(text, zone))
    return _recurring(parse_cron(text, job_id=job_id), zone)


def _recurring(cron: Cron, zone: ZoneInfo) -> Recurring:
    made = Recurring(cron, zone)
    # A fixed time runs after the jump that skips it, and no zone skips the same hour of every day.
    if cron.follows_clock and cron.hours != EVERY_HOUR and made.next(_SINCE) is None:
        raise ValueError(
            f"cannot use {show_value(cron.text)} as a schedule: daylight saving in {zone.key} skips every time that it"
            ' names; name a fixed minute, which runs right after the jump: "0 2 * * *"'
        )
    return made


def _parse_macro(text: str, zone: ZoneInfo) -> Schedule:
    lower = text.lower()
    if lower == "@reboot":
        return AtBoot()
    if re.match(r"@every\b", text):  # units are spelled in both cases: m is a minute, M a month
        return parse_every(text)
    if lower in MACROS:
        return _recurring(parse_cron(MACROS[lower]), zone)
    raise ValueError(
        f"cannot read {show_value(text)} as a macro; write one of {', '.join(MACROS)}, @reboot, @every 90s"
    )


def parse_days(value: object) -> tuple[Days, ...]:
    """Read what `except` says. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError(f'cannot read {show_value(value)} as days; write ["2026-12-25", "2026-12-24/2027-01-02"]')
    if len(value) > MOST_EXCEPT:
        raise ValueError(f"cannot use {len(value)} spans of days; write at most {MOST_EXCEPT}")
    return tuple(sorted(_parse_span(item) for item in value))


def _parse_span(item: object) -> Days:
    words = item.split("/") if isinstance(item, str) else []
    days = [day for word in words if (day := read_day(word)) is not None]
    if len(days) != len(words) or not 1 <= len(days) <= 2 or days[0] > days[-1]:
        raise ValueError(f'cannot read {show_value(item)} as a day; write "2026-12-25" or "2026-12-24/2027-01-02"')
    return days[0], days[-1]


def bound(
    schedule: Schedule, zone: ZoneInfo, *, first: Instant | None, last: Instant | None, off: Sequence[Days]
) -> Schedule:
    """The schedule without its instants before `first`, after `last`, and on the days off in `zone`.

    `off` is in order. Raises ValueError where that leaves no instant at all.
    """
    if first is None and last is None and not off:
        return schedule
    spans: list[tuple[Instant, Instant]] = []
    for first_day, last_day in off:
        begin, end = begin_of(first_day, zone), end_of(last_day, zone)
        if spans and begin <= spans[-1][1]:
            begin, end = spans[-1][0], max(end, spans.pop()[1])
        spans.append((begin, end))
    made = Within(
        schedule,
        first=first or 0,
        last=end_of(date(LAST_YEAR, 12, 31), UTC_ZONE) if last is None else last,
        begins=tuple(begin for begin, _ in spans),
        ends=tuple(end for _, end in spans),
    )
    if made.next(-1) is None and not names_boot(schedule, 0):
        raise ValueError(
            f"cannot use {show_value(schedule.text)} as a schedule: from, until and except leave it no instant",
        )
    return made


def names_boot(schedule: Schedule, now: Instant) -> bool:
    """Whether it would name a boot of the machine right after `now`."""
    return schedule.next(now, now + 1) == now + 1 != schedule.next(now)
