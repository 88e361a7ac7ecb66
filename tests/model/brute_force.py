"""An oracle that is slow and plain: it looks at every minute and asks whether the job is due.

Nothing here is shared with the program. The fields become sets of numbers, the zone's clock is read by zoneinfo, and
cron(8) is followed word by word.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = ["none", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MINUTE = timedelta(minutes=1)
THREE_HOURS = timedelta(hours=3)


class Expression:
    """Five fields. Six, the last of them seconds, are walked by the second."""

    def __init__(self, text: str) -> None:
        minute, hour, self.day, month, self.weekday, *seconds = text.lower().split()
        self.minutes = numbers(minute, 0, 59, [])
        self.hours = numbers(hour, 0, 23, [])
        self.months = numbers(month, 1, 12, MONTHS)
        self.seconds = numbers(seconds[0], 0, 59, []) if seconds else {0}
        self.fixed = minute[0] != "*" and hour[0] != "*"
        self.step = timedelta(seconds=1) if seconds else MINUTE

    def names(self, local: datetime) -> bool:
        """Whether the fields name what a clock shows."""
        return (
            local.second in self.seconds
            and local.minute in self.minutes
            and local.hour in self.hours
            and local.month in self.months
            and self.names_day(local.date())
        )

    def names_day(self, day: date) -> bool:
        by_date = any(is_date(item, day) for item in self.day.split(","))
        by_week = any(is_weekday(item, day) for item in self.weekday.split(","))
        if self.day[0] in "*?" or self.weekday[0] in "*?":
            return by_date and by_week
        return by_date or by_week


def numbers(field: str, low: int, high: int, names: list[str]) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, _, end = span.partition("-")
            first = names.index(begin) if begin in names else int(begin)
            last = names.index(end) if end in names else int(end) if end else first
            if step and not end:
                last = high
        while last < first:  # a range that wraps
            last += high - low + 1
        found |= {low + (number - low) % (high - low + 1) for number in range(first, last + 1, int(step or 1))}
    return found


def is_date(item: str, day: date) -> bool:
    if item == "l":
        return day.day == monthrange(day.year, day.month)[1]
    return day.day in numbers(item, 1, 31, [])


def is_weekday(item: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    if "#" in item:
        name, _, nth = item.partition("#")
        return weekday in weekdays(name) and (day.day - 1) // 7 + 1 == int(nth)
    if item.startswith("l"):
        return weekday in weekdays(item[1:]) and (day + timedelta(days=7)).month != day.month
    return weekday in weekdays(item)


def weekdays(item: str) -> set[int]:
    """Sunday is 0 and 7."""
    if item[0] in "*?":
        return numbers(item, 0, 6, DAYS)
    span, _, step = item.partition("/")
    begin, _, end = span.partition("-")
    first, last = (DAYS.index(name) if name in DAYS else int(name) for name in (begin, end or begin))
    if last >= first:
        return {number % 7 for number in numbers(item, 0, 7, DAYS)}
    on_the_way = [first]
    while on_the_way[-1] % 7 != last % 7:
        on_the_way.append(on_the_way[-1] + 1)
    return {number % 7 for number in on_the_way[:: int(step or 1)]}


def instants(text: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Every moment later than `begin` and up to `end` (both UTC, whole minutes) at which the job runs."""
    expression = Expression(text)
    moment = begin
    before = moment.astimezone(zone)
    while moment < end:
        moment += expression.step
        shown = moment.astimezone(zone)
        if runs(expression, before, shown):
            yield moment
        before = shown


def runs(expression: Expression, before: datetime, shown: datetime) -> bool:
    """Whether it runs when the clock shows `shown`, and showed `before` a step ago."""
    if not expression.fixed:
        return expression.names(shown)
    if shown.fold:  # the second time that the clock shows this
        return False
    if expression.names(shown):
        return True
    skipped = before.replace(tzinfo=None) + expression.step
    now = shown.replace(tzinfo=None)
    if now - skipped > THREE_HOURS:
        return False
    while skipped < now:
        if expression.names(skipped):
            return True
        skipped += expression.step
    return False
