"""What the tests share: values that are tedious to make, and a world that stands still."""

from __future__ import annotations

import gc
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model import message
from jobschedd.model.event import Event
from jobschedd.model.host import Host
from jobschedd.model.job import Definition, parse, read_terms
from jobschedd.model.launch import Launch
from jobschedd.model.part import Watch
from jobschedd.model.record import Doubt, Entry, Keep, Past, RecordFailed
from jobschedd.model.run import SECOND, Asked, Ending, Instant, Run, make_run_id
from jobschedd.model.schedule import parse_schedule
from jobschedd.model.timing import Defaults
from jobschedd.scheduler import Scheduler
from jobschedd.world.store import Marker, SqliteStore
from jobschedd.world.store.migration import bring_up_to_date


def at(text: str, zone: str = "UTC") -> Instant:
    """The instant of a local time written as `2026-03-29 02:30`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def local(instant: Instant | None, zone: str = "UTC") -> str:
    assert instant is not None
    return datetime.fromtimestamp(instant // SECOND, UTC).astimezone(ZoneInfo(zone)).isoformat(sep=" ")


def instants(schedule: Any, after: str, count: int, zone: str = "UTC") -> list[str]:
    """The local times of the instants that follow a local time, as many as there are up to `count`."""
    made = parse_schedule(schedule, ZoneInfo(zone), "job")
    found, moment = [], at(after, zone)
    while len(found) < count and (following := made.next(moment)) is not None:
        assert following > moment
        moment = following
        found.append(local(moment, zone))
    return found


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Less CPU than that is spent inside. The collector, which walks what all tests have left, waits."""
    gc.collect()
    gc.disable()
    began = time.thread_time()
    try:
        yield
        assert time.thread_time() - began < seconds
    finally:
        gc.enable()


def job_values(job_id: str = "job", schedule: Any = "* * * * *", **keys: Any) -> dict[str, Any]:
    """`schedule` None: it has none. Nor is a key there whose value is None."""
    command = keys.pop("command", "true")
    values = {"job_id": job_id, "schedule": schedule, "task": {"type": "execute_command", "command": command}} | keys
    return {key: value for key, value in values.items() if value is not None or key == "job_id"}


def job_file(job_id: str = "job", schedule: Any = "* * * * *", **keys: Any) -> bytes:
    return json.dumps(job_values(job_id, schedule, **keys), indent=1).encode()


def definition(job_id: str = "job", schedule: Any = "* * * * *", *, path: str = "", **keys: Any) -> Definition:
    data = job_file(job_id, schedule, **keys)
    return parse("x.json", path or f"/etc/jobs.d/{job_id}.json", data, Defaults())


def change(name: str, *args: Any, **keys: Any) -> message.FileChange:
    """A file that describes a job; without a job id, one that is gone."""
    path = f"/etc/jobs.d/{name}"
    made = definition(*args, path=path, **keys) if args else None
    return message.FileChange(name, path, made)


class StandingClock:
    """A clock that a test sets."""

    def __init__(self, now: Instant) -> None:
        self.wall = now
        self.passed = 0
        self.slept = 0
        self.right = True
        self.ids = 0

    def now(self) -> Instant:
        return self.wall

    def elapsed(self) -> int:
        return self.passed

    def asleep(self) -> int:
        return self.slept

    def synchronised(self) -> bool:
        return self.right

    def run_id(self, now: Instant) -> str:
        self.ids += 1
        return make_run_id(now, self.ids)

    def advance(self, usec: int) -> None:
        self.wall += usec
        self.passed += usec


class RecordingRunner:
    """A runner that starts nothing and remembers what it was asked."""

    def __init__(self, clock: StandingClock) -> None:
        self.started: list[tuple[Run, Launch]] = []
        self.moments: list[Instant] = []
        """When each of them was started."""
        self._clock = clock
        self.ended: list[tuple[tuple[str, ...], int]] = []
        self.forgotten: list[str] = []

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        self.started += [(run, launch) for run, launch, _ in runs]
        self.moments += [self._clock.wall] * len(runs)

    def sleep(self, usec: int) -> None:
        """Suspend the machine and wake it up."""
        self.clock.slept += usec
        self.pass_time(usec)

    def end(self, run_ids: Sequence[str], signal: int, why: Asked) -> None:
        self.ended.append((tuple(run_ids), signal))

    def forget(self, run_ids: Sequence[str]) -> None:
        self.forgotten += run_ids


class RecordingWatches:
    """Watches nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.watched: dict[str, Watch] = {}

    def watch(self, job_id: str, watch: Watch | None) -> None:
        if watch is None:
            self.watched.pop(job_id, None)
        else:
            self.watched[job_id] = watch


class NobodyWaits:
    """The inbox of a scheduler that is cranked by hand."""

    def wait(self, until: Instant | None) -> message.Message | None:
        raise AssertionError


class MemoryMarker(Marker):
    def __init__(self) -> None:
        super().__init__()
        self.noted: Doubt | None = None

    def read(self) -> Doubt | None:
        return self.noted

    def write(self, doubt: Doubt | None) -> bool:
        self.noted = doubt
        return True


class MemoryStore(SqliteStore):
    """The real statements on a record that is gone with the test."""

    def __init__(self) -> None:
        super().__init__(":memory:", host="here", marker=MemoryMarker())
        self.failing: RecordFailed | None = None
        self.unreadable = False
        """As long as it fails."""
        self.doubts: list[Doubt | None] = []

    def _connect(self) -> None:
        if self._db is None:
            self._db = sqlite3.connect(":memory:", isolation_level=None)
            bring_up_to_date(self._db, ":memory:")

    def read(self, now: Instant) -> Past:
        if self.unreadable and self.failing is not None:
            raise self.failing
        return super().read(now)

    def write(self, entries: Sequence[Entry]) -> frozenset[str]:
        if self.failing is not None:
            raise self.failing
        return super().write(entries)

    def doubt(self, doubt: Doubt | None) -> bool:
        self.doubts.append(doubt)
        return super().doubt(doubt)

    def close(self) -> None:
        """It is to outlive its daemon."""

    def rows(self, query: str, *values: Any) -> list[Any]:
        self._connect()
        assert self._db is not None
        return self._db.execute(query, values).fetchall()


class World:
    """A scheduler that is cranked by hand."""

    def __init__(
        self,
        now: Instant,
        *,
        boot: bool = False,
        machine: str = "",
        loading: bool = False,
        store: MemoryStore | None = None,
        boot_id: str = "first boot",
        past: Past | None = None,
        lead: int = 0,
        patience: int = 0,
        keep: Keep = Keep(),  # noqa: B008 - Keep is frozen: one default shared by all callers is safe
    ) -> None:
        """`store`: what another world has left behind. `lead`: microseconds by which starts are claimed ahead."""
        self.clock = StandingClock(now)
        self.clock.ids = 0 if store is None else 1_000_000 * len(store.rows("SELECT * FROM fact")) + now % 1_000_000_000
        self.runner = RecordingRunner(self.clock)
        self.events: list[Event] = []
        self.watches = RecordingWatches()
        self.store = store or MemoryStore()
        past = past or self.store.open(now, boot_id)
        instant = past.boot or (now if boot else None)
        host = Host(since=now, boot=instant, boot_id=boot_id, machine=machine)
        self.scheduler = Scheduler(
            inbox=NobodyWaits(),
            clock=self.clock,
            runner=self.runner,
            store=self.store,
            watches=self.watches,
            listen=self.events.append,
            host=host,
            past=past,
            catch_up_parallel=4,
            read_terms=lambda job_id, terms: read_terms(job_id, terms, ZoneInfo).schedule,
            keep=keep,
            lead=lead,
            patience=patience,
        )
        if not loading:
            self.say(message.FirstLoadDone())

    def say(self, received: message.Message) -> None:
        self.scheduler.turn(received)

    def load(self, *changes: message.FileChange) -> None:
        self.say(message.JobsChanged(changes))

    def pass_time(self, usec: int) -> None:
        """Let time pass and the scheduler wake up once."""
        self.clock.advance(usec)
        self.scheduler.turn(None)

    def step_clock(self, usec: int) -> None:
        self.clock.wall += usec
        self.scheduler.turn(None)

    def sleep(self, usec: int) -> None:
        """Suspend the machine and wake it up."""
        self.clock.slept += usec
        self.pass_time(usec)

    def end(self, run: Run, *, exit_code: int | None = 0, signal: int | None = None) -> None:
        self.say(message.RunEnded(run.run_id, self.clock.wall, Ending(exit_code, signal, 1000, 4096)))

    def next_due(self, job_id: str) -> Instant | None:
        reply: SimpleQueue[Instant | None] = SimpleQueue()
        self.say(message.AskNext(job_id, reply))
        return reply.get_nowait()

    def status(self) -> message.Status:
        reply: SimpleQueue[message.Status] = SimpleQueue()
        self.say(message.AskStatus(reply))
        return reply.get_nowait()

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Job and instant of every start so far."""
        return [(run.job_id, local(run.scheduled_at)[:19]) for run, _ in self.runner.started]

    def said(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def world() -> World:
    return World(at("2026-11-23 08:00:30"))
