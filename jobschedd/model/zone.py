"""Time zones as a table: which offset from UTC holds from which second on.

A walk that asks zoneinfo at each step pays for a datetime each time. The rules change a few times a year, so a
year is looked through once and remembered. All numbers are whole seconds; local seconds are counted as if the
wall clock were UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from time import gmtime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = 86_400


@lru_cache(maxsize=8_192)
def _year(zone: ZoneInfo, year: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where each offset of a UTC year begins, and the offsets. The last item of the first is the year's end."""
    begin = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    begins, offsets = [begin], [_ask(zone, begin)]
    for day in range(begin, end, _DAY):
        low, high = day, min(day + _DAY, end)
        after = _ask(zone, high) if high < end else _ask(zone, end - 1)
        if after == offsets[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _ask(zone, middle) == offsets[-1] else (low, middle)
        begins.append(high)
        offsets.append(after)
    return (*begins, end), tuple(offsets)


def _ask(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def offset_at(zone: ZoneInfo, second: int) -> tuple[int, int]:
    """The offset that holds at a UTC second, and the second from which it must be asked again."""
    begins, offsets = _year(zone, gmtime(second).tm_year)
    place = bisect_right(begins, second) - 1
    return offsets[place], begins[place + 1]


def to_utc(zone: ZoneInfo, local: int) -> int:
    """The UTC second of a local one.

    Of a local time that comes twice, the first. For one that a jump forward skips, the moment of the jump:
    Debian's cron(8) runs such jobs right after it.
    """
    before, _ = offset_at(zone, local - _DAY)
    if offset_at(zone, local - before)[0] == before:
        return local - before
    after, _ = offset_at(zone, local + _DAY)
    if offset_at(zone, local - after)[0] == after:
        return local - after
    _, jump = offset_at(zone, local - max(before, after))
    return jump
