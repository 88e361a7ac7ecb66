"""A walk over the minutes at which cron runs a line: cron.c, main() and find_jobs(), clock changes included.

It shares nothing with model/schedule: it is what that is held against. Minutes are counted from the epoch, UTC or as
if a zone's clock were UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime
from itertools import takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.ctl.imports.fields import Times

_DAY = 1_440
_EPOCH = date(1970, 1, 1).toordinal()

_CORRECTION = 180
"""A clock that moves by more minutes than this is taken as set, not as daylight saving."""


class Walk:
    """cron's loop over one line."""

    def __init__(self, times: Times, zone: ZoneInfo, own: ZoneInfo | None = None) -> None:
        """`zone` is cron's own, `own` what cronie's CRON_TZ names."""
        self._times = times
        self._zone = zone
        self._own = own or zone
        self._foreign = own is not None
        self._clocks = {self._zone, self._own}
        self._daily = [hour * 60 + minute for hour in sorted(times.hours) for minute in sorted(times.minutes)]

    def minutes(self, begin: int, end: int) -> Iterator[int]:
        """The minutes from `begin` on and before `end` at which the line runs, with cron started at `begin`."""
        return takewhile(lambda minute: minute < end, self._days(begin, end))

    def _days(self, begin: int, end: int) -> Iterator[int]:
        """The same by days, so that some may lie behind `end`."""
        minute, virtual = begin, begin + _offset(self._zone, begin) - 1
        while minute < end:
            if virtual != minute + _offset(self._zone, minute) - 1:
                virtual, runs = self._tick(minute, virtual)
                if runs:
                    yield minute
                minute += 1
                continue
            day, time = divmod(minute + _offset(self._own, minute), _DAY)
            midnight = minute + _DAY - time
            stop = min(_change(zone, minute, midnight) for zone in self._clocks)
            if self._names_day(day):
                yield from (midnight - _DAY + named for named in self._daily if time <= named < time + stop - minute)
            elif stop == midnight:
                # Two days before the next one that is named no change of the clock matters any more.
                stop = max(stop, (self._following(day, end) - 2) * _DAY)
            minute, virtual = stop, stop - 1 + _offset(self._zone, stop - 1)

    def _tick(self, minute: int, virtual: int) -> tuple[int, bool]:
        """One turn of the loop where the clock is not a minute on: how far cron has come, and whether the line runs.

        1. Hours on or back, so that the clock was set: everything that is named now.
        2. Some minutes on (spring): what follows the clock and is named now, and fixed times that were skipped.
        3. Back, or still behind (autumn): only what follows the clock.
        """
        shown = minute + _offset(self._zone, minute)
        named_now = self._names(minute + _offset(self._own, minute))
        ahead = shown - virtual
        if ahead > _CORRECTION or ahead <= -_CORRECTION:
            return shown, named_now
        if ahead < 1:
            return virtual, self._times.wild and named_now
        if self._times.wild:
            return shown, named_now
        # cronie leaves out lines with a zone of their own while it makes up for a change of its own zone.
        return shown, not self._foreign and any(map(self._names, range(virtual + 1, shown + 1)))

    def _names(self, local: int) -> bool:
        day, time = divmod(local, _DAY)
        hour, minute = divmod(time, 60)
        return hour in self._times.hours and minute in self._times.minutes and self._names_day(day)

    def _names_day(self, number: int) -> bool:
        times = self._times
        day = date.fromordinal(number + _EPOCH)
        if day.month not in times.months:
            return False
        by_date, by_week = day.day in times.days, day.isoweekday() % 7 in times.weekdays
        return by_date and by_week if times.both_days else by_date or by_week

    def _following(self, day: int, end: int) -> int:
        last = end // _DAY + 3
        return next((later for later in range(day + 1, last) if self._names_day(later)), last)


def changes(zone: ZoneInfo, begin: int, end: int) -> Iterator[int]:
    """The days, by a minute within, on which the zone's clock changes."""
    for minute in range(begin, end, _DAY):
        if _offset(zone, minute) != _offset(zone, minute + _DAY):
            yield minute + _DAY


def _change(zone: ZoneInfo, begin: int, end: int) -> int:
    """The first minute within a day that has another offset than `begin`; `end` where none has."""
    before = _offset(zone, begin)
    if _offset(zone, end) == before:
        return end
    return begin + bisect_left(range(begin, end), True, key=lambda minute: _offset(zone, minute) != before)


def _offset(zone: ZoneInfo, minute: int) -> int:
    """Minutes that the zone's clock is ahead of UTC."""
    offset = datetime.fromtimestamp(minute * 60, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60
