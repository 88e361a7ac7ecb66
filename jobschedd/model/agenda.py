"""What is next: a heap of (time of the start, job). A job stands in it once; a stale entry is passed over."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


class Agenda:
    def __init__(self) -> None:
        self._heap: list[tuple[Instant, str]] = []
        self._starts: dict[str, Instant] = {}
        """By job id: the one entry that counts."""
        self._delays: dict[str, int] = {}
        """By job id: by how much its start comes after its instant, where it does."""

    def __len__(self) -> int:
        return len(self._starts)

    def due(self, job_id: str) -> Instant | None:
        """The instant a job waits for."""
        start = self._starts.get(job_id)
        return None if start is None else start - self._delays.get(job_id, 0)

    def delay(self, job_id: str) -> int:
        """By how much the start that a job waits for comes after its instant."""
        return self._delays.get(job_id, 0)

    def put(self, job_id: str, instant: Instant | None, delay: int = 0) -> None:
        """Set which instant of a job is next, and how long after it the start comes; None: no instant."""
        if delay and instant is not None:
            self._delays[job_id] = delay
        else:
            self._delays.pop(job_id, None)
        if instant is None:
            self._starts.pop(job_id, None)
            return
        start = instant + delay
        if self._starts.get(job_id) != start:
            self._starts[job_id] = start
            heappush(self._heap, (start, job_id))
            # A job that is replaced over and over leaves an entry each time.
            if len(self._heap) > 2 * len(self._starts) + 64:
                self._heap = [(when, job) for job, when in self._starts.items()]
                heapify(self._heap)

    def first(self) -> Instant | None:
        """When the earliest start is."""
        while self._heap:
            start, job_id = self._heap[0]
            if self._starts.get(job_id) == start:
                return start
            heappop(self._heap)
        return None

    def take(self, now: Instant) -> list[tuple[Instant, str, int]]:
        """Take off all that starts at `now` or before, earliest first, jobs of one moment by id.

        Each is an instant, its job, and by how much the start was to come after the instant.
        """
        taken = []
        while (start := self.first()) is not None and start <= now:
            _, job_id = heappop(self._heap)
            del self._starts[job_id]
            delay = self._delays.pop(job_id, 0)
            taken.append((start - delay, job_id, delay))
        return taken
