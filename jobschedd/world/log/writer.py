"""A queue and a thread between those who say something and a journal that may be slow, or stopped.

Whoever calls never waits. When the queue is full, events are dropped and counted, and the count is said once there
is room. Output of jobs is not dropped: whoever brings it is told when it has been written and brings no more before.
"""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from jobschedd.model.event import DEBUG, ERROR, INFO, WARNING, LinesDropped, Remark
from jobschedd.world.log.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobschedd.model.event import Event
    from jobschedd.model.run import Instant
    from jobschedd.ports import Clock

LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}

ROOM = 20_000
"""Events that wait at most; a journal that is stopped for minutes is in trouble of its own."""


class Sink(Protocol):
    def write_event(self, event: Event, at: Instant) -> None:
        """Write one event. May block. Raises OSError where it cannot be written."""

    def write_output(self, output: Output, at: Instant) -> None:
        """Write a piece of a job's output."""

    def close(self) -> None:
        """Let go of what it writes to, where that is its own."""


def is_logged(event: Event, level: str) -> bool:
    return event.priority <= LEVELS[level]


class Log:
    """Implements ports.Listener."""

    def __init__(self, sink: Sink, clock: Clock, level: str) -> None:
        self.level = level
        self._sink = sink
        self._clock = clock
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def __call__(self, event: Event) -> None:
        if not is_logged(event, self.level):
            return
        if self._queue.qsize() >= ROOM:
            # Threads may lose a count to each other here; the number says how bad it was, not how many exactly.
            self._dropped += 1
            return
        at = self._clock.now()
        self._queue.put(lambda: self._sink.write_event(event, at))

    def output(self, job_id: str, run_id: str, text: str, written: Callable[[], None]) -> None:
        """Pass on what a job wrote; `written` is called, from the log's thread, once it is out."""
        at = self._clock.now()
        piece = Output(job_id, run_id, text)

        def write() -> None:
            try:
                self._sink.write_output(piece, at)
            finally:
                written()

        self._queue.put(write)

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, but no longer than `patience` seconds."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(patience)

    def _write_all(self) -> None:
        while (write := self._queue.get()) is not None:
            try:
                write()
                if self._dropped and self._queue.qsize() < ROOM // 2:
                    dropped, self._dropped = self._dropped, 0
                    self._sink.write_event(LinesDropped(dropped), self._clock.now())
            except OSError:
                # stderr is closed or full: there is nowhere left to say so but in the count.
                self._dropped += 1
        self._sink.close()


class RemarkHandler(logging.Handler):
    """Carries what libraries say through Python's logging to the log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            priority = ERROR
        elif record.levelno >= logging.WARNING:
            priority = WARNING
        else:
            priority = INFO if record.levelno >= logging.INFO else DEBUG
        self._log(Remark(priority, f"{record.name}: {self.format(record)}"))
