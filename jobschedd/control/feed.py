"""What happens, as it happens, for those who want to be told. Nobody who says something waits for them."""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobschedd.model.event import Event
    from jobschedd.ports import Listener

    OnOutput = Callable[[str, str, str, Callable[[], None]], None]

ROOM = 20_000
"""Of what one follower has not taken yet; beyond, the oldest is dropped and the follower is told so."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of what a run wrote. It may end in the middle of a line."""

    job_id: str
    run_id: str
    text: str


class Following:
    """One who is told."""

    def __init__(self) -> None:
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        """Readable when there is something to take."""
        self.missed = False
        """Something was dropped."""
        self.check: Callable[[Event | Written], None] = lambda _: None
        """Is called with each thing that was told before it is taken, and may raise Refused."""
        self._told: deque[Event | Written] = deque(maxlen=ROOM)
        self._closed = False
        self._lock = Lock()

    def tell(self, told: Event | Written) -> None:
        # Whoever tells may have found us in the list before we were taken out: the bell may be somebody else's file.
        with self._lock:
            if not self._closed:
                self.missed = self.missed or len(self._told) == ROOM
                self._told.append(told)
                os.eventfd_write(self.bell, 1)

    def take_missed(self) -> bool:
        """Whether something was dropped since this was asked."""
        with self._lock:
            missed, self.missed = self.missed, False
        return missed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self.bell)

    def take(self) -> list[Event | Written]:
        with self._lock:
            if self._closed:
                return []
            with suppress(BlockingIOError):
                os.eventfd_read(self.bell)
        self.look()
        return [self._told.popleft() for _ in range(len(self._told))]

    def look(self) -> None:
        """Check what was told so far, and leave it."""
        with self._lock:
            found = list(self._told)
        for told in found:
            self.check(told)


class Feed:
    """Implements ports.Listener; passes on to another one."""

    def __init__(self, listen: Listener, on_output: OnOutput) -> None:
        self._listen = listen
        self._on_output = on_output
        self._followers: tuple[Following, ...] = ()
        """Never changed, but replaced: whoever walks it needs no lock."""
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        self._listen(event)
        for following in self._followers:
            following.tell(event)

    def output(self, job_id: str, run_id: str, text: str, written: Callable[[], None]) -> None:
        """What a run wrote, where that does not go to the journal by itself."""
        self._on_output(job_id, run_id, text, written)
        for following in self._followers:
            following.tell(Written(job_id, run_id, text))

    @contextmanager
    def follow(self) -> Iterator[Following]:
        """All that happens from now on."""
        following = Following()
        with self._lock:
            self._followers = (*self._followers, following)
        try:
            yield following
        finally:
            with self._lock:
                self._followers = tuple(other for other in self._followers if other is not following)
            following.close()
