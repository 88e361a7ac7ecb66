"""A runner process, and what came of the runs it was given."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import mkdtemp
from typing import Any, TypeVar

import pytest

from jobschedd.model.launch import Launch
from jobschedd.model.message import Message, RunEnded, RunRefused
from jobschedd.model.run import Cause, Run
from jobschedd.world.clock import SystemClock
from jobschedd.world.runs import RunnerProcess

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start runs as somebody else")
PATIENCE = 90.0
SHELL = ("/bin/sh", "-c")
M = TypeVar("M")


class Runs:
    """A runner process, and what came of the runs it was given."""

    def __init__(self, directory: str | None = None) -> None:
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.clock = SystemClock()
        self._pieces: dict[str, list[str]] = {}
        self._heard: SimpleQueue[None] = SimpleQueue()
        self.unwritten: list[Callable[[], None]] | None = None
        """Where output is kept as if stderr did not take it; None: it is taken at once."""
        self.keeps = True
        """What runs write is kept, not only counted."""
        self.heard = 0
        self.directory = directory or mkdtemp()
        self.process = RunnerProcess(self.inbox, self.clock, self._hear, runtime_dir=self.directory, journal=None)
        self.process.open()
        self.unread: list[Message] = []
        self._count = 0

    def _hear(self, _job: str, run_id: str, text: str, written: Callable[[], None]) -> None:
        self.heard += len(text)
        if self.keeps:
            self._pieces.setdefault(run_id, []).append(text)
        self._heard.put(None)
        if self.unwritten is None:
            written()
        else:
            self.unwritten.append(written)

    def take_output(self) -> None:
        unwritten, self.unwritten = self.unwritten or [], None
        for written in unwritten:
            written()

    def lines(self, run_id: str, count: int) -> list[str]:
        """What a run has written, once that is so many lines."""
        while self.output(run_id).count("\n") < count:
            self._heard.get(timeout=PATIENCE)
        return self.output(run_id).split()

    def output(self, run_id: str) -> str:
        return "".join(self._pieces.get(run_id, ()))

    def make(self, *argv: str, **circumstances: Any) -> tuple[Run, Launch]:
        self._count += 1
        run = Run(f"run-{os.getpid()}-{self._count}", "job", 1_700_000_000_000_000, Cause.SCHEDULE)
        return run, Launch(argv=argv, **circumstances)

    def start(self, *argv: str, **circumstances: Any) -> str:
        run, launch = self.make(*argv, **circumstances)
        self.process.start([(run, launch, 0)])
        return run.run_id

    def next(self, kind: type[M], run_id: str | None = None) -> M:
        """The next message of a kind (about a run); others are kept."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for message in self.unread:
                if isinstance(message, kind) and (run_id is None or getattr(message, "run_id", None) == run_id):
                    self.unread.remove(message)
                    return message
            try:
                received = self.inbox.get(timeout=max(0.001, deadline - time.monotonic()))
                if isinstance(received, RunEnded | RunRefused):
                    self.process.forget([received.run_id])
                self.unread.append(received)
            except Empty:
                raise AssertionError(f"no {kind.__name__}; there is {self.unread}") from None

    def finish(self, *argv: str, **circumstances: Any) -> tuple[RunEnded, str]:
        """Start, wait for the end; the end and the output."""
        run_id = self.start(*argv, **circumstances)
        ended = self.next(RunEnded, run_id)
        return ended, self.output(run_id)

    def shell(self, script: str, **circumstances: Any) -> str:
        ended, output = self.finish(*SHELL, script, **circumstances)
        assert ended.ending.exit_code == 0, output
        return output

    def refusal(self, *argv: str, **circumstances: Any) -> str:
        return self.next(RunRefused, self.start(*argv, **circumstances)).reason


def gone(pid: int) -> bool:
    """Whether a process has ended. (A zombie has, too.)"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def await_gone(pid: int) -> None:
    """Wait until a process that is not ours to reap has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(handle):
        import select

        poll = select.poll()
        poll.register(handle, select.POLLIN)
        assert poll.poll(PATIENCE * 1000), f"process {pid} lives on"
