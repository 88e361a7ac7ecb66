"""The machine's time zones, as they are on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import TZPATH, ZoneInfoNotFoundError

from jobschedd.model.schedule import UTC_ZONE, read_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_LARGEST = 1 << 20
"""Bytes; a zone has some thousands."""

_LOCALTIME = Path("/etc/localtime")


class ZoneDatabase:
    """Reads each zone's file once. A reload takes a new one, and so sees a newer database."""

    def __init__(self) -> None:
        self._read: dict[str, ZoneInfo] = {}

    def __call__(self, name: str) -> ZoneInfo:
        """The zone of an IANA name. Raises KeyError, OSError or ValueError."""
        if name not in self._read:
            self._read[name] = self._open(name)
        return self._read[name]

    def local(self) -> ZoneInfo:
        """The zone that the machine keeps its local time in: $TZ, else /etc/localtime, else UTC."""
        name = os.environ.get("TZ", "").removeprefix(":")
        if not name and _LOCALTIME.is_symlink():
            name = str(_LOCALTIME.readlink()).partition("zoneinfo/")[2]
        if name:
            try:
                return self(name)
            except (ValueError, OSError, KeyError):
                pass  # a TZ such as "CET-1CEST", or a zone that is not installed: the file itself still tells
        try:
            return read_zone("localtime", _content(_LOCALTIME))
        except (OSError, ValueError):
            return UTC_ZONE

    @staticmethod
    def _open(name: str) -> ZoneInfo:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise ValueError(name)
        for directory in TZPATH:
            try:
                return read_zone(name, _content(Path(directory, name)))
            except (FileNotFoundError, NotADirectoryError):
                continue
        if name == "UTC":
            return UTC_ZONE
        raise ZoneInfoNotFoundError(name)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
