"""ISO 8601 timestamps, and days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from jobschedd.model.run import SECOND, Instant
from jobschedd.model.schedule.zone import locate
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LAST_YEAR = 2199
TIMESTAMP_FORM = 'write "2026-09-20T02:00:00Z"'


class Timestamp(NamedTuple):
    """A local time as it was written."""

    local: int
    """Seconds, as if the wall clock were UTC."""
    usec: int
    offset: int | None
    """From UTC, seconds; None: it was not said, a zone decides."""

    def instant(self, zone: ZoneInfo) -> Instant:
        """The moment it means. One that the zone's clock skips is the moment of the jump."""
        utc = locate(zone, self.local).utc if self.offset is None else self.local - self.offset
        return utc * SECOND + self.usec


def read_timestamp(text: str) -> Timestamp:
    """Read an ISO 8601 timestamp of the years 1970 to 2199. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"cannot read {show_value(text)} as a timestamp; {TIMESTAMP_FORM}") from None
    if "T" not in text.upper() and " " not in text:
        raise ValueError(f"cannot read {show_value(text)} as a timestamp, it has no time of day; {TIMESTAMP_FORM}")
    if not 1970 <= moment.year <= LAST_YEAR:
        raise ValueError(f"cannot use {show_value(text)} as a timestamp; years go from 1970 to {LAST_YEAR}")
    offset = moment.utcoffset()
    return Timestamp(
        local=int(moment.replace(microsecond=0, tzinfo=UTC).timestamp()),
        usec=moment.microsecond,
        offset=None if offset is None else int(offset.total_seconds()),
    )


def parse_timestamp(text: str, zone: ZoneInfo) -> Instant:
    """The instant of a timestamp; without an offset it is read in `zone`. Raises ValueError."""
    return read_timestamp(text).instant(zone)


def read_day(text: str) -> date | None:
    """The day that `2026-12-25` names; None: the text does not have that form, or there is no such day."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year <= LAST_YEAR else None


def begin_of(day: date, zone: ZoneInfo) -> Instant:
    """The instant at which a day begins in a zone; also of a day whose midnight is skipped."""
    # Of one day's begin zoneinfo is asked itself: a table of the year would cost a hundred times that.
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND


def end_of(day: date, zone: ZoneInfo) -> Instant:
    """The instant at which the next day begins."""
    return begin_of(day + timedelta(days=1), zone)
