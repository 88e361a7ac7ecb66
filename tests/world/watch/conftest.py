"""Watches on real directories, whose messages are taken one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from jobschedd.model.event import Event
from jobschedd.model.message import FilesArrived, Message
from jobschedd.model.part import Watch
from jobschedd.model.run import MINUTE
from jobschedd.world.clock import SystemClock
from jobschedd.world.watch import FileWatches

PATIENCE = 90.0
SETTLE = "20ms"


class Arrivals:
    """Watches, and what they have told so far."""

    def __init__(self, *, rescan_every: int = 5 * MINUTE) -> None:
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.watches = FileWatches(self.inbox, self.events.put, SystemClock(), rescan_every=rescan_every)
        self.watches.open()

    def watch(self, path: object, *, job: str = "job", settle: str | int = SETTLE) -> None:
        """Watch, and wait until it is so."""
        self.watches.watch(job, Watch(path=str(path), settle=settle))  # type: ignore[arg-type] # as a file has it
        self.catch_up()

    def catch_up(self) -> None:
        """Until all that was asked before has been done."""
        done = threading.Event()
        self.watches._request(done.set)
        assert done.wait(PATIENCE)

    def heard(self, path: object, *, job: str = "job") -> None:
        """Until a file is waited with."""
        while str(path) not in self.watches._scene.jobs[job].batch:
            self.catch_up()

    def heard_nothing(self, *, job: str = "job") -> None:
        """Until no file is waited with any more."""
        while len(self.watches._scene.jobs[job].batch):
            self.catch_up()

    def batch(self, job: str = "job") -> list[str]:
        """The next one, which is this job's."""
        message = self.inbox.get(timeout=PATIENCE)
        assert isinstance(message, FilesArrived)
        assert message.job_id == job
        return list(message.paths)

    def until(self, *paths: object, job: str = "job") -> list[str]:
        """Batches until all of these have been told; every path that was, as often as it was."""
        told: list[str] = []
        while not {str(path) for path in paths} <= set(told):
            told += self.batch(job)
        return sorted(told)

    def nothing_more(self) -> None:
        with pytest.raises(Empty):
            self.inbox.get_nowait()

    def told(self) -> str:
        """The next line of the log."""
        return self.events.get(timeout=PATIENCE).line()


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    made = Arrivals()
    yield made
    assert made.watches.alive()
    made.watches.close()
    assert not made.watches.alive()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path
