"""What the scheduler and the loader ask of the world. Implemented in world/, and by hand in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobschedd.model.event import Event
    from jobschedd.model.launch import Launch
    from jobschedd.model.message import Message
    from jobschedd.model.part import Watch
    from jobschedd.model.record import Doubt, Entry, Past
    from jobschedd.model.run import Asked, Instant, Run


class Clock(Protocol):
    def now(self) -> Instant:
        """Wall clock, UTC, microseconds since the epoch. May jump."""

    def elapsed(self) -> int:
        """Microseconds that have passed since some fixed moment. Never jumps; goes on in suspend."""

    def asleep(self) -> int:
        """Microseconds of them that the machine was suspended."""

    def synchronised(self) -> bool:
        """Whether the kernel holds the wall clock for right."""

    def run_id(self, now: Instant) -> str:
        """A new id; ids sort by time."""


class Inbox(Protocol):
    def put(self, message: Message) -> None:
        """Hand a message to the scheduler. Never blocks."""


class Waiting(Protocol):
    """The scheduler's end of the inbox."""

    def wait(self, until: Instant | None) -> Message | None:
        """The next message. None when the wall clock has come to `until`, when it was set, or now and then."""


class Listener(Protocol):
    def __call__(self, event: Event) -> None:
        """Hear what happened. Must return at once and must not raise."""


class Runner(Protocol):
    """Starts and ends runs. Answers come as RunStarted, RunRefused, RunEnded, RunnerLost in the inbox."""

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        """Start each of these, in this order, and not before its moment, which is milliseconds ahead. Never blocks."""

    def end(self, run_ids: Sequence[str], signal: int, why: Asked) -> None:
        """Send a signal to all that these runs have started; `why` comes back with their ends. Never blocks."""

    def forget(self, run_ids: Sequence[str]) -> None:
        """The ends of these are on the record; until then they are told to each daemon anew. Never blocks."""


class Watches(Protocol):
    """Watches files for jobs. What arrives comes as FilesArrived in the inbox."""

    def watch(self, job_id: str, watch: Watch | None) -> None:
        """Watch for this job what it says now; None: no longer. The same again changes nothing. Never blocks."""


class Store(Protocol):
    """The record. Used by the scheduler's thread alone."""

    def read(self, now: Instant) -> Past:
        """What the record says. Raises RecordFailed."""

    def write(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Write these in one transaction, durably. The run ids of claims whose instant was claimed before.

        Raises RecordFailed, and then nothing of it is written.
        """

    def ahead(self, now: Instant) -> Mapping[str, tuple[Instant, ...]]:
        """By job the instants that were started before their time. Raises RecordFailed."""

    def tidy(self, before: Instant, per_job: int) -> bool:
        """Delete a few rows that are older than `before`, or more than `per_job` of one job; whether more may be left.

        Takes milliseconds, and never raises.
        """

    def doubt(self, doubt: Doubt | None) -> bool:
        """Note, where even a full disk takes it, that starts are not written down; None: they are.

        False: that could not be noted either.
        """

    def set_aside(self, now: Instant) -> str:
        """Give a record that cannot be used another name; which; empty: it is gone. The next write begins a new one."""

    def close(self) -> None: ...
