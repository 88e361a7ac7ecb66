"""The end of a daemon: nothing more is started, runs get their grace or are left alone, the record is closed."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from jobschedd.model import event, message
from jobschedd.model.run import SECOND
from jobschedd.world import sd

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobschedd.ports import Inbox, Listener

ANSWER_WITHIN = 10.0
"""Seconds in which a scheduler that works has answered, even in the middle of loading 100,000 files."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A thread of ours has ended that must not."""

    thread: str


class MainInbox(Protocol):
    def put(self, item: message.Status | message.Closed) -> None: ...

    def get(self, timeout: float) -> object: ...


class Leaving:
    def __init__(self, inbox: MainInbox, to_scheduler: Inbox, listen: Listener) -> None:
        """`inbox`: the main thread's, in which signals come too."""
        self._inbox = inbox
        self._to_scheduler = to_scheduler
        self._listen = listen

    def leave(self, why: str, *, grace: int | None) -> None:
        """Return when all is over. `grace`: how long runs have to end, microseconds; None: they go on without us."""
        sd.notify("STOPPING=1")
        self._to_scheduler.put(message.Stop(self._inbox))
        running = self._await_idle(monotonic() + ANSWER_WITHIN, first=True)
        self._listen(event.DaemonStopping(why, running))
        if running and grace is not None:
            self._to_scheduler.put(message.EndRuns(signal.SIGTERM))
            if self._await_idle(monotonic() + grace / SECOND):
                self._to_scheduler.put(message.EndRuns(signal.SIGKILL))
                self._await_idle(monotonic() + ANSWER_WITHIN)
        self._to_scheduler.put(message.Close(self._inbox))
        closed = self._await(monotonic() + ANSWER_WITHIN, lambda received: isinstance(received, message.Closed))
        if isinstance(closed, message.Closed) and closed.unwritten:
            self._listen(event.RecordUnwritten(closed.unwritten))

    def _await_idle(self, deadline: float, *, first: bool = False) -> int:
        """How many runs are left when the scheduler answers that none is, the deadline is over, or a signal comes.

        With `first` the scheduler's first answer is enough.
        """
        running = 1

        def is_enough(received: object) -> bool:
            nonlocal running
            if isinstance(received, message.Status):
                running = received.running
                return first or not running
            return received in (signal.SIGTERM, signal.SIGINT)  # a second signal does not wait

        self._await(deadline, is_enough)
        return running

    def _await(self, deadline: float, is_enough: Callable[[object], bool]) -> object:
        """What the inbox brings that is enough; None: nothing did, or a thread has failed."""
        while (left := deadline - monotonic()) > 0:
            try:
                received = self._inbox.get(timeout=left)
            except Empty:
                break
            if is_enough(received):
                return received
            if isinstance(received, Failed):
                break
        return None
