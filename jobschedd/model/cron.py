"""Cron expressions: croniter reads the fields, we walk them.

croniter is the dialect, but not all of it can be believed: `5-5` is everything to it, a range that wraps steps
out of phase, `W` swallows the other day field, `R` is redrawn at each start. So a grammar of ours stands in
front: it refuses what could not be audited, spells the rest out, and names the field that is wrong.

The walk answers one question, "which local second after this one do the fields name?", with bit masks and whole
numbers. Local seconds are counted as if the wall clock were UTC; what a zone makes of them is zone.py's business.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from croniter import croniter

from jobschedd.model.span import show_value

MAX_LENGTH = 256
"""croniter takes seconds over a megabyte of `1,`; nobody means more than this."""

_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_SEARCH_YEARS = 41
"""29 February on a given weekday comes back after 28 years, after 40 across 2100."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Their numbers count from `low`."""


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY_OF_MONTH = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
_DAY_OF_WEEK = _Field("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_SECOND = _Field("second", 0, 59)
_FIELDS = (_MINUTE, _HOUR, _DAY_OF_MONTH, _MONTH, _DAY_OF_WEEK, _SECOND)

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

FIELDS_FORM = 'write five fields, minute hour day-of-month month day-of-week: "*/5 * * * *"'

_ITEM = re.compile(r"(?P<first>\*|\?|[a-z]+|[0-9]+)(?:-(?P<last>[a-z]+|[0-9]+))?(?:/(?P<step>[0-9]+))?")
_NTH = re.compile(r"(?P<day>[a-z]+|[0-9])#(?P<nth>[1-5])")
_LAST = re.compile(r"l(?P<day>[a-z]+|[0-9])")


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

    def next_local(self, after: int) -> int | None:
        """The first local second later than `after` that the fields name; None: there is none in 41 years."""
        day, second_of_day = divmod(after + 1, _DAY)
        this_day = date.fromordinal(day + _EPOCH)
        year, month = this_day.year, this_day.month
        mask = _days(self, year, month) >> this_day.day
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
            if year > 9998:  # date's own end
                return None
            mask = _days(self, year, month)
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


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


@lru_cache(maxsize=65_536)
def _days(cron: Cron, year: int, month: int) -> int:
    """The days of one month, bits 1 to 31, that the day and month fields name."""
    if not cron.months >> month & 1:
        return 0
    monday_first, length = monthrange(year, month)
    first_weekday = (monday_first + 1) % 7  # cron counts from Sunday
    by_date = cron.days
    if cron.last_day:
        by_date |= 1 << length
    by_week = 0
    for day in range(1, length + 1):
        if cron.weekdays >> (first_weekday + day - 1) % 7 & 1:
            by_week |= 1 << day
    for weekday, nth in cron.nth:
        first = 1 + (weekday - first_weekday) % 7
        day = first + 7 * (nth - 1) if nth else first + 7 * ((length - first) // 7)
        if day <= length:
            by_week |= 1 << day
    whole_month = (1 << length + 1) - 2
    return (by_date & by_week if cron.both_days else by_date | by_week) & whole_month


@lru_cache(maxsize=16_384)
def parse_cron(text: str, *, seconds_first: bool = False) -> Cron:
    """Read five fields, or six with the seconds last (croniter's order) or first (Quartz's).

    Raises ValueError, naming field and form, also for an expression that never fires.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"cannot read a cron expression of {len(text)} characters; at most {MAX_LENGTH} are allowed")
    words = text.lower().split()
    if len(words) not in (5, 6):
        raise ValueError(f"cannot read {show_value(text)} as a cron expression of {len(words)} fields; {FIELDS_FORM}")
    if seconds_first:
        if len(words) != 6:
            raise ValueError(f'cannot find the seconds in {show_value(text)}; "seconds" goes with six fields')
        words = [*words[1:], words[0]]
    plain = [_plain_field(field, word, text) for field, word in zip(_FIELDS, words, strict=False)]
    try:
        expanded, nth = croniter.expand(" ".join(plain))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"cannot read {show_value(text)} as a cron expression: {error}; {FIELDS_FORM}") from None
    cron = Cron(
        text=text,
        seconds=_mask(expanded[5], _SECOND) if len(expanded) > 5 else 1,
        minutes=_mask(expanded[0], _MINUTE),
        hours=_mask(expanded[1], _HOUR),
        days=_mask(expanded[2], _DAY_OF_MONTH),
        months=_mask(expanded[3], _MONTH),
        weekdays=_mask([day for day in expanded[4] if day not in nth], _Field("", 0, 6)),
        last_day="l" in expanded[2],
        nth=tuple(sorted((day, 0 if n == "l" else n) for day, which in nth.items() for n in which)),
        both_days=words[2][0] in "*?" or words[4][0] in "*?",
        follows_clock=words[0].startswith("*") or words[1].startswith("*"),
    )
    if cron.next_local(0) is None:
        raise ValueError(f"cannot use {show_value(text)} as a schedule: it never fires; no such day exists")
    return cron


def _mask(values: list[int | str], field: _Field) -> int:
    if values == ["*"]:
        return (1 << field.high + 1) - (1 << field.low)
    return sum(1 << value for value in values if isinstance(value, int))


def _plain_field(field: _Field, word: str, text: str) -> str:
    """The field with everything spelled out that croniter reads in another way than cron's users do."""
    return ",".join(_plain_item(field, item, text) for item in word.split(","))


def _plain_item(field: _Field, item: str, text: str) -> str:
    def refuse(why: str) -> ValueError:
        return ValueError(f"cannot read {show_value(item)} as the {field.name} in {show_value(text)}; {why}")

    form = f"write {field.low} to {field.high}" + (f" or {field.names[0]} to {field.names[-1]}" if field.names else "")
    if field is _DAY_OF_MONTH and item == "l":
        return item
    if field is _DAY_OF_WEEK and (special := _plain_weekday(item)):
        return special
    if item[:1] in ("h", "r") and not item[1:2].isalpha():
        why = "not supported yet" if item[0] == "h" else "random instants could not be audited"
        raise refuse(f"{item[0].upper()}: {why}; {form}")
    match = _ITEM.fullmatch(item)
    if match is None:
        raise refuse(form)
    step = int(match["step"][:9]) if match["step"] else 1
    size = field.high - field.low + 1
    if not 1 <= step <= size:
        raise refuse(f"a step lies between 1 and {size}")
    if match["first"] in ("*", "?"):
        if match["last"] or (match["first"] == "?" and (field not in (_DAY_OF_MONTH, _DAY_OF_WEEK) or match["step"])):
            raise refuse(form)
        # 0-7 would count Sunday twice and shift the phase of a step.
        return item if match["first"] == "*" else "*"
    first = _number(field, match["first"])
    last = first if match["last"] is None else _number(field, match["last"])
    if first is None or last is None:
        raise refuse(form)
    if match["last"] is None:
        return f"{first}/{step}" if match["step"] else str(first)
    return _plain_range(field, first, last, step)


def _plain_weekday(item: str) -> str | None:
    """`fri#2`, the second Friday of the month, and `l5`, the last one."""
    match = _NTH.fullmatch(item) or _LAST.fullmatch(item)
    day = _number(_DAY_OF_WEEK, match["day"]) if match else None
    if match is None or day is None:
        return None
    return f"{day % 7}#{match['nth']}" if "#" in item else f"l{day % 7}"


def _plain_range(field: _Field, first: int, last: int, step: int) -> str:
    """A range as a list. One that wraps (`22-3`, `fri-mon`) goes on from the low end in step."""
    if field is _DAY_OF_WEEK and first > last:
        first, last = first % 7, last % 7
    size = 7 if field is _DAY_OF_WEEK else field.high - field.low + 1
    length = last - first if last >= first else last - first + size
    values = (first + offset for offset in range(0, length + 1, step))
    return ",".join(str(value if value <= field.high else value - size) for value in values)


def _number(field: _Field, word: str) -> int | None:
    if word in field.names:
        return field.low + field.names.index(word)
    if not re.fullmatch("[0-9]{1,2}", word):
        return None
    number = int(word)
    return number if field.low <= number <= field.high else None
