"""When: the forms of `schedule`, and the one question they answer.

`next(after)` takes an instant and returns the first later one, or None. It depends on nothing else, so asking twice,
after a restart, or on another machine gives the same answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from jobschedd.model.cron import MACROS, Cron, parse_cron
from jobschedd.model.run import SECOND, Instant
from jobschedd.model.span import show_value
from jobschedd.model.zone import offset_at, to_utc

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SCHEDULE_FORM = 'write a cron expression "0 1 * * *", a macro "@daily", or a timestamp "2026-09-20T02:00:00Z"'

_LATER = {
    "@reboot": "@reboot is not supported yet",
    "@every": "@every is not supported yet",
}


class Schedule(Protocol):
    @property
    def text(self) -> str:
        """As the file says it."""

    def next(self, after: Instant) -> Instant | None:
        """The first instant later than `after`; None: never again."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A cron expression in a zone, with Debian cron's daylight saving rule.

    cron(8): a job at a fixed time that the jump forward skips runs right after the jump, one in the hour that
    comes twice runs once; a job whose minute or hour begins with `*` follows the clock.
    """

    cron: Cron
    zone: ZoneInfo

    @property
    def text(self) -> str:
        return self.cron.text

    def next(self, after: Instant) -> Instant | None:
        return _next_recurring(self, after // SECOND)

    def next_fixed(self, after: int) -> int | None:
        local: int | None = after + offset_at(self.zone, after)[0]
        while local is not None:
            local = self.cron.next_local(local)
            if local is None:
                return None
            utc = to_utc(self.zone, local)
            # Not later: the second pass through an hour that comes twice, or a second time within one gap.
            if utc > after:
                return utc
        return None

    def next_on_the_clock(self, after: int) -> int | None:
        while True:
            offset, changes = offset_at(self.zone, after + 1)
            local = self.cron.next_local(after + offset)
            if local is None:
                return None
            if local - offset < changes:
                return local - offset
            after = changes - 1


# A hundred thousand jobs say a few hundred different things; at a load each is walked once.
@lru_cache(maxsize=4_096)
def _next_recurring(schedule: Recurring, after: int) -> Instant | None:
    found = schedule.next_on_the_clock(after) if schedule.cron.follows_clock else schedule.next_fixed(after)
    return None if found is None else found * SECOND


@dataclass(frozen=True, slots=True)
class Once:
    text: str
    at: Instant

    def next(self, after: Instant) -> Instant | None:
        return self.at if self.at > after else None


def parse_schedule(value: object, zone: ZoneInfo) -> Schedule:
    """Read any form. Raises ValueError with the right form."""
    match value:
        case str():
            return _parse_text(value, zone)
        case {"cron": str(text), **rest}:
            return _parse_cron_object(text, rest, zone)
        case list():
            raise ValueError("a list of schedules is not supported yet; write one, or one file for each")
    raise ValueError(f"cannot read {show_value(value)} as a schedule; {SCHEDULE_FORM}")


def _parse_text(text: str, zone: ZoneInfo) -> Schedule:
    text = text.strip()
    if text.startswith("@"):
        word = text.split()[0].lower()
        if word in _LATER:
            raise ValueError(f"{_LATER[word]}; {SCHEDULE_FORM}")
        if text.lower() not in MACROS:
            raise ValueError(f"cannot read {show_value(text)} as a macro; write one of {', '.join(MACROS)}")
        return Recurring(parse_cron(MACROS[text.lower()]), zone)
    if re.match(r"R[0-9]*/", text):
        raise ValueError(f"repeating intervals are not supported yet; {SCHEDULE_FORM}")
    if re.match(r"[0-9]{4}-", text):
        return Once(text, parse_timestamp(text, zone))
    return Recurring(parse_cron(text), zone)


def _parse_cron_object(text: str, rest: dict[object, object], zone: ZoneInfo) -> Schedule:
    seconds = rest.pop("seconds", "last")
    if rest or seconds not in ("first", "last"):
        raise ValueError('cannot read the schedule; write {"cron": "0 0 2 * * *", "seconds": "first"}')
    return Recurring(parse_cron(text, seconds_first=seconds == "first"), zone)


def parse_timestamp(text: str, zone: ZoneInfo) -> Instant:
    """An ISO 8601 timestamp; without an offset it is read in `zone`. Raises ValueError."""
    form = 'write "2026-09-20T02:00:00Z"'
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"cannot read {show_value(text)} as a timestamp; {form}") from None
    if "T" not in text.upper() and " " not in text:
        raise ValueError(f"cannot read {show_value(text)} as a timestamp, it has no time of day; {form}")
    if not 1970 <= moment.year < 2200:
        raise ValueError(f"cannot use {show_value(text)} as a timestamp; years go from 1970 to 2199")
    if moment.tzinfo is None:
        local = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
        return to_utc(zone, local) * SECOND + moment.microsecond
    return int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond
