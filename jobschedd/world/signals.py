"""An inbox that signals reach too.

A signal that arrives just before a thread waits on a queue does not end the wait: Python's handler runs only when
the thread runs again. The wake-up descriptor does not have that gap, signal.set_wakeup_fd(): the byte is in the pipe
before the wait begins.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

STRAY = (
    signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPWR,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)  # fmt: skip
"""Signals that mean nothing to us and would end us by default. Jobs get them back in their default state."""


class SignalInbox(Generic[T]):
    """A queue for the main thread. Signals come out of it as their numbers."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T | int] = SimpleQueue()
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def catch(self, *wanted: int) -> None:
        """Let these signals come in here, and ignore stray ones. Main thread only."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in wanted:
            signal.signal(number, lambda number, _frame: self._queue.put(number))
        for number in STRAY:
            signal.signal(number, signal.SIG_IGN)

    def put(self, item: T) -> None:
        self._queue.put(item)
        # A full pipe wakes as well as a fuller one.
        with suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def get(self, timeout: float) -> T | int:
        """The next item or signal. Raises queue.Empty after `timeout` seconds. Main thread only."""
        deadline = monotonic() + timeout
        while True:
            with suppress(Empty):
                return self._queue.get_nowait()
            left = deadline - monotonic()
            if left <= 0:
                raise Empty
            if select.select([self._read], [], [], left)[0]:
                os.read(self._read, 4096)
