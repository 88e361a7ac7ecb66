"""What is next: a heap of (instant, job). A job stands in it once; a stale entry is passed over when it comes up."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


class Agenda:
    def __init__(self) -> None:
        self._heap: list[tuple[Instant, str]] = []
        self._due: dict[str, Instant] = {}
        """By job id: the one entry that counts."""

    def __len__(self) -> int:
        return len(self._due)

    def due(self, job_id: str) -> Instant | None:
        return self._due.get(job_id)

    def put(self, job_id: str, instant: Instant | None) -> None:
        """Set when a job is due next; None: never."""
        if instant is None:
            self._due.pop(job_id, None)
        elif self._due.get(job_id) != instant:
            self._due[job_id] = instant
            heappush(self._heap, (instant, job_id))
            # A job that is replaced over and over leaves an entry each time.
            if len(self._heap) > 2 * len(self._due) + 64:
                self._heap = [(when, job) for job, when in self._due.items()]
                heapify(self._heap)

    def first(self) -> Instant | None:
        """The earliest instant on it."""
        while self._heap:
            instant, job_id = self._heap[0]
            if self._due.get(job_id) == instant:
                return instant
            heappop(self._heap)
        return None

    def take(self, now: Instant) -> list[tuple[Instant, str]]:
        """Take off all that is due at `now`, earliest first, jobs of one instant by id."""
        taken = []
        while (instant := self.first()) is not None and instant <= now:
            entry = heappop(self._heap)
            del self._due[entry[1]]
            taken.append(entry)
        return taken
