"""Decisions as values: pure functions from numbers to what ought to happen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from jobschedd.model.run import HOUR, MINUTE, SECOND, Instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobschedd.model.part import Retry
    from jobschedd.model.schedule import Schedule

ON_TIME = SECOND
"""What is no later than this is on time, whatever `catch_up` says: no start takes no time at all."""

LATE = MINUTE
"""What is later than this is caught up, at most a few at once; what is not starts now."""

MOST_COUNTED = 100
"""Instants that did not run are counted up to here: beyond, nobody reads the number."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Instants of one job in a row."""

    first: Instant
    last: Instant
    count: int | None
    """None: more than MOST_COUNTED."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What a job owes at a moment: the instants that run, oldest first, and those that do not."""

    runs: Stretch | None = None
    coalesced: Stretch | None = None
    """Give way to the newest."""
    missed: Stretch | None = None
    """Too old to run."""


# A hundred thousand jobs that slept through an hour say a few hundred different things.
@lru_cache(maxsize=4_096)
def owed(
    schedule: Schedule,
    first: Instant,
    now: Instant,
    *,
    last: Instant | None = None,
    catch_up: int | None = None,
    coalesce: bool = True,
    boot: Instant | None = None,
) -> Owed:
    """What is owed at `now` of the instants from `first` on, which is one itself and not later.

    `last` is the last one that is asked about; None: all that have come. `catch_up` (microseconds; None: see `catch_up_window`) is how old an instant may be and still run. With
    `coalesce` only the newest of them runs. Bounded work however long the time: it is searched, not walked.
    """
    newest = _last(schedule, first, now, boot) if last is None else last
    # A boot is not counted by the wall clock, which may be set after it, and is asked about right after it only.
    window = now - first if newest == boot else catch_up_window(schedule, newest, catch_up)
    oldest = first
    if first < now - window:
        following = schedule.next(now - window - 1, boot)
        if following is None or following > newest:
            return Owed(missed=stretch(schedule, first, newest, boot))
        oldest = following
    missed = None if oldest == first else before(schedule, first, oldest, boot)
    if not coalesce:
        return Owed(runs=stretch(schedule, oldest, newest, boot), missed=missed)
    coalesced = None if oldest == newest else before(schedule, oldest, newest, boot)
    return Owed(runs=Stretch(newest, newest, 1), coalesced=coalesced, missed=missed)


def catch_up_window(schedule: Schedule, instant: Instant, catch_up: int | None) -> int:
    """How late, in microseconds, an instant may start: what the job says, else a tenth of the time to the next."""
    if catch_up is not None:
        return max(ON_TIME, catch_up)
    following = schedule.next(instant)
    return HOUR if following is None else max(MINUTE, min(HOUR, (following - instant) // 10))


def start_delay(machine: str, job_id: str, jitter: int) -> int:
    """By how much a start comes after its instant, microseconds in [0, jitter).

    Hosts and jobs are spread evenly, and each stays where it is across restarts: a hash, as systemd's
    FixedRandomDelay has it.
    """
    if not jitter:
        return 0
    return int.from_bytes(sha256(f"{machine}\0{job_id}".encode()).digest()[:8]) % jitter


def retry_delay(retry: Retry, attempt: int, run_id: str) -> int:
    """How long after the end of an attempt the next one starts, microseconds: longer each time, up to `max_delay`.

    A tenth of it is spread by chance, fixed by the run: what failed together does not come back together.
    """
    # The power may be more than a float holds.
    delay = retry.max_delay
    with suppress(OverflowError):
        delay = min(delay, int(retry.delay * retry.factor ** (attempt - 1)))
    chance = int.from_bytes(sha256(run_id.encode()).digest()[:8])
    return delay + chance % (delay // 10 + 1)


def _last(schedule: Schedule, first: Instant, now: Instant, boot: Instant | None) -> Instant:
    """The last instant that is not later than `now`; `first` is one.

    Whether an instant follows within `now` is true up to the last one and false from it on. It is looked for backwards
    from `now`, twice as far each time, and then by halving what lies in between.
    """

    def following(after: Instant) -> Instant | None:
        found = schedule.next(after, boot)
        return found if found is not None and found <= now else None

    low, high = first, now
    if (second := following(first)) is None:
        return first
    back = second - first
    while now - back > low:
        if found := following(now - back):
            low = found
            break
        high = now - back
        back *= 2
    while (found := following(low)) is not None:
        low = found
        middle = (low + high) // 2
        if found := following(middle):
            low = found
        else:
            high = middle
    return low


def apart(
    schedule: Schedule, row: Stretch, spans: Iterable[tuple[Instant, Instant]], boot: Instant | None
) -> list[Stretch]:
    """A row without what lies in these spans, which are in order: that has another outcome."""
    made, first = [], row.first
    for begin, end in spans:
        if end < first:
            continue
        if begin > row.last:
            break
        if first < begin:
            made.append(before(schedule, first, begin, boot))
        following = schedule.next(end, boot)
        if following is None or following > row.last:
            return made
        first = following
    return [*made, row if first == row.first else stretch(schedule, first, row.last, boot)]


def within(
    schedule: Schedule, row: Stretch, spans: Iterable[tuple[Instant, Instant]], boot: Instant | None
) -> list[tuple[Stretch, tuple[Instant, Instant]]]:
    """What of a row lies in these spans, which are in order, each with its span."""
    made = []
    for span in spans:
        begin, end = span[0], min(span[1], row.last)
        first = row.first if begin <= row.first else schedule.next(begin - 1, boot)
        if first is not None and first <= end:
            made.append((before(schedule, first, end + 1, boot), span))
    return made


def before(schedule: Schedule, first: Instant, end: Instant, boot: Instant | None) -> Stretch:
    """From `first` to the last one before `end`."""
    return stretch(schedule, first, _last(schedule, first, end - 1, boot), boot)


def stretch(schedule: Schedule, first: Instant, last: Instant, boot: Instant | None) -> Stretch:
    """The instants from `first`, which is one, to `last`, with their number."""
    count, instant = 1, first
    while instant < last and (following := schedule.next(instant, boot)) is not None and following <= last:
        if count == MOST_COUNTED:
            return Stretch(first, last, None)
        instant = following
        count += 1
    return Stretch(first, instant, count)
