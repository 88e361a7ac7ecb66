"""Who runs after whom: the `after` keys of all jobs, as a graph that has no cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.run import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from jobschedd.model.part import After

MEANS: dict[Outcome, frozenset[str]] = {
    Outcome.SUCCEEDED: frozenset({"success", "end"}),
    Outcome.FAILED: frozenset({"failure", "end"}),
    Outcome.TIMED_OUT: frozenset({"failure", "end"}),
    # Nobody can say that it succeeded, and whoever waits for a failure wants to know.
    Outcome.LOST: frozenset({"failure", "end"}),
    # Somebody ended it on purpose: that is no failure, as it is none for systemd's OnFailure=.
    Outcome.STOPPED: frozenset({"end"}),
}
"""By the outcome of a run: the values of `on` that it meets. What is not in here did not run."""


class Chain:
    """The links that are in force. A job may come after one that is not there (yet)."""

    def __init__(self) -> None:
        self._after: dict[str, tuple[After, ...]] = {}
        self._followers: dict[str, dict[str, set[str]]] = {}
        """By job id: who follows it, and at which ends."""

    def put(self, job_id: str, after: tuple[After, ...]) -> None:
        """What the job's `after` says from now on. It must close no cycle."""
        self.drop(job_id)
        if not after:
            return
        self._after[job_id] = after
        for link in after:
            self._followers.setdefault(link.job, {}).setdefault(job_id, set()).add(link.on)

    def drop(self, job_id: str) -> None:
        """The job is gone. Those that come after it wait for another of its name."""
        for link in self._after.pop(job_id, ()):
            followers = self._followers.get(link.job, {})
            followers.pop(job_id, None)
            if not followers:
                self._followers.pop(link.job, None)

    def followers(self, job_id: str, outcome: Outcome) -> list[str]:
        """Who runs now that a run of the job has ended so, by job id."""
        meant = MEANS.get(outcome, frozenset())
        return sorted(follower for follower, on in self._followers.get(job_id, {}).items() if on & meant)

    def cycle(self, job_id: str, after: tuple[After, ...]) -> tuple[str, ...] | None:
        """The cycle that the job would close with this `after`: each id runs after the one before it, the first, which
        is the job's, after the last. None: it closes none.

        1. What there is has no cycle, so a new one goes through the job.
        2. Search from the job to those that follow it, and from those it comes after back to what they come after,
           one link of each in turn. One that finds the other's beginning has found the cycle; one that comes to its
           end without has shown that there is none.

        So it costs no more than twice the smaller side: 100,000 jobs in a row may be put in any order.
        """
        if not after:
            return None
        causes = {link.job for link in after}
        forward = _search([job_id], lambda step: self._followers.get(step, {}), causes)
        backward = _search(sorted(causes), self._causes, {job_id})
        while True:
            for search, ahead in ((forward, True), (backward, False)):
                try:
                    next(search)
                except StopIteration as done:
                    way: list[str] | None = done.value
                    if way is None:
                        return None
                    # Backward, the way leads from the last of the cycle to the job.
                    return tuple(way) if ahead else (job_id, *reversed(way[:-1]))

    def _causes(self, job_id: str) -> Iterable[str]:
        return [link.job for link in self._after.get(job_id, ())]


def _search(
    starts: list[str], onward: Callable[[str], Iterable[str]], goals: set[str]
) -> Generator[None, None, list[str] | None]:
    """Look for a goal, one link at a time; the way to it from one of the starts, with both ends."""
    came_from: dict[str, str | None] = dict.fromkeys(starts)
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        if here in goals:
            way, step = [here], came_from[here]
            while step is not None:
                way.append(step)
                step = came_from[step]
            return way[::-1]
        for step in onward(here):
            yield
            if step not in came_from:
                came_from[step] = here
                waiting.append(step)
    return None
