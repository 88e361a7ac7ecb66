"""What is written down: the entries of the record, and what of it a starting daemon goes by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobschedd.model.rows import fewer, merged
from jobschedd.model.run import DAY, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobschedd.model.rows import Rows
    from jobschedd.model.run import Ending, Instant, Outcome, Run
    from jobschedd.model.waiting import Held


@dataclass(frozen=True, slots=True)
class Claimed:
    """A start that is about to be made. Of one (job, instant, attempt) there is one, ever."""

    run: Run
    variables: tuple[tuple[str, str], ...] = ()
    """The files that it is for, as its environment has them: known until it has ended, for a further attempt."""
    found: bool = False
    """A daemon before this one has made it and could not write it down: what came before it may have no outcome yet."""


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


@dataclass(frozen=True, slots=True)
class Doubted:
    """Whatever lies in these rows may have been started, of any job: none of it is, whatever the clock does."""

    noted: Rows
    presumed: Rows = ()
    """From the failure to the start of the daemon after it: should the note be older than the last start. By a clock
    that is set back since it is cut there.
    """


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
    Claimed
    | Waits
    | Began
    | Ended
    | Passed
    | Doubted
    | Defined
    | Undefined
    | Owing
    | Paused
    | TakenBack
    | Booted
    | Alive
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


MOST_SPANS = 11
"""Spans of a doubt: with them its note is no more than a disk writes whole or not at all."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Starts have not been written down."""

    since: Instant
    """When that began; earlier, if the clock was set back to earlier since."""
    spans: Rows = ()
    """In these lies whatever may have been started, in order, and apart from each other."""
    back_to: Instant = 0
    """The clock was set back to here, the farthest, and that was not written down either; 0: it was not."""

    def of(self, spans: Iterable[tuple[Instant, Instant]]) -> Doubt:
        """What lies in these may have been started too; and in between, where that is not long."""
        return replace(self, spans=merged([*self.spans, *spans], near=MINUTE))

    def short(self, now: Instant) -> Doubt:
        """In no more spans than a note has room for."""
        return replace(self, spans=fewer(self.spans, MOST_SPANS, now))

    def set_back(self, now: Instant) -> Doubt:
        """The clock was set back to `now`, and that is not written down either."""
        return replace(self, since=min(self.since, now), back_to=min(self.back_to or now, now))

    def over(self, other: Doubt | None) -> Doubt:
        """What is in doubt by the one or the other."""
        if other is None:
            return self
        both = replace(self, since=min(self.since, other.since)).of(other.spans)
        return both.set_back(other.back_to) if other.back_to else both

    def presumed(self, now: Instant) -> Rows:
        """What else a daemon that begins now has to doubt: see `Doubted`."""
        return ((self.since, now),) if self.since <= now else ()

    def certain(self, now: Instant) -> Instant:
        """Of what is on the record, nothing later than this is to be believed."""
        return min(now, self.back_to) if self.back_to else now


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
    ahead: Mapping[str, tuple[Instant, ...]] = field(default_factory=dict)
    """By job what was started before its time: a clock that was put right comes to it again."""
    doubted: Doubted = Doubted(())
    """What daemons of the past may have started and could not write down."""
    paused: frozenset[str] = frozenset()
    boot: Instant | None = None
    """The instant of this boot of the machine, if it was seen before."""
    set_aside: str | None = None
    """Where a record that could not be read was put; empty: it is gone. This one is new then."""
    unread: bool = False
    """The record could not be read when the daemon started: nothing of the past is known yet."""
    doubt: Doubt | None = None
    """The last daemon could not write for a time, and that is not on the record yet."""


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
