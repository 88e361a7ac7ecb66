"""OnCalendar= of systemd.time(7) as cron expressions, where there is one that says the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobschedd.model.span import show_value

_SHORTHANDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
}
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ITEM = re.compile(r"([0-9]{1,2})(?:\.\.([0-9]{1,2}))?(?:/([0-9]{1,2}))?")
_WEEKS = {"1-7": 1, "8-14": 2, "15-21": 3, "22-28": 4}
"""Days of the month in which each weekday comes once."""

_LAST_WEEK = "~7/1"
_LAST_DAY = "~1"


@dataclass(frozen=True, slots=True)
class Expression:
    forms: tuple[str, ...]
    """Cron expressions that say the same but for daylight saving; which one is right there, the proof tells."""
    timezone: str | None


def translate(text: str) -> Expression:
    """Raises ValueError where no cron expression says it."""
    try:
        return _translate(text)
    except ValueError as error:
        raise ValueError(f"cannot say OnCalendar={show_value(text)} as a cron expression: {error}") from None


def _translate(text: str) -> Expression:
    words = text.split()
    if not words:
        raise ValueError("it is empty")
    zone = words.pop() if len(words) > 1 and words[-1][0].isalpha() else None
    if len(words) == 1:
        words = _SHORTHANDS.get(words[0].lower(), words[0]).split()
    weekday = _weekdays(words.pop(0).rstrip(",")) if words and words[0][0].isalpha() else "*"
    date = words.pop(0) if words and ("-" in words[0] or "~" in words[0]) else "*-*-*"
    time = words.pop(0) if words and ":" in words[0] else "00:00:00"
    if words:
        raise ValueError(f"{show_value(words[0])} is not understood")
    month, day, weekday = _date(date, weekday)
    parts = [_component(part) for part in time.split(":")]
    if not 2 <= len(parts) <= 3:
        raise ValueError("a time is hours, minutes and seconds")
    hour, minute, second = (*parts, "0")[:3]
    tail = f"{day} {month} {weekday}" + ("" if second == "0" else f" {second}")
    # A field that begins with * follows the clock where daylight saving skips or repeats hours, a range does not.
    plain, fixed = f"{minute} {hour} {tail}", f"{minute.replace('*', '0-59')} {hour.replace('*', '0-23')} {tail}"
    return Expression(tuple(dict.fromkeys((plain, fixed))), zone)


def _date(text: str, weekday: str) -> tuple[str, str, str]:
    """Month, day of the month and day of the week. Where systemd wants both days, cron would be content with one."""
    match = re.fullmatch(r"(?:(?P<year>[^-~]+)-)?(?P<month>[^-~]+)(?P<from>[-~])(?P<day>[^-~]+)", text)
    if match is None:
        raise ValueError(f"{show_value(text)} is no date")
    if match["year"] not in (None, "*"):
        raise ValueError('a job that runs in some years only has "from" and "until" beside its schedule')
    month, day = _component(match["month"]), _component(match["day"])
    if match["from"] == "~":
        day = f"~{day}"
    if day == _LAST_DAY and weekday == "*":
        return month, "L", weekday
    if weekday == "*" or day == "*":
        if day.startswith("~"):
            raise ValueError("days are counted from the end of the month")
        return month, day, weekday
    names = _each(weekday)
    if day == _LAST_WEEK:
        return month, "*", ",".join(f"L{name}" for name in names)
    if day in _WEEKS:
        return month, "*", ",".join(f"{name}#{_WEEKS[day]}" for name in names)
    raise ValueError("a day has to match both the date and the weekday, and cron takes either")


def _component(text: str) -> str:
    if text == "*":
        return text
    items = []
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{show_value(item)} is not understood")
        first, last, step = (int(part) if part else None for part in match.groups())
        made = str(first) if last is None else f"{first}-{last}"
        items.append(made if step is None else f"{made}/{step}")
    return ",".join(items)


def _weekdays(text: str) -> str:
    return ",".join("-".join(map(_weekday, re.split(r"\.\.|-", item))) for item in text.split(","))


def _weekday(word: str) -> str:
    short = word[:3].lower()
    if short not in _WEEKDAYS or word.lower() not in (short, _DAYS[_WEEKDAYS.index(short)]):
        raise ValueError(f"{show_value(word)} is no weekday")
    return short


def _each(weekdays: str) -> list[str]:
    """The names of a list of names and ranges."""
    names: list[str] = []
    for item in weekdays.split(","):
        first, _, last = item.partition("-")
        begin, end = _WEEKDAYS.index(first), _WEEKDAYS.index(last or first)
        names += [_WEEKDAYS[day % 7] for day in range(begin, end + 1 if end >= begin else end + 8)]
    return list(dict.fromkeys(names))
