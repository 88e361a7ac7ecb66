"""Rows of instants: each by its first and its last moment, which need not be instants themselves."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobschedd.model.run import Instant

Rows = tuple[tuple["Instant", "Instant"], ...]


def merged(rows: Iterable[tuple[Instant, Instant]], *, near: int = 0) -> Rows:
    """In order, and apart from each other. What is no farther apart than `near` is one."""
    made: list[tuple[Instant, Instant]] = []
    for first, last in sorted(rows):
        if made and first <= made[-1][1] + near:
            made[-1] = made[-1][0], max(last, made[-1][1])
        else:
            made.append((first, last))
    return tuple(made)


def fewer(rows: Rows, most: int, now: Instant) -> Rows:
    """No more than so many, which lie around the same: what is behind becomes one first, then what is near each other."""
    made = list(rows)
    while len(made) > most:
        place = min(range(1, len(made)), key=lambda place: (made[place][0] > now, made[place][0] - made[place - 1][1]))
        made[place - 1 : place + 1] = [(made[place - 1][0], made[place][1])]
    return tuple(made)


def up_to(rows: Rows, now: Instant) -> Rows:
    """Without what is later."""
    return tuple((first, min(last, now)) for first, last in rows if first <= now)


def lies_in(rows: Rows, instant: Instant) -> bool:
    return meets(rows, instant, instant)


def meets(rows: Rows, begin: Instant, end: Instant) -> bool:
    """Whether any of these, which are in order and apart, lies there."""
    place = bisect_left(rows, begin, key=itemgetter(1))
    return place < len(rows) and rows[place][0] <= end
