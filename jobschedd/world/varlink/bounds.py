"""What callers may cost: how many connections there are, whose, and how quickly calls are taken."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

MOST = 64
"""Connections."""

MOST_OF_OTHERS = 48
"""Connections of all but root: there is always one for root."""

MOST_OF_ONE = 8
"""Connections of one user who is not root."""

MOST_STREAMS = 16
"""Calls that go on and on; each has a thread."""

MOST_STREAMS_OF_ONE = 4
"""Those of one user who is not root; and so many are kept for root."""

RATE = 200.0
"""Calls a second of one user."""

COST = 1_200.0
"""Calls that a second of a processor is worth: one user has a sixth of one, in the long run."""

COST_OF_OURS = 300.0
"""To root and to whose instance it is, who list ten thousand jobs again and again: two thirds of one."""

RESERVE = 100.0
"""Calls that answers which go on leave over: whoever follows a flood can still ask how things are."""

BURST = 400.0
"""Calls that are taken at once, of one who has not called for a while."""


@dataclass(slots=True)
class _Purse:
    """What one user has left to spend."""

    calls: float = BURST
    at: float = field(default_factory=time.monotonic)


class Bounds:
    """Used by the server's thread alone, but for what is said when a call has been answered."""

    def __init__(self) -> None:
        self._streams: Counter[int] = Counter()
        self._lock = Lock()
        self._connections: Counter[int] = Counter()
        self._purses: dict[int, _Purse] = {}

    def admit(self, uid: int) -> bool:
        """Whether one connection more of this user is taken."""
        total = self._connections.total()
        if uid != 0 and (self._connections[uid] >= MOST_OF_ONE or total - self._connections[0] >= MOST_OF_OTHERS):
            return False
        if total >= MOST:
            return False
        self._connections[uid] += 1
        return True

    def leave(self, uid: int) -> None:
        self._connections[uid] -= 1
        if not self._connections[uid]:
            del self._connections[uid]

    def admit_stream(self, uid: int) -> bool:
        with self._lock:
            total = self._streams.total()
            admitted = total < MOST_STREAMS
            if uid != 0:
                of_others = total - self._streams[0]
                admitted &= of_others < MOST_STREAMS - MOST_STREAMS_OF_ONE
                admitted &= self._streams[uid] < MOST_STREAMS_OF_ONE
            self._streams[uid] += admitted
        return admitted

    def leave_stream(self, uid: int) -> None:
        with self._lock:
            self._streams[uid] -= 1
            if not self._streams[uid]:
                del self._streams[uid]

    def spend(self, uid: int) -> float:
        """Take a call; else the seconds after which it is to be tried again."""
        with self._lock:
            purse = self._purse(uid)
            if purse.calls < 1:
                return (1 - purse.calls) / RATE
            purse.calls -= 1
            return 0.0

    def charge(self, uid: int, seconds: float) -> None:
        """What was done for this user has taken that much of a processor."""
        with self._lock:
            self._purse(uid).calls -= seconds * (COST_OF_OURS if uid in (0, os.geteuid()) else COST)

    def debt(self, uid: int, *, reserve: float = 0.0) -> float:
        """The seconds for which nothing more is done for this user, who is to keep `reserve` calls."""
        with self._lock:
            return max(0.0, (reserve - self._purse(uid).calls) / RATE)

    def _purse(self, uid: int) -> _Purse:
        now = time.monotonic()
        purse = self._purses.get(uid)
        if purse is None:
            # Whoever owes nothing and has been away that long has a full one again.
            self._purses = {
                other: kept for other, kept in self._purses.items() if kept.calls + (now - kept.at) * RATE < BURST
            }
            purse = self._purses[uid] = _Purse()
        purse.calls = min(BURST, purse.calls + (now - purse.at) * RATE)
        purse.at = now
        return purse
