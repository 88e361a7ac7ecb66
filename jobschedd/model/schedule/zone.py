"""Time zones as a table: which offset from UTC holds from which second on.

A walk that asks zoneinfo at each step pays for a datetime each time. The rules change a few times a year, so each
piece of time that is visited is looked through once and remembered: pieces of some weeks, because a schedule may
visit one day in each of a hundred years. All numbers are whole seconds; local seconds are counted as if the
wall clock were UTC.

No zone has changed its offset twice within two days since 1970; the tests hold the machine's database to it.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from struct import pack
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = 86_400


@lru_cache(maxsize=1_024)
def read_zone(name: str, data: bytes) -> ZoneInfo:
    """A zone from the content of its TZif file. Raises ValueError for anything else.

    The same content gives the same object: a zone is its rules, so what was read before a reload and again after it
    compares equal exactly when the rules are the same.
    """
    try:
        return ZoneInfo.from_file(BytesIO(data), key=name)
    except Exception as error:  # noqa: BLE001 - zoneinfo promises nothing about a broken file: struct.error, EOFError
        raise ValueError(f"not a time zone file: {error}") from None


UTC_ZONE = read_zone("UTC", pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, 4) + pack(">lbb4s", 0, 0, 0, b"UTC\0"))
"""A TZif file of one rule, RFC 8536, so that a machine without a zone database has UTC."""


_PIECE = 21
"""Binary digits of a piece's length in seconds: 24 days."""

_SAMPLE = 1 << 17
"""Seconds between looks at a piece: a day and a half."""


@lru_cache(maxsize=16_384)
def _piece(zone: ZoneInfo, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where each offset of a piece of time begins, and the offsets. The last item of the first is the piece's end."""
    begin, end = number << _PIECE, number + 1 << _PIECE
    begins, offsets = [begin], [_ask(zone, begin)]
    for sample in range(begin, end, _SAMPLE):
        low, high = sample, sample + _SAMPLE
        after = _ask(zone, high if high < end else end - 1)
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
    begins, offsets = _piece(zone, second >> _PIECE)
    place = bisect_right(begins, second) - 1
    return offsets[place], begins[place + 1]


class Place(NamedTuple):
    """Where a local time lies."""

    utc: int
    """The UTC second. Of a local time that comes twice, the first; of one that a jump skips, the jump."""
    skipped: int = 0
    """Seconds by which the clock jumps over this local time; 0: it exists."""


def locate(zone: ZoneInfo, local: int) -> Place:
    """Find a local second on the UTC line."""
    before, changes = offset_at(zone, local - _DAY)
    if changes > local + _DAY:
        return Place(local - before)
    if offset_at(zone, local - before)[0] == before:
        return Place(local - before)
    after = offset_at(zone, local + _DAY)[0]
    if offset_at(zone, local - after)[0] == after:
        return Place(local - after)
    jump = local - after
    while offset_at(zone, jump)[0] == before:  # more than once where a piece ends in between
        jump = offset_at(zone, jump)[1]
    return Place(jump, skipped=after - before)


def jumps(zone: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The local times that jumps forward between two UTC seconds skip: first local second, and the one after."""
    offset, changes = offset_at(zone, begin)
    while changes < end:
        before, (offset, following) = offset, offset_at(zone, changes)
        if offset > before:
            yield changes + before, changes + offset
        changes = following
