"""A loader on real directories, whose messages are taken one by one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from jobschedd.model.event import DirectoryChanged, Event
from jobschedd.model.job import Definition, parse
from jobschedd.model.message import FileChange, JobsChanged, Message
from jobschedd.model.run import MINUTE
from jobschedd.model.timing import Defaults
from jobschedd.world.clock import SystemClock
from jobschedd.world.files.loader import Loader
from tests.conftest import job_file

PATIENCE = 60.0


def parse_plainly(name: str, path: str, data: bytes) -> Definition:
    return parse(name, path, data, Defaults())


class Inbox(SimpleQueue[Message]):
    """The scheduler's, which takes in at once."""

    def put(self, item: Message, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        if isinstance(item, JobsChanged) and item.taken is not None:
            item.taken.put(None)


class Files:
    """A loader, and what it has said so far as the state it adds up to."""

    def __init__(self, *directories: Path, rescan_every: int = 5 * MINUTE) -> None:
        self.directory = directories[0]
        self.inbox = Inbox()
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.jobs: dict[str, str] = {}
        """By file name: the description of the job in force."""
        self.problems: dict[str, str] = {}
        self.loads: list[str] = []
        """Names of files that were told of, in order."""
        self.gone: list[str] = []
        self.parse = parse_plainly
        self.loader = Loader(
            [str(path) for path in directories],
            lambda name, path, data: self.parse(name, path, data),  # noqa: PLW0108 - a test may put another in its place
            self.inbox,
            self.hear,
            SystemClock(),
            rescan_every=rescan_every,
        )

    def parse_file(self, name: str, path: str, data: bytes) -> Definition:
        return self.parse(name, path, data)

    def hear(self, event: Event) -> None:
        self.events.put(event)

    def start(self) -> None:
        self.loader.start()
        self.rescan(force=True)

    def rescan(self, *, force: bool = False) -> None:
        """Look through everything and take in what was found."""
        done = threading.Event()
        self.loader.rescan(force=force, done=done.set)
        assert done.wait(PATIENCE)
        self.take_all()

    def take_all(self) -> None:
        try:
            while True:
                self.take(self.inbox.get_nowait())
        except Empty:
            pass

    def take(self, message: Message) -> None:
        assert isinstance(message, JobsChanged)
        for change in message.changes:
            self.loads.append(change.name)
            self._take(change)

    def _take(self, change: FileChange) -> None:
        if change.problems:
            self.problems[change.name] = "; ".join(map(str, change.problems))
            return
        self.problems.pop(change.name, None)
        if change.definition:
            self.jobs[change.name] = change.definition.job.description
        else:
            self.gone.append(change.name)
            self.jobs.pop(change.name, None)

    def until(self, jobs: dict[str, str] | None = None, *, problem: str | None = None) -> None:
        """Take messages until they add up to these jobs, or this file has a problem."""
        deadline = time.monotonic() + PATIENCE
        while (jobs is not None and self.jobs != jobs) or (problem is not None and problem not in self.problems):
            try:
                self.take(self.inbox.get(timeout=max(0.001, deadline - time.monotonic())))
            except Empty:
                raise AssertionError(f"in force: {self.jobs}, problems: {self.problems}; wanted {jobs}") from None

    def settled(self) -> dict[str, str]:
        """The jobs once all that has happened so far is known: a file that is made now is told of after it."""
        marker = f"zz-{time.monotonic_ns()}.json"
        self.put(marker, "marker")
        while marker not in self.jobs:
            self.take(self.inbox.get(timeout=PATIENCE))
        (self.directory / marker).unlink()
        while marker in self.jobs:
            self.take(self.inbox.get(timeout=PATIENCE))
        self.loads = [name for name in self.loads if name != marker]
        return self.jobs

    def told(self) -> DirectoryChanged:
        """The next event about a directory."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            if isinstance(event, DirectoryChanged):
                return event

    # What administrators do to files.

    def put(self, name: str, description: str, job_id: str | None = None) -> Path:
        """Put in place by a rename, as it should be done."""
        beside = self.directory / f".{name}.new"
        beside.write_bytes(job_file(job_id or name.partition(".")[0], description=description))
        return beside.rename(self.directory / name)

    def close(self) -> None:
        self.loader.stop()


def age(path: Path) -> Path:
    """Let a file be an hour old, so that nobody can be in the middle of writing it."""
    then = time.time() - 3600
    os.utime(path, (then, then))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "jobs.d"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def files(directory: Path) -> Iterator[Files]:
    made = Files(directory)
    made.start()
    yield made
    made.close()
