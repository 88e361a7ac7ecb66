"""Runs that are claimed and wait for their turn: for a run of their job to end, for room, for the time of a retry.

Fair: jobs take turns, and one that has many waiting does not hold up another that has one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobschedd.model.run import Instant, Run


@dataclass(frozen=True, slots=True)
class Held:
    run: Run
    since: Instant
    """Not before this moment."""
    until: Instant | None = None
    """Too late after this moment; None: never."""
    reason: str = ""
    """What it waits for, in words."""
    variables: tuple[tuple[str, str], ...] = ()
    """What its environment has beside that of its job."""


class Waiting:
    def __init__(self) -> None:
        self._held: dict[str, deque[Held]] = {}
        """By job: those whose moment has come, the oldest first."""
        self._ring: deque[str] = deque()
        """The jobs whose turn comes, in this order."""
        self._behind: set[str] = set()
        """Jobs whose turn came while they could not start: they are back in the ring when that may have changed."""
        self._later: list[tuple[Instant, str, Held]] = []
        """A heap of those whose moment is to come."""

    def __len__(self) -> int:
        return len(self._later) + sum(map(len, self._held.values()))

    def __iter__(self) -> Iterator[Held]:
        for held in self._held.values():
            yield from held
        yield from (held for _, _, held in self._later)

    def count(self, job_id: str) -> int:
        """How many of this job wait for nothing but their turn."""
        return len(self._held.get(job_id, ()))

    def any_ready(self) -> bool:
        """Whether somebody waits for nothing but room."""
        return bool(self._ring)

    def put(self, held: Held, now: Instant) -> None:
        job_id = held.run.job_id
        if held.since > now:
            heappush(self._later, (held.since, held.run.run_id, held))
            return
        if job_id not in self._held:
            self._held[job_id] = deque()
            self._ring.append(job_id)
        self._held[job_id].append(held)

    def first(self) -> Instant | None:
        """The next moment at which somebody's wait for it is over."""
        return self._later[0][0] if self._later else None

    def take(self, now: Instant, may_start: Callable[[str], bool]) -> Held | None:
        """The one whose turn it is. `may_start` tells whether a job may start just now."""
        while self._later and self._later[0][0] <= now:
            self.put(heappop(self._later)[2], now)
        while self._ring:
            job_id = self._ring.popleft()
            if not may_start(job_id):
                self._behind.add(job_id)
                continue
            held = self._held[job_id].popleft()
            if self._held[job_id]:
                self._ring.append(job_id)
            else:
                del self._held[job_id]
            return held
        return None

    def look_again(self, job_id: str) -> None:
        """A run of the job has ended, or its file has changed: its turn comes again."""
        if job_id in self._behind:
            self._behind.discard(job_id)
            self._ring.append(job_id)

    def drop(self, job_id: str, which: Callable[[Held], bool] = lambda _: True) -> list[Held]:
        """Of this job these do not wait any more; those that did."""
        held = self._held.get(job_id, ())
        dropped = [one for one in held if which(one)]
        if dropped and len(dropped) == len(held):
            self._leave(job_id)
        elif dropped:
            self._held[job_id] = deque(one for one in held if not which(one))
        later = [one for _, _, one in self._later if one.run.job_id == job_id and which(one)]
        if later:
            self._later = [entry for entry in self._later if entry[2] not in later]
            heapify(self._later)
        return dropped + later

    def withdraw(self, run_id: str) -> Held | None:
        """One run waits no more; None: it did not wait."""
        for job_id, held in self._held.items():
            for one in held:
                if one.run.run_id == run_id:
                    held.remove(one)
                    if not held:
                        self._leave(job_id)
                    return one
        for entry in self._later:
            if entry[1] == run_id:
                self._later.remove(entry)
                heapify(self._later)
                return entry[2]
        return None

    def _leave(self, job_id: str) -> None:
        """None of this job waits for its turn."""
        del self._held[job_id]
        self._behind.discard(job_id)
        self._ring = deque(other for other in self._ring if other != job_id)

    def step(self, by: int) -> None:
        """The clock was set: who waits for a moment waits as long as before."""
        self._later = [(since + by, run_id, replace(held, since=since + by)) for since, run_id, held in self._later]
