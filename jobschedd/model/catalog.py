"""The jobs we believe in: for each file its last good version, and beside it what is wrong with it now.

Levels, not events: `apply` is told what a file says now and answers with what that changes. Two files may claim one
id; the one that sorts first by name has it, and the other waits for it to go.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.error import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.job import Definition
    from jobschedd.model.message import FileChange


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
        self._told: dict[str, tuple[Problem, ...]] = {}
        """By file name: what was last said to be wrong, conflicts over ids included."""

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Definition]:
        return (self._good[names[0]] for names in self._claims.values())

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._claims

    def get(self, job_id: str) -> Definition | None:
        """The definition in force."""
        names = self._claims.get(job_id)
        return self._good[names[0]] if names else None

    @property
    def problems(self) -> int:
        """How many files have problems."""
        return len(self._told)

    def apply(self, change: FileChange) -> list[Effect]:
        """Take in what one file says now."""
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
            if new is None and old is not None:
                effects.append(Removed(old))
            elif new is not None and new != old:
                effects.append(Added(new, replaced=old))
        for name in sorted(paths):
            effects += self._tell(name, paths[name])
        return effects

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
        if problems == self._told.get(name, ()):
            return []
        if not problems:
            del self._told[name]
            return [Cleared(path)]
        self._told[name] = problems
        good = self._good.get(name)
        kept = good.job.job_id if good and self.get(good.job.job_id) is good else None
        return [Troubled(path, problems, kept)]

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
