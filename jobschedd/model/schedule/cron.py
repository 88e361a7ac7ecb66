"""The fields of a cron expression as bit masks, and the walk over them.

The walk answers one question, "which local second after this one do the fields name?", in whole numbers. Local
seconds are counted as if the wall clock were UTC; what a zone makes of them is zone.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SEARCH_YEARS = 41
"""29 February on a given weekday comes back after 28 years, after 40 across 2100."""

EVERY_HOUR = (1 << 24) - 1

_EACH_WEEK = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression, read. Each field is a mask: bit n stands for the value n."""

    text: str
    seconds: int
    minutes: int
    hours: int
    days: int
    """Bits 1 to 31."""
    months: int
    weekdays: int
    """Bit 0 is Sunday. Of the whole week only; see `nth`."""
    last_day: bool
    nth: tuple[tuple[int, int], ...]
    """(weekday, n-th of the month); n = 0 is the last one."""
    both_days: bool
    """A day must match both day fields, as in Debian cron where one of them begins with `*`; else either."""
    follows_clock: bool
    """Minute or hour begins with `*`: not a fixed time, so daylight saving does not move or spare it."""

    def __hash__(self) -> int:
        # Asked at each step by the memo of next(). All twelve fields would cost more than the step.
        return hash((self.text, self.minutes, self.hours))

    def next_local(self, after: int) -> int | None:
        """The first local second later than `after` that the fields name; None: there is none in 41 years."""
        day, second_of_day = divmod(after + 1, _DAY)
        this_day = date.fromordinal(day + _EPOCH)
        year, month = this_day.year, this_day.month
        mask = self._days_of(year, month) >> this_day.day
        if mask & 1:
            found = self._next_time(second_of_day)
            if found is not None:
                return day * _DAY + found
        first_time = self._next_time(0)
        assert first_time is not None
        mask >>= 1
        if mask:
            return (day + 1 + _lowest(mask)) * _DAY + first_time
        for _ in range(12 * _SEARCH_YEARS):
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
            if year > 9990:  # datetime's own end is near
                return None
            mask = self._days_of(year, month)
            if mask:
                return (date(year, month, _lowest(mask)).toordinal() - _EPOCH) * _DAY + first_time
        return None

    def _next_time(self, second_of_day: int) -> int | None:
        """The first second of a day, `second_of_day` or later, that the time fields name."""
        minute_of_day, second = divmod(second_of_day, 60)
        hour, minute = divmod(minute_of_day, 60)
        if self.hours >> hour & 1:
            if self.minutes >> minute & 1:
                rest = self.seconds >> second
                if rest:
                    return hour * 3600 + minute * 60 + second + _lowest(rest)
            rest = self.minutes >> minute + 1
            if rest:
                return hour * 3600 + (minute + 1 + _lowest(rest)) * 60 + _lowest(self.seconds)
        rest = self.hours >> hour + 1
        if rest:
            return (hour + 1 + _lowest(rest)) * 3600 + _lowest(self.minutes) * 60 + _lowest(self.seconds)
        return None

    def _days_of(self, year: int, month: int) -> int:
        """The days of one month, bits 1 to 31, that the day and month fields name."""
        if not self.months >> month & 1:
            return 0
        length = month_length(year, month)
        first_weekday = date(year, month, 1).toordinal() % 7  # 0 is Sunday, as cron counts
        by_date = self.days
        if self.last_day:
            by_date |= 1 << length
        from_first = (self.weekdays >> first_weekday | self.weekdays << 7 - first_weekday) & 127
        by_week = from_first * _EACH_WEEK << 1
        for weekday, nth in self.nth:
            first = 1 + (weekday - first_weekday) % 7
            day = first + 7 * (nth - 1) if nth else first + 7 * ((length - first) // 7)
            by_week |= 1 << day
        whole_month = (1 << length + 1) - 2
        return (by_date & by_week if self.both_days else by_date | by_week) & whole_month


def month_length(year: int, month: int) -> int:
    """How many days a month of the Gregorian calendar has."""
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month]


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
