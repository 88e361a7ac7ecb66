"""Schedules that count: `@every 90s`, and ISO 8601 repeating intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from jobschedd.model.run import SECOND, Instant
from jobschedd.model.schedule.cron import month_length
from jobschedd.model.schedule.timestamp import LAST_YEAR, Timestamp, read_timestamp
from jobschedd.model.schedule.zone import locate
from jobschedd.model.span import parse_duration, show_value

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_MONTH = 146_097 * _DAY * SECOND // 4_800
"""A twelfth of a year of the Gregorian calendar, microseconds."""

_END = (date(LAST_YEAR + 1, 1, 1).toordinal() - _EPOCH) * _DAY

INTERVAL_FORM = 'write "R/2026-01-01T00:00:00Z/P1D", "R5/2026-01-01T00:00:00Z/PT12H"'


@dataclass(frozen=True, slots=True)
class Every:
    """Every so often, counted from the epoch: a restart does not shift it, and all machines agree."""

    text: str
    period: int
    """Microseconds."""

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:  # noqa: ARG002 - of the protocol
        return (after // self.period + 1) * self.period


def parse_every(text: str) -> Every:
    """Read `@every 90s`. Raises ValueError."""
    words = text.removeprefix("@every").strip()
    try:
        period = parse_duration(words)
    except ValueError:
        raise ValueError(f'cannot read {show_value(text)} as a schedule; write "@every 90s", "@every 1h30m"') from None
    if period < SECOND:
        raise ValueError(f'cannot use {show_value(text)} as a schedule; at most once a second: "@every 1s"')
    return Every(text, period)


@dataclass(frozen=True, slots=True)
class Length:
    """An ISO 8601 duration. Years and months, weeks and days are the calendar's; hours and less are elapsed time."""

    months: int
    days: int
    usec: int

    @property
    def at_least(self) -> int:
        """On the whole no shorter than this, seconds."""
        return (self.months * 28 + self.days) * _DAY + self.usec // SECOND

    @property
    def mean(self) -> int:
        """Microseconds, over many."""
        return self.months * _MONTH + self.days * _DAY * SECOND + self.usec


@dataclass(frozen=True, slots=True)
class Repeating:
    """`R5/start/P1D`: five instants, the starts of five intervals; `R/…` goes on to the year 2199.

    Each is counted from the start and not from the one before: a month after 31 January and every month on is the
    31st or the last day there is.
    """

    text: str
    start: Timestamp
    length: Length
    count: int
    skip: int
    """The first instant lies so many lengths after `start`: negative where the end was given."""
    zone: ZoneInfo
    """What a start without an offset is read in."""
    first: Instant = 0
    """`at(0)`."""

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:  # noqa: ARG002 - of the protocol
        return _next(self, after)

    def at(self, number: int) -> Instant:
        """The instant of one repetition, from 0. Never falls as `number` grows."""
        number += self.skip
        day, second = divmod(self.start.local, _DAY)
        if self.length.months:
            first = date.fromordinal(day + _EPOCH)
            year, month = divmod(first.year * 12 + first.month - 1 + self.length.months * number, 12)
            day = date(year, month + 1, min(first.day, month_length(year, month + 1))).toordinal() - _EPOCH
        local = (day + self.length.days * number) * _DAY + second
        utc = locate(self.zone, local).utc if self.start.offset is None else local - self.start.offset
        return utc * SECOND + self.start.usec + self.length.usec * number


@lru_cache(maxsize=1_024)
def _next(schedule: Repeating, after: Instant) -> Instant | None:
    # Calendar and zone move an instant by a few days from where the mean length puts it, and only lengths of days
    # and months are moved: the guess is off by one or two.
    guess = (after - schedule.first) // schedule.length.mean + 1
    number = min(max(0, guess), schedule.count)
    while number and schedule.at(number - 1) > after:
        number -= 1
    while number < schedule.count:
        if (instant := schedule.at(number)) > after:
            return instant
        number += 1
    return None


_PERIOD = re.compile(
    r"P(?=.)(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:[.,][0-9]{1,6})?)S)?)?"
)


def _parse_length(text: str) -> Length | None:
    found = _PERIOD.fullmatch(text)
    if found is None:
        return None
    years, months, weeks, days, hours, minutes = (int(found[n] or 0) for n in range(1, 7))
    seconds = float((found[7] or "0").replace(",", "."))
    return Length(
        months=years * 12 + months,
        days=weeks * 7 + days,
        usec=(hours * 3600 + minutes * 60) * SECOND + round(seconds * SECOND),
    )


def parse_repeating(text: str, zone: ZoneInfo) -> Repeating:
    """Read `R5/start/length`, `R5/start/end` or `R5/length/end`. Raises ValueError."""
    try:
        return _parse_repeating(text, zone)
    except ValueError as error:
        raise ValueError(f"cannot read {show_value(text)} as a repeating interval: {error}") from None


def _parse_repeating(text: str, zone: ZoneInfo) -> Repeating:
    head, _, rest = text.partition("/")
    first, _, second = rest.partition("/")
    repeats = re.fullmatch(r"R([0-9]{0,9})", head)
    if repeats is None or not second:
        raise ValueError(INTERVAL_FORM)
    count = int(repeats[1]) if repeats[1] else None
    if count == 0:
        raise ValueError(f"R0 names no instant; {INTERVAL_FORM}")
    skip = 0
    if length := _parse_length(first):
        if count is None:
            raise ValueError(f"without a number it needs a start; {INTERVAL_FORM}")
        start, skip = read_timestamp(second), -count
    else:
        start = read_timestamp(first)
        length = _parse_length(second) or _between(start, read_timestamp(second), zone)
    if length.at_least < 1:
        raise ValueError(f"its length must be a second at least; {INTERVAL_FORM}")
    most = (_END - start.local) // length.at_least + 1 - skip
    made = Repeating(text, start, length, min(count or most, most), skip, zone)
    try:
        begins = made.at(0)
    except (OverflowError, ValueError):  # before the year 1, or so far off that it is no number of a year
        begins = -1
    if begins < 0:
        raise ValueError("its first instant lies before 1970")
    return replace(made, first=begins)


def _between(start: Timestamp, end: Timestamp, zone: ZoneInfo) -> Length:
    """From one to the other; whole days as the calendar counts them where no offset says otherwise."""
    if start.offset is None and end.offset is None:
        days, seconds = divmod(end.local - start.local, _DAY)
        return Length(months=0, days=days, usec=seconds * SECOND + end.usec - start.usec)
    return Length(months=0, days=0, usec=end.instant(zone) - start.instant(zone))
