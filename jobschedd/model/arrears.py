"""What is to be caught up: the oldest first, and of one job one instant after the other."""

from __future__ import annotations

from bisect import insort
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.rows import Rows
    from jobschedd.model.run import Instant


class Arrears:
    def __init__(self) -> None:
        self._heap: list[tuple[Instant, str]] = []
        """(the instant whose turn is next, job); an entry that says otherwise than `_waiting` is passed over."""
        self._waiting: dict[str, list[tuple[Instant, Instant]]] = {}
        """By job id: first and last of each row of instants it has to catch up. What lies between rows is not owed."""
        self._behind: set[str] = set()
        """Jobs whose turn came while they ran: the heap passes them over."""
        self._changed: set[str] = set()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def of(self, job_id: str) -> list[tuple[Instant, Instant]]:
        """What a job still has to catch up."""
        return list(self._waiting.get(job_id, ()))

    def take_changed(self) -> set[str]:
        """The jobs whose rows are not what they were the last time this was asked."""
        changed, self._changed = self._changed, set()
        return changed

    def put(self, job_id: str, first: Instant, last: Instant) -> None:
        """A job is to catch up its instants from `first` to `last`; no other row of it reaches into that."""
        self._changed.add(job_id)
        rows = self._waiting.setdefault(job_id, [])
        insort(rows, (first, last))
        heappush(self._heap, (rows[0][0], job_id))

    def inherit(self, job_id: str, rows: Rows) -> None:
        """These are on the record. Those of them that are not `put` again are taken off it."""
        if rows:
            self._changed.add(job_id)

    def drop(self, job_id: str) -> None:
        if self._waiting.pop(job_id, None):
            self._changed.add(job_id)
        self._behind.discard(job_id)

    def take(self) -> tuple[str, Instant, Instant] | None:
        """The job whose turn it is, and the row that its instant stands in; the row is off the list then."""
        while self._heap:
            instant, job_id = heappop(self._heap)
            rows = self._waiting.get(job_id)
            if rows and rows[0][0] == instant and job_id not in self._behind:
                self._changed.add(job_id)
                first, last = rows.pop(0)
                if rows:
                    heappush(self._heap, (rows[0][0], job_id))
                else:
                    del self._waiting[job_id]
                return job_id, first, last
        return None

    def put_back(self, job_id: str, first: Instant, last: Instant) -> None:
        """A row whose turn it was, or only some of it, could not be settled."""
        rows = [row for row in self.of(job_id) if not first <= row[0] <= last]
        self.drop(job_id)
        for row in (*rows, (first, last)):
            self.put(job_id, *row)

    def stand_behind(self, job_id: str, first: Instant, last: Instant) -> None:
        """Its last run is still going: its turn comes when that has ended."""
        self._behind.add(job_id)
        self.put(job_id, first, last)

    def run_ended(self, job_id: str) -> None:
        """Back into the row."""
        if job_id in self._behind:
            self._behind.discard(job_id)
            heappush(self._heap, (self._waiting[job_id][0][0], job_id))
