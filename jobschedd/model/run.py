"""One run: an instant of a job that was started, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

Instant = int
"""Microseconds since the epoch, UTC. Durations are microseconds too."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LAST_MOMENT = 253_402_300_800_000_000
"""The end of the year 9999."""


def show_instant(instant: Instant) -> str:
    """RFC 3339 in UTC, with as many digits as the instant has."""
    second, fraction = divmod(instant, SECOND)
    return f"{_show_second(second)}.{fraction:06}Z" if fraction else f"{_show_second(second)}Z"


@lru_cache(maxsize=1_024)
def _show_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


def make_run_id(moment: Instant, chance: int) -> str:
    """A ULID: 48 bits of milliseconds and 80 of chance in Crockford's base 32; sorts by time."""
    number = moment // 1_000 << 80 | chance
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


class Cause(StrEnum):
    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    RETRY = "retry"
    AFTER = "after"
    WATCH = "watch"
    MANUAL = "manual"


NAMED = (Cause.SCHEDULE, Cause.CATCH_UP)
"""Of these there is a schedule that has named the instant."""


class Outcome(StrEnum):
    """How an instant ended. The names are the record's."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    LOST = "lost"
    SKIPPED = "skipped"
    MISSED = "missed"
    COALESCED = "coalesced"


@dataclass(frozen=True, slots=True)
class Run:
    """A claim of (job, instant) and the start that follows it."""

    run_id: str
    job_id: str
    scheduled_at: Instant
    cause: Cause
    labels: tuple[tuple[str, str], ...] = ()
    success_codes: tuple[int, ...] = (0,)
    attempt: int = 1
    definition: str = ""
    """Digest of the file that described the job."""
    synchronised: bool = True
    """Whether the kernel held the wall clock for right when this was decided."""
    timeout: int | None = None
    """How long it may take, microseconds."""
    kill_after: int = 10 * SECOND
    """How long it has to end when it was asked to."""
    uid: int | None = None
    """Who asked for it, where somebody did."""


class Asked(StrEnum):
    """Why a run was asked to end. The names are those of the outcomes."""

    NOT = ""
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the kernel said of a run's main process, or what was known instead."""

    exit_code: int | None
    signal: int | None
    cpu_usec: int
    """User and system time: of all of it where it had a cgroup, else of its main process and the children that waited for."""
    memory_peak: int | None
    """The most memory that all of it had at once where a cgroup counted that, else the largest of those processes; bytes."""
    reason: str = ""
    asked: Asked = Asked.NOT
    """It was asked to end before it ended."""


def outcome_of(run: Run, ending: Ending) -> Outcome:
    """Judge an ended run."""
    if ending.exit_code is None and ending.signal is None:
        return Outcome.LOST
    if ending.asked:
        return Outcome(ending.asked)
    return Outcome.SUCCEEDED if ending.exit_code in run.success_codes else Outcome.FAILED
