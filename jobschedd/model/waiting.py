"""Runs that are claimed and wait for their turn: for a run of their job to end, for room, for the time of a retry.

Fair: jobs take turns, and one that has many waiting does not hold up another that has one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobschedd.model.run import Instant, Outcome, Run

FEW = 100
"""Moments at which it is too late for nobody any more that are not worth a look."""


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
    failed: Outcome | None = None
    """Of a further attempt: how the one before it has ended, where that is known."""


class Waiting:
    def __init__(self) -> None:
        self._held: dict[str, deque[Held]] = {}
        """By job: those whose moment has come, the oldest first."""
        self._ring: OrderedDict[str, None] = OrderedDict()
        """The jobs whose turn comes, in this order."""
        self._behind: set[str] = set()
        """Jobs whose turn came while they could not start: they are back in the ring when that may have changed."""
        self._later: list[tuple[Instant, str, Held]] = []
        """A heap of those whose moment is to come."""
        self._limited: dict[str, Held] = {}
        """By run id: those in `_held` for whom it will be too late."""
        self._ends: list[tuple[Instant, str]] = []
        """A heap of when that is; an entry whose run is not in `_limited` is passed over."""

    def __len__(self) -> int:
        return len(self._later) + sum(map(len, self._held.values()))

    def __iter__(self) -> Iterator[Held]:
        for held in self._held.values():
            yield from held
        yield from (held for _, _, held in self._later)

    def ready(self, job_id: str) -> tuple[Held, ...]:
        """Those of this job that wait for nothing but their turn."""
        return tuple(self._held.get(job_id, ()))

    def any_ready(self, may_start: Callable[[str], bool]) -> bool:
        """Whether somebody waits for nothing but room."""
        return self._next(may_start) is not None

    def first(self) -> Instant | None:
        """The next moment at which somebody's wait for it is over, or somebody has waited too long."""
        while self._ends and self._ends[0][1] not in self._limited:
            heappop(self._ends)
        moments = [self._later[0][0]] if self._later else []
        if self._ends:
            moments.append(self._ends[0][0] + 1)
        return min(moments, default=None)

    # -- who comes and goes ------------------------------------------------------------------------------------------

    def put(self, held: Held, now: Instant) -> None:
        """It waits for its moment, and then for its turn."""
        if held.since > now:
            heappush(self._later, (held.since, held.run.run_id, held))
        else:
            self.queue(held)

    def queue(self, held: Held) -> None:
        """It waits for nothing but its turn."""
        job_id = held.run.job_id
        if job_id not in self._held:
            self._held[job_id] = deque()
            self._ring[job_id] = None
        self._held[job_id].append(held)
        if held.until is not None:
            self._limited[held.run.run_id] = held
            if len(self._ends) > 2 * len(self._limited) + FEW:
                # A run that starts at once leaves its moment behind.
                self._ends = [entry for entry in self._ends if entry[1] in self._limited]
                heapify(self._ends)
            heappush(self._ends, (held.until, held.run.run_id))

    def come(self, now: Instant) -> list[Held]:
        """Those whose moment has come; they are out, and want `queue`."""
        come = []
        while self._later and self._later[0][0] <= now:
            come.append(heappop(self._later)[2])
        return come

    def expire(self, now: Instant) -> list[Held]:
        """Those for whom it is too late; they wait no more."""
        expired = []
        while self._ends and self._ends[0][0] < now:
            _, run_id = heappop(self._ends)
            if held := self._limited.get(run_id):
                self._take_out(held)
                expired.append(held)
        return expired

    def take(self, may_start: Callable[[str], bool]) -> Held | None:
        """The one whose turn it is. `may_start` tells whether a job may start just now."""
        job_id = self._next(may_start)
        if job_id is None:
            return None
        held = self._held[job_id][0]
        self._take_out(held)
        if job_id in self._ring:
            self._ring.move_to_end(job_id)
        return held

    def _next(self, may_start: Callable[[str], bool]) -> str | None:
        """The job whose turn it is; those before it that could not start stand behind."""
        while self._ring:
            job_id = next(iter(self._ring))
            if may_start(job_id):
                return job_id
            del self._ring[job_id]
            self._behind.add(job_id)
        return None

    def look_again(self, job_id: str) -> None:
        """A run of the job has ended, or its file has changed: its turn comes again."""
        if job_id in self._behind:
            self._behind.discard(job_id)
            self._ring[job_id] = None

    # -- who is given up ---------------------------------------------------------------------------------------------

    def drop(self, job_id: str) -> list[Held]:
        """None of this job waits any more; those that did."""
        dropped = self.drop_ready(job_id, lambda _: True)
        later = [held for _, _, held in self._later if held.run.job_id == job_id]
        if later:
            self._later = [entry for entry in self._later if entry[2].run.job_id != job_id]
            heapify(self._later)
        return dropped + later

    def drop_ready(self, job_id: str, which: Callable[[Held], bool]) -> list[Held]:
        """Of those that waited for nothing but their turn these wait no more."""
        dropped = [held for held in self.ready(job_id) if which(held)]
        for held in dropped:
            self._take_out(held)
        return dropped

    def withdraw(self, run_id: str) -> Held | None:
        """One run waits no more; None: it did not wait."""
        for job_id in self._held:
            for held in self._held[job_id]:
                if held.run.run_id == run_id:
                    self._take_out(held)
                    return held
        for entry in self._later:
            if entry[1] == run_id:
                self._later.remove(entry)
                heapify(self._later)
                return entry[2]
        return None

    def _take_out(self, held: Held) -> None:
        job_id = held.run.job_id
        self._limited.pop(held.run.run_id, None)
        self._held[job_id].remove(held)
        if not self._held[job_id]:
            del self._held[job_id]
            self._ring.pop(job_id, None)
            self._behind.discard(job_id)

    def step(self, by: int) -> list[Held]:
        """The clock was set: who waits for a moment waits as long as before. These."""
        self._later = [(since + by, run_id, replace(held, since=since + by)) for since, run_id, held in self._later]
        return [held for _, _, held in self._later]
