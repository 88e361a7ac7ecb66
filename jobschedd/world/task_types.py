"""Task types that other packages bring: entry points in the group `jobschedd.tasks`.

Nothing is looked for before a file names a type that is not ours, and nothing is loaded but what is named.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jobschedd.model.task import TaskType

GROUP = "jobschedd.tasks"


class InstalledTaskTypes(Mapping[str, TaskType]):
    """By name. A reload takes a new one, and so sees what was installed meanwhile."""

    @cached_property
    def _found(self) -> dict[str, TaskType]:
        importlib.invalidate_caches()
        by_name: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=GROUP):
            by_name.setdefault(entry.name, []).append(entry)
        return {name: _one_of(entries) for name, entries in by_name.items()}

    def __getitem__(self, name: str) -> TaskType:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _one_of(entries: list[EntryPoint]) -> TaskType:
    # A package that is installed twice, in two places of the import path, names its type twice and is still one.
    if len({entry.value for entry in entries}) == 1:
        return TaskType(_origin(entries[0]), entries[0].load)
    origins = " and ".join(_origin(entry) for entry in entries)

    def load() -> Any:
        raise LookupError("several packages have a type of this name; uninstall all but one")

    return TaskType(origins, load)


def _origin(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"
    return f"{package} ({entry.value})"
