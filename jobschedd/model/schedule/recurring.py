"""Cron expressions in a zone, with Debian cron's daylight saving rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jobschedd.model.run import SECOND, Instant
from jobschedd.model.schedule.zone import locate, offset_at

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from jobschedd.model.schedule.cron import Cron

CORRECTION = 3 * 3600
"""A jump of more seconds than this is a correction of the clock, not daylight saving: cron(8)."""

_DAY = 86_400

_MOST_CHANGES = 32
"""A time that daylight saving skips each year it comes, `* 2 * 3 l0` in Berlin, is given up after some ten years."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A cron expression in a zone.

    Debian's cron(8): a job at a fixed time that the jump forward skips runs right after the jump, one in the hour
    that comes twice runs once; a job whose minute or hour begins with `*` follows the clock. A jump of more than
    three hours is a correction, and the times it skips are not made up for: 30 December 2011 was no day in Samoa.
    """

    cron: Cron
    zone: ZoneInfo

    @property
    def text(self) -> str:
        return self.cron.text

    def next(self, after: Instant, boot: Instant | None = None) -> Instant | None:  # noqa: ARG002 - of the protocol
        return _next(self, after // SECOND)

    def next_fixed(self, after: int) -> int | None:
        """The next second of an expression that names fixed times."""
        local: int | None = after + offset_at(self.zone, after)[0]
        while local is not None:
            local = self.cron.next_local(local)
            if local is None:
                return None
            utc, skipped = locate(self.zone, local)
            if utc > after and skipped <= CORRECTION:
                return utc
            offset, changes = offset_at(self.zone, utc)
            # Inside a correction: go on at its end. Or in a second pass: the first one, which ended at the change,
            # has had all its turns.
            local = utc + offset - 1 if skipped else min(after, changes - 1) + offset
        return None

    def next_on_the_clock(self, after: int) -> int | None:
        """The next second of an expression that follows the clock."""
        for _ in range(_MOST_CHANGES):
            offset, changes = offset_at(self.zone, after + 1)
            local = self.cron.next_local(after + offset)
            if local is None:
                return None
            if local - offset < changes:
                return local - offset
            # Nothing up to the change. If that is more than a day off, going back at it shows no local time from
            # before `after` again, and nothing is left to be found up to two days before `local`: years, perhaps.
            after = max(changes - 1, local - 2 * _DAY if changes - after > _DAY else 0)
        return None


# A hundred thousand jobs say a few hundred different things; at a load each is walked once.
@lru_cache(maxsize=4_096)
def _next(schedule: Recurring, after: int) -> Instant | None:
    found = schedule.next_on_the_clock(after) if schedule.cron.follows_clock else schedule.next_fixed(after)
    return None if found is None else found * SECOND
