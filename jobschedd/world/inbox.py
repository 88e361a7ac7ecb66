"""The scheduler's inbox: a queue, and a wait that the wall clock ends too.

A queue's own timeout is counted on a clock that stands still in suspend and knows nothing of the wall clock.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobschedd.model.message import Message
    from jobschedd.model.run import Instant

LONGEST_WAIT = 60.0
"""Seconds after which the clocks are compared at the latest: slewing, at 500 ppm, cannot look like a step by then."""

NEVER = 253_402_300_799_000_000
"""The end of the year 9999, where nothing is due: the timer still tells when the clock is set."""


class Timer(Protocol):
    def fileno(self) -> int: ...

    def set(self, moment: int) -> bool: ...

    def clear(self) -> None: ...


class SchedulerInbox:
    """Implements ports.Inbox and ports.Waiting."""

    def __init__(self, timer: Timer) -> None:
        self._queue: SimpleQueue[Message] = SimpleQueue()
        self._timer = timer
        self._set_to: Instant | None = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._poll.register(timer.fileno(), select.POLLIN)

    def put(self, message: Message) -> None:
        self._queue.put(message)
        os.eventfd_write(self._bell, 1)

    def wait(self, until: Instant | None) -> Message | None:
        with suppress(Empty):
            return self._queue.get_nowait()
        moment = NEVER if until is None else until
        if moment != self._set_to:
            self._set_to = moment
            if self._timer.set(moment):
                return None  # the clock was set while nobody waited
        for fd, _ in self._poll.poll(LONGEST_WAIT * 1_000):
            if fd == self._bell:
                # What was put after this rings again; what was put before is in the queue.
                os.eventfd_read(self._bell)
            else:
                self._timer.clear()
                self._set_to = None
        with suppress(Empty):
            return self._queue.get_nowait()
        return None
