"""The directory that imported jobs are put into: nothing in it is changed, and a file comes whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobschedd.ctl.imports.tables import read_table
from jobschedd.model.layers import is_job_file

_NO_PART_OF_IT = ("job_id", "description", "enabled")
"""Two jobs that differ in nothing else do the same, or would."""


@dataclass(frozen=True, slots=True)
class Same:
    """A job that is there."""

    job_id: str
    path: str
    enabled: bool


class Shelf:
    def __init__(self, directory: str, beside: tuple[str, ...] = ()) -> None:
        """`beside`: the job directories around it, whose names a new file would cover, or which would cover it."""
        self.directory = directory
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._same: dict[str, list[Same]] = {}
        self._put: list[str] = []
        for place in dict.fromkeys((directory, *beside)):
            for name in sorted(filter(is_job_file, _entries(place))):
                self._look(os.path.join(place, name))

    def _look(self, path: str) -> None:
        self._names.setdefault(os.path.basename(path), path)
        values = _read(path)
        job_id = values.get("job_id")
        if isinstance(job_id, str):
            self._ids.setdefault(job_id, path)
            same = Same(job_id, path, values.get("enabled") is not False)
            self._same.setdefault(_meaning(values), []).append(same)

    def take_same(self, values: dict[str, Any]) -> Same | None:
        """A job that is there and does the same; each is found once."""
        found = self._same.get(_meaning(values))
        return found.pop(0) if found else None

    def in_the_way(self, job_id: str) -> str | None:
        """What is there already of that file's name or of that id."""
        return self._names.get(f"{job_id}.json") or self._ids.get(job_id)

    def path(self, job_id: str) -> str:
        return os.path.join(self.directory, f"{job_id}.json")

    def put(self, job_id: str, data: bytes, mode: int) -> None:
        """Write a new file. Raises OSError, also where something of that name has come meanwhile."""
        if not os.path.isdir(self.directory):
            os.makedirs(self.directory, 0o755)
        path = self.path(job_id)
        # The dot keeps the daemon from it until it is whole.
        temporary = os.path.join(self.directory, f".{job_id[:100]}.{secrets.token_hex(8)}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                os.fchmod(fd, mode)
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.link(temporary, path)  # rename would replace what is there
            self._put.append(path)
        finally:
            os.unlink(temporary)
        self._sync()

    def take_back(self) -> None:
        """Remove what was put: an import is whole or has not been."""
        for path in self._put:
            with suppress(OSError):
                os.unlink(path)
        self._put.clear()

    def _sync(self) -> None:
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []  # one that is not there yet; writing will say what else is wrong


def _read(path: str) -> dict[str, Any]:
    """What a file says, as far as it can be read: what is wrong with it, `jobctl check` tells."""
    try:
        text = read_table(path)[0].decode()
        values = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _meaning(values: dict[str, Any]) -> str:
    kept = {key: value for key, value in values.items() if key not in _NO_PART_OF_IT}
    return json.dumps(kept, sort_keys=True, default=str)
