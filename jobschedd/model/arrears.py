"""What is to be caught up: the oldest first, and of one job one instant after the other."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


class Arrears:
    def __init__(self) -> None:
        self._heap: list[tuple[Instant, str]] = []
        self._waiting: dict[str, tuple[Instant, Instant]] = {}
        """By job id: the instant whose turn is next, and the last one. A heap entry that says otherwise is stale."""
        self._behind: set[str] = set()
        """Jobs whose turn came while they ran: the heap passes them over."""

    def __len__(self) -> int:
        return len(self._waiting)

    def of(self, job_id: str) -> tuple[Instant, Instant] | None:
        """What a job still has to catch up, from and to."""
        return self._waiting.get(job_id)

    def put(self, job_id: str, first: Instant, last: Instant) -> None:
        """A job is to catch up its instants from `first` to `last`, together with what it had to already."""
        if waiting := self._waiting.get(job_id):
            first, last = min(first, waiting[0]), max(last, waiting[1])
        self._waiting[job_id] = (first, last)
        heappush(self._heap, (first, job_id))

    def drain(self) -> list[tuple[str, Instant, Instant]]:
        """Take all that waits, the oldest first: job, first and last instant."""
        waiting = sorted((first, job_id, last) for job_id, (first, last) in self._waiting.items())
        for _, job_id, _ in waiting:
            self.drop(job_id)
        return [(job_id, first, last) for first, job_id, last in waiting]

    def drop(self, job_id: str) -> None:
        self._waiting.pop(job_id, None)
        self._behind.discard(job_id)

    def take(self) -> tuple[str, Instant, Instant] | None:
        """The job whose turn it is, its instant, and the last one it has to catch up; it is off the list then."""
        while self._heap:
            instant, job_id = heappop(self._heap)
            waiting = self._waiting.get(job_id)
            if waiting and waiting[0] == instant and job_id not in self._behind:
                del self._waiting[job_id]
                return job_id, instant, waiting[1]
        return None

    def stand_behind(self, job_id: str, first: Instant, last: Instant) -> None:
        """Its last run is still going: its turn comes when that has ended."""
        self._behind.add(job_id)
        self.put(job_id, first, last)

    def run_ended(self, job_id: str) -> None:
        """Back into the row."""
        if job_id in self._behind:
            self._behind.discard(job_id)
            heappush(self._heap, (self._waiting[job_id][0], job_id))
