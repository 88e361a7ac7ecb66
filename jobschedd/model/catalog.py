"""The jobs we believe in: for each file its last good version, and beside it what is wrong with it now.

Levels, not events: `apply` is told what a file says now and answers with what that changes. Two files may claim one
id; the one that sorts first by name has it, and the other waits for it to go.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobschedd.model.chain import Chain
from jobschedd.model.error import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.job import Definition
    from jobschedd.model.message import FileChange
    from jobschedd.model.run import Outcome


@dataclass(frozen=True, slots=True)
class Added:
    definition: Definition
    replaced: Definition | None


@dataclass(frozen=True, slots=True)
class Removed:
    definition: Definition


@dataclass(frozen=True, slots=True)
class Troubled:
    """A file has problems it did not have before."""

    path: str
    problems: tuple[Problem, ...]
    kept: str | None
    """The job that its last good version keeps in force."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A file has no problems any more."""

    path: str


Effect = Added | Removed | Troubled | Cleared


class Catalog:
    def __init__(self) -> None:
        self._good: dict[str, Definition] = {}
        """By file name: the last version that could be read."""
        self._claims: dict[str, list[str]] = {}
        """By job id: the names of the files that claim it, in order; the first one has it."""
        self._wrong: dict[str, tuple[Problem, ...]] = {}
        """By file name: why its newest version could not be read."""
        self._told: dict[str, Troubled] = {}
        """By file name: what was last said to be wrong, conflicts over ids included."""
        self._chain = Chain()
        """Of the jobs in force: who runs after whom."""
        self._circular: dict[str, FileChange] = {}
        """By file name: versions that would close a cycle. They are looked at again when a link has gone."""

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Definition]:
        return (self._good[names[0]] for names in self._claims.values())

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._claims

    def job_ids(self) -> tuple[str, ...]:
        """Of all jobs, in no order; a millisecond for 100,000."""
        return tuple(self._claims)

    def get(self, job_id: str) -> Definition | None:
        """The definition in force."""
        names = self._claims.get(job_id)
        return self._good[names[0]] if names else None

    @property
    def problems(self) -> int:
        """How many files have problems."""
        return len(self._told)

    def problems_of(self, definition: Definition) -> tuple[Problem, ...]:
        """What is wrong now with the file that this came from."""
        trouble = self._told.get(definition.path.rpartition("/")[2])
        return trouble.problems if trouble else ()

    def rivals(self, job_id: str) -> tuple[str, ...]:
        """The files that claim this id, and wait for the one that has it to go."""
        return tuple(self._good[name].path for name in self._claims.get(job_id, ())[1:])

    def troubles(self) -> tuple[Troubled, ...]:
        return tuple(self._told.values())

    def followers(self, job_id: str, outcome: Outcome) -> list[str]:
        """The jobs that run when a run of this one has ended so."""
        return self._chain.followers(job_id, outcome)

    def apply(self, change: FileChange) -> list[Effect]:
        """Take in what one file says now."""
        effects = self._apply(change)
        if self._circular and any(isinstance(effect, Added | Removed) for effect in effects):
            for name, waiting in list(self._circular.items()):
                if name != change.name:
                    effects += self._apply(waiting)
        return effects

    def _apply(self, change: FileChange) -> list[Effect]:
        change = self._without_cycle(change)
        before = self._good.get(change.name)
        ids = {before.job.job_id} if before else set()
        if change.definition:
            ids.add(change.definition.job.job_id)
        in_force = {job_id: self.get(job_id) for job_id in ids}
        rivals = {name for job_id in ids for name in self._claims.get(job_id, ())}
        paths = {name: self._good[name].path for name in rivals} | {change.name: change.path}

        if change.problems:
            self._wrong[change.name] = change.problems
        else:
            self._wrong.pop(change.name, None)
            self._put(change.name, change.definition)

        effects: list[Effect] = []
        for job_id in sorted(ids):
            old, new = in_force[job_id], self.get(job_id)
            if new != old:
                self._link(job_id, new)
            if new is None and old is not None:
                effects.append(Removed(old))
            elif new is not None and new != old:
                effects.append(Added(new, replaced=old))
        for name in sorted(paths):
            effects += self._tell(name, paths[name])
        return effects

    def _without_cycle(self, change: FileChange) -> FileChange:
        """A version that would close a cycle is a problem of its file."""
        self._circular.pop(change.name, None)
        if change.definition is None or not change.definition.job.after:
            return change
        job = change.definition.job
        cycle = self._chain.cycle(job.job_id, job.after)
        if cycle is None:
            return change
        self._circular[change.name] = change
        way = " after ".join((cycle[0], *reversed(cycle)))
        text = f"cannot run {way}: a cycle; leave one of them out"
        return replace(change, definition=None, problems=(Problem("after", text),))

    def _link(self, job_id: str, new: Definition | None) -> None:
        if new is None:
            self._chain.drop(job_id)
        elif self._chain.cycle(job_id, new.job.after) is None:
            self._chain.put(job_id, new.job.after)
        else:
            # It took over from another file, and meanwhile others have come that run after it.
            self._chain.drop(job_id)

    def _put(self, name: str, definition: Definition | None) -> None:
        before = self._good.pop(name, None)
        if before:
            names = self._claims[before.job.job_id]
            names.remove(name)
            if not names:
                del self._claims[before.job.job_id]
        if definition:
            self._good[name] = definition
            insort(self._claims.setdefault(definition.job.job_id, []), name)

    def _tell(self, name: str, path: str) -> list[Effect]:
        """Say what is wrong with a file, or that nothing is any more, when that differs from what was said."""
        problems = self._wrong.get(name, ()) + self._conflict(name)
        told = self._told.get(name)
        if problems == (told.problems if told else ()):
            return []
        if not problems:
            del self._told[name]
            return [Cleared(path)]
        good = self._good.get(name)
        kept = good.job.job_id if good and self.get(good.job.job_id) is good else None
        self._told[name] = Troubled(path, problems, kept)
        return [self._told[name]]

    def _conflict(self, name: str) -> tuple[Problem, ...]:
        good = self._good.get(name)
        if good is None or self.get(good.job.job_id) is good:
            return ()
        winner = self._good[self._claims[good.job.job_id][0]]
        return (
            Problem(
                "job_id",
                f'cannot have "{good.job.job_id}", {winner.path} has it and sorts first; write another id',
            ),
        )
