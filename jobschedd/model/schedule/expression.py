"""Reads a cron expression. The grammar is ours; croniter expands what is more than numbers.

croniter is the dialect, but not all of it can be believed: `5-5` is everything to it, a range that wraps steps
out of phase, `W` swallows the other day field, `R` is redrawn at each start and its `H` knows 240 of a day's 1,440
minutes. The grammar refuses what could not be audited, spells the rest out, and names the field that is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from croniter import croniter

from jobschedd.model.schedule.cron import Cron
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 256
"""croniter takes seconds over a megabyte of `1,`; nobody means more than this."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    hashed: int
    """The highest value of `H`: every month has a 28th, and Sunday is one day, not two."""
    names: tuple[str, ...] = ()
    """Their numbers count from `low`."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MINUTE = _Field("minute", 0, 59, 59)
_HOUR = _Field("hour", 0, 23, 23)
_DAY_OF_MONTH = _Field("day of month", 1, 31, 28)
_MONTH = _Field("month", 1, 12, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 0, 7, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_SECOND = _Field("second", 0, 59, 59)
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

_NUMBER_OR_NAME = "[a-z]+|[0-9]+"
_ITEM = re.compile(rf"(?P<first>\*|\?|{_NUMBER_OR_NAME})(?:-(?P<last>{_NUMBER_OR_NAME}))?(?:/(?P<step>[0-9]+))?")
_HASHED = re.compile(rf"h(?:\((?P<first>{_NUMBER_OR_NAME})-(?P<last>{_NUMBER_OR_NAME})\))?(?:/(?P<step>[0-9]+))?")
_NTH = re.compile(r"(?P<day>[a-z]+|[0-9])#(?P<nth>[1-5])")
_LAST = re.compile(r"l(?P<day>[a-z]+|[0-9])")
_HAS_HASHED = re.compile(r"(?:^|[\s,])h(?![a-z])", re.IGNORECASE)


def parse_cron(text: str, *, seconds_first: bool = False, job_id: str | None = None) -> Cron:
    """Read five fields, or six with the seconds last (croniter's order) or first (Quartz's).

    `job_id` is what `H` is made from. Raises ValueError, naming field and form, also for an expression that never
    fires. Takes at most some milliseconds, whatever the text.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"cannot read a cron expression of {len(text)} characters; at most {MAX_LENGTH} are allowed")
    # What does not depend on the job is read once for all jobs that say it.
    return _parse(text, seconds_first, job_id if _HAS_HASHED.search(text) else None)


@lru_cache(maxsize=16_384)
def _parse(text: str, seconds_first: bool, job_id: str | None) -> Cron:
    words = text.lower().split()
    if len(words) not in (5, 6):
        raise ValueError(f"cannot read {show_value(text)} as a cron expression of {len(words)} fields; {FIELDS_FORM}")
    if seconds_first:
        if len(words) != 6:
            raise ValueError(f'cannot find the seconds in {show_value(text)}; "seconds" goes with six fields')
        words = [*words[1:], words[0]]
    named, special = zip(
        *(_read(field, word, text, job_id) for field, word in zip(_FIELDS, words, strict=False)), strict=True
    )
    try:
        expanded, nth = croniter.expand(" ".join(items or "*" for items in special))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"cannot read {show_value(text)} as a cron expression: {error}; {FIELDS_FORM}") from None
    masks = [
        numbers | (_mask(values, field) if items else 0)
        for field, numbers, items, values in zip(_FIELDS, named, special, expanded, strict=False)
    ]
    cron = Cron(
        text=text,
        seconds=masks[5] if len(masks) > 5 else 1,
        minutes=masks[0],
        hours=masks[1],
        days=masks[2],
        months=masks[3],
        weekdays=masks[4] & ~sum(1 << day for day in nth),
        last_day="l" in special[2].split(","),
        nth=tuple(sorted((day, 0 if n == "l" else n) for day, which in nth.items() for n in which)),
        both_days=words[2][0] in "*?" or words[4][0] in "*?",
        follows_clock=words[0].startswith("*") or words[1].startswith("*"),
    )
    if cron.next_local(0) is None:
        raise ValueError(f"cannot use {show_value(text)} as a schedule: it never fires; no such day exists")
    return cron


def _mask(values: list[int | str], field: _Field) -> int:
    if values == ["*"]:
        high = 6 if field is _DAY_OF_WEEK else field.high
        return (1 << high + 1) - (1 << field.low)
    return sum(1 << value for value in values if isinstance(value, int))


def _read(field: _Field, word: str, text: str, job_id: str | None) -> tuple[int, str]:
    """The numbers that a field names, as bits, and its other items, which croniter reads."""
    numbers, special = 0, []
    for item in dict.fromkeys(word.split(",")):  # each once: a text of 256 characters can say each forty times
        plain = _plain(field, item, text, job_id)
        if not isinstance(plain, str):
            numbers |= sum({1 << (number % 7 if field is _DAY_OF_WEEK else number) for number in plain})
        elif plain == "*" != word:
            numbers |= _mask(["*"], field)  # croniter would take `*,3` for `3`
        else:
            special.append(plain)
    of_month = {item for item in special if item[0] != "*"}
    if field is _DAY_OF_WEEK and of_month and (numbers or len(special) > len(of_month)):
        raise ValueError(
            f"cannot read {show_value(word)} as the day of week in {show_value(text)}: days of the week and of the month;"
            ' write "mon,fri" or "mon#1,fri#3", or a list of two schedules: ["0 9 * * mon", "0 9 * * fri#3"]'
        )
    return numbers, ",".join(special)


def _plain(field: _Field, item: str, text: str, job_id: str | None) -> str | Iterable[int]:
    """One item of a field: its numbers, or what croniter reads as it is meant."""
    try:
        if field is _DAY_OF_MONTH and item == "l":
            return item
        if field is _DAY_OF_WEEK and (special := _plain_weekday(item)):
            return special
        if match := _HASHED.fullmatch(item):
            return _plain_hash(field, match, job_id)
        return _plain_item(field, item)
    except ValueError as error:
        raise ValueError(f"cannot read {show_value(item)} as the {field.name} in {show_value(text)}; {error}") from None


def _plain_item(field: _Field, item: str) -> str | Iterable[int]:
    if (number := _number(field, item)) is not None:
        return (number,)
    form = f"write {field.low} to {field.high}" + (f" or {field.names[0]} to {field.names[-1]}" if field.names else "")
    if item[:1] == "r" and not item[1:2].isalpha():
        raise ValueError(f"R: random instants could not be audited; H is as even, and stable; {form}")
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(form)
    step = _step(field, match)
    if match["first"] in ("*", "?"):
        if match["last"] or (match["first"] == "?" and (field not in (_DAY_OF_MONTH, _DAY_OF_WEEK) or match["step"])):
            raise ValueError(form)
        # 0-7 would count Sunday twice and shift the phase of a step.
        return item if match["first"] == "*" else "*"
    first = _number(field, match["first"])
    last = first if match["last"] is None else _number(field, match["last"])
    if first is None or last is None:
        raise ValueError(form)
    if match["last"] is None and match["step"]:
        last = field.high  # of the week too: 1/3 is Monday, Thursday, Sunday
    return _plain_range(field, first, last, step)


def _step(field: _Field, match: re.Match[str]) -> int:
    step = int(match["step"][:9]) if match["step"] else 1
    size = field.high - field.low + 1
    if not 1 <= step <= size:
        raise ValueError(f"a step lies between 1 and {size}")
    return step


def _plain_weekday(item: str) -> str | None:
    """`fri#2`, the second Friday of the month, and `l5`, the last one."""
    match = _NTH.fullmatch(item) or _LAST.fullmatch(item)
    day = _number(_DAY_OF_WEEK, match["day"]) if match else None
    if match is None or day is None:
        return None
    return f"{day % 7}#{match['nth']}" if "#" in item else f"l{day % 7}"


def _plain_hash(field: _Field, match: re.Match[str], job_id: str | None) -> Iterable[int]:
    """`h`, `h(1-4)`: a value that the job's id chooses. `h/15`: every 15th from one of the first 15 on."""
    step = _step(field, match)
    first = field.low if match["first"] is None else _number(field, match["first"])
    last = field.hashed if match["last"] is None else _number(field, match["last"])
    if first is None or last is None or not first <= last <= field.hashed:
        raise ValueError(f"H lies between {field.low} and {field.hashed}: H, H({field.low}-{field.hashed}), H/2")
    if job_id is None:
        raise ValueError("H is made from the job's id; give one: --job ID")
    number = int.from_bytes(sha256(f"{job_id}\0{field.name}".encode()).digest()[:8])
    size = last - first + 1
    if match["step"] is None:
        return (first + number % size,)
    return range(first + number % min(step, size), last + 1, step)


def _plain_range(field: _Field, first: int, last: int, step: int) -> Iterable[int]:
    """The numbers of a range. One that wraps (`22-3`, `fri-mon`) goes on from the low end in step."""
    if field is _DAY_OF_WEEK and first > last:
        first, last = first % 7, last % 7
    size = 7 if field is _DAY_OF_WEEK else field.high - field.low + 1
    length = last - first if last >= first else last - first + size
    values = (first + offset for offset in range(0, length + 1, step))
    return (value if value <= field.high else value - size for value in values)


def _number(field: _Field, word: str) -> int | None:
    if word in field.names:
        return field.low + field.names.index(word)
    if not re.fullmatch("[0-9]{1,2}", word):
        return None
    number = int(word)
    return number if field.low <= number <= field.high else None
