"""What is written down: the entries of the record, and what of it a starting daemon goes by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobschedd.model.run import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobschedd.model.run import Ending, Instant, Outcome, Run
    from jobschedd.model.waiting import Held

Rows = tuple[tuple["Instant", "Instant"], ...]
"""First and last of each row of instants."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A start that is about to be made. Of one (job, instant, attempt) there is one, ever."""

    run: Run
    variables: tuple[tuple[str, str], ...] = ()
    """The files that it is for, as its environment has them: known until it has ended, for a further attempt."""


@dataclass(frozen=True, slots=True)
class Waits:
    """A start that is claimed and certainly not made: a `Claimed` goes before that."""

    held: Held


@dataclass(frozen=True, slots=True)
class Began:
    run_id: str
    pid: int
    started_at: Instant


@dataclass(frozen=True, slots=True)
class Ended:
    """How a claim ended: a run that is over, or one that could not be started."""

    run_id: str
    outcome: Outcome
    ended_at: Instant
    ending: Ending
    run: Run | None = None
    began: Began | None = None
    """For a record that was begun since, and knows nothing of the run."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Instants in a row that did not become runs."""

    run: Run
    """Of the last one of them."""
    outcome: Outcome
    reason: str
    first: Instant
    count: int | None
    in_doubt: bool = False
    """Some of them may have been started: they do not come again, whatever the clock does."""


@dataclass(frozen=True, slots=True)
class Defined:
    """A version of a job is in force from `since` on, and the one before it no longer."""

    job_id: str
    digest: str
    path: str
    terms: str
    """JSON: the keys of the job file that say when; what an audit computes the instants from."""
    delay: int
    """By how much its starts come after their instants."""
    since: Instant


@dataclass(frozen=True, slots=True)
class Undefined:
    """The job is gone."""

    job_id: str
    until: Instant


@dataclass(frozen=True, slots=True)
class Owing:
    """All that a job has to catch up now."""

    job_id: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Paused:
    job_id: str
    since: Instant | None
    """None: it goes on."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The clock was set back to `now`: what was said not to run later than that lies ahead again."""

    now: Instant


@dataclass(frozen=True, slots=True)
class Booted:
    """The instant that `@reboot` names. A clock step gives it another one in the same boot."""

    boot_id: str
    instant: Instant


@dataclass(frozen=True, slots=True)
class Alive:
    """The daemon had decided all that was due at `now`."""

    now: Instant


Entry = (
    Claimed | Waits | Began | Ended | Passed | Defined | Undefined | Owing | Paused | TakenBack | Booted | Alive
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A job that was in force when the last daemon ended."""

    digest: str
    terms: str
    accounted: Instant
    """All its instants up to here have an outcome, or are owed by name."""


@dataclass(frozen=True, slots=True)
class Open:
    """A claim without an end."""

    run: Run
    pid: int | None
    started_at: Instant | None
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Doubt:
    """Starts have not been written down."""

    since: Instant
    """By the clock, and by one that was set back in that time."""
    reached: Instant = 0
    """The clock was set back from here since: instants up to here may have been started too. 0: it was not."""
    seen: Instant = 0
    """No further than this has the clock come."""

    def over(self, other: Doubt | None) -> Doubt:
        """What lies in the one, in the other, or in between."""
        if other is None:
            return self
        return Doubt(min(self.since, other.since), max(self.reached, other.reached), max(self.seen, other.seen))

    def at(self, now: Instant) -> Doubt:
        """As it is for a daemon that begins now: the clock may have been set back while none was there to see that."""
        return replace(self, reached=max(self.reached, self.seen)) if self.seen > now else self

    def back_to(self, now: Instant) -> Instant:
        """What of the record is certain: nothing that is later, if the clock was set back and nobody could say so."""
        return min(now, self.since) if self.reached else now


def floor(since: Instant, doubt: Doubt) -> Instant:
    """Up to where instants may have been started, for a daemon that began at `since`.

    No more than a day ahead: a clock that stood in 2098 for a minute must not silence a job until then.
    """
    return max(since, min(doubt.reached, since + DAY))


@dataclass(frozen=True, slots=True)
class Past:
    """What the record says when a daemon starts."""

    seen_at: Instant | None = None
    """When the last daemon was last known to decide; None: there was none."""
    known: Mapping[str, Known] = field(default_factory=dict)
    owing: Mapping[str, Rows] = field(default_factory=dict)
    open: tuple[Open, ...] = ()
    waiting: tuple[Held, ...] = ()
    """Claimed, and not yet started."""
    ahead: Mapping[str, Rows] = field(default_factory=dict)
    """By job what was started before its time, or may have been: a clock that was put right comes to it again."""
    paused: frozenset[str] = frozenset()
    boot: Instant | None = None
    """The instant of this boot of the machine, if it was seen before."""
    set_aside: str | None = None
    """Where a record that could not be read was put; empty: it is gone. This one is new then."""
    unread: bool = False
    """The record could not be read when the daemon started: nothing of the past is known yet."""
    doubt: Doubt | None = None
    """The last daemon could not write for a time: what it has started then is not known."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of the past is kept."""

    usec: int = 90 * DAY
    per_job: int = 1000


class RecordFailed(Exception):  # noqa: N818 - as the event is called
    """The store could not write, and nothing of what was to be written is."""

    def __init__(self, reason: str, *, broken: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken
        """What is there cannot be used any more: it is to be set aside, and a new one begun."""
