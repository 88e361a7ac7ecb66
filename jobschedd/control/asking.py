"""What the methods stand on: the house they ask, how they ask it, and what they answer with when they cannot."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from jobschedd.model import message
from jobschedd.model.run import SECOND
from jobschedd.model.schedule import parse_timestamp
from jobschedd.world.store.reading import UnreadableRecord
from jobschedd.world.varlink import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from jobschedd.control.feed import Feed
    from jobschedd.model.event import Event
    from jobschedd.model.message import Message, Reply
    from jobschedd.model.run import Instant
    from jobschedd.ports import Clock, Inbox, Listener
    from jobschedd.world.log.reading import JournalReader, Runs
    from jobschedd.world.store.reading import Reader
    from jobschedd.world.zones import ZoneDatabase

Answer = TypeVar("Answer")

ANSWER_WITHIN = 10.0
"""Seconds in which the scheduler has answered, even in the middle of loading 100,000 files."""

AT_ONCE = 64
"""Jobs that the scheduler is asked about in one message."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The files have been read again."""

    jobs: int
    problems: int
    refused: str = ""
    """Why the settings stayed as they were."""


@dataclass(frozen=True, slots=True)
class House:
    """What the methods may ask."""

    inbox: Inbox
    clock: Clock
    zones: ZoneDatabase
    listen: Listener
    """Where it is said what was asked for, and by whom."""
    feed: Feed
    open_record: Callable[[], Reader]
    """Raises UnreadableRecord."""
    open_journal: Callable[[Runs], JournalReader] | None
    """None: the log goes elsewhere."""
    is_logged: Callable[[Event], bool]
    """Whether the log level lets this into the log."""
    reload: Callable[[Reply[Reloaded]], None]
    jobs_dirs: Callable[[], Sequence[str]]
    facts: dict[str, Any]
    """What `Status` tells of it that never changes."""

    def ask(self, asked: Message, reply: SimpleQueue[Answer]) -> Answer:
        """The scheduler's answer. Raises Refused."""
        self.inbox.put(asked)
        return self.await_answer(reply, ANSWER_WITHIN)

    @staticmethod
    def await_answer(reply: SimpleQueue[Answer], within: float) -> Answer:
        """Raises Refused."""
        try:
            return reply.get(timeout=within)
        except Empty:
            raise Refused("io.jobschedd.Busy", text=f"jobschedd has not answered for {within:g} s") from None

    def job_of(self, run_id: str) -> str | None:
        with suppress(UnreadableRecord), self.open_record() as reader:
            row = reader.run(run_id)
            return None if row is None else row.job_id
        return None

    def run_at(self, job_id: str, pid: int, at: Instant) -> str | None:
        """None: it may have been several."""
        with suppress(UnreadableRecord), self.open_record() as reader:
            if (found := reader.run_at(job_id, pid, at)) is None and self.clock.now() - at < SECOND:
                # What started or ended just now may not be on the record yet.
                reply: SimpleQueue[None] = SimpleQueue()
                self.ask(message.WriteDown(reply), reply)
                found = reader.run_at(job_id, pid, at)
            return found
        return None

    @contextmanager
    def record(self) -> Iterator[Reader]:
        """Raises Refused."""
        try:
            with self.open_record() as reader:
                yield reader
        except UnreadableRecord as error:
            raise Refused("io.jobschedd.RecordUnreadable", text=str(error)) from None

    @property
    def zone(self) -> ZoneInfo:
        return self.zones.local()

    def moment(self, parameter: str, text: str) -> Instant:
        """Raises Refused."""
        try:
            return parse_timestamp(text, self.zone)
        except ValueError as error:
            raise Refused("io.jobschedd.CannotRead", parameter=parameter, text=str(error)) from None


def no_such_job(job_id: str) -> Refused:
    """It is not there, or not to be seen: the words are the same."""
    return Refused("io.jobschedd.NoSuchJob", job_id=job_id)
