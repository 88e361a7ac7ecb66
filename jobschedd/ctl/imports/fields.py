"""The time fields of a crontab line as cron itself reads them: entry.c, load_entry() and get_range().

Nothing of model/schedule is used here, because what is read here proves what model/schedule reads.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from jobschedd.model.span import show_value


class Cron(Enum):
    """Whose rules a crontab is read by."""

    DEBIAN = "debian"
    CRONIE = "cronie"


class Unsaid(ValueError):  # noqa: N818 - no error of the crontab's
    """cron runs the line, but not as it reads, or no job file can say what it does."""


class _Rest(Unsaid):
    """What follows a value is ignored."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _WEEKDAYS),
)

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_WORD = "[A-Za-z0-9]+"
_ITEM = re.compile(rf"(?:\*|(?P<first>{_WORD})(?:-(?P<last>{_WORD}))?)(?:/(?P<step>{_WORD}))?")


@dataclass(frozen=True, slots=True)
class Times:
    """What five fields name."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    both_days: bool
    """A day field begins with `*` (DOM_STAR, DOW_STAR): a day has to match both, else one of them."""
    wild: bool
    """Minute or hour begins with `*` (MIN_STAR, HR_STAR): follows the clock through daylight saving."""


def read_times(words: list[str], cron: Cron | None) -> Times:
    """Five words. Raises ValueError where cron reads no crontab with such a line, and Unsaid."""
    unsaid: list[Unsaid] = []
    sets = [frozenset(_field(field, word, cron, unsaid)) for field, word in zip(_FIELDS, words, strict=True)]
    if unsaid:  # only now: a field that cron cannot read at all counts for more
        raise unsaid[0]
    stars = [word.startswith("*") for word in words]
    return Times(
        minutes=sets[0],
        hours=sets[1],
        days=sets[2],
        months=sets[3],
        weekdays=frozenset(day % 7 for day in sets[4]),
        both_days=stars[2] or stars[4],
        wild=stars[0] or stars[1],
    )


def _field(field: _Field, word: str, cron: Cron | None, unsaid: list[Unsaid]) -> set[int]:
    named: set[int] = set()
    for item in word.split(","):
        try:
            named |= set(_item(field, item, cron))
        except _Rest as error:
            unsaid.append(error)
            break  # cron looks at nothing behind it either
        except Unsaid as error:
            unsaid.append(Unsaid(f"{field.name} {show_value(word)}: {error}"))
        except ValueError:
            raise ValueError(
                f"cron cannot read {show_value(word)} as the {field.name}; write {field.low} to {field.high}"
                + (f" or {field.names[0]} to {field.names[-1 if field.low else -2]}" if field.names else "")
            ) from None
    return named


def _item(field: _Field, item: str, cron: Cron | None) -> range:
    if "~" in item and cron is not Cron.DEBIAN:
        raise Unsaid("cronie draws a random value at each start of the daemon; write H(0-30), which stays")
    match = _ITEM.match(item)
    if match is None or (match["step"] and match["first"] and not match["last"]):
        raise ValueError(item)
    if match.end() < len(item):
        begun = "/-" if match["first"] and not match["last"] else "/"
        if cron is Cron.CRONIE or (not match["step"] and item[match.end()] in begun):
            raise ValueError(item)
        with suppress(Unsaid):
            _item(field, match[0], cron)
        raise _Rest(f"Debian's cron reads {show_value(match[0])} and ignores the rest of {show_value(item)}")
    step = int(match["step"]) if match["step"] else 1
    first = _number(field, match["first"]) if match["first"] else field.low
    last = _number(field, match["last"]) if match["last"] else first if match["first"] else field.high
    if cron is Cron.CRONIE and first > last == 0:
        last = 7  # of the week: mon-sun
    if step < 1 or not field.low <= min(first, last) <= max(first, last) <= field.high:
        raise ValueError(item)
    if first > last:
        raise Unsaid(
            f"cron reads the range {show_value(item)} as empty, because it ends before it begins; write"
            f" {first}-{field.high},{field.low}-{last} if that is meant"
        )
    return range(first, last + 1, step)


def _number(field: _Field, word: str) -> int:
    return field.low + field.names.index(word.lower()) if word.lower() in field.names else int(word)
