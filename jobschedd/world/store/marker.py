"""A note that needs no room on the disk: since when starts have not been written down.

The file is made while there is room, and from then on only written over. A second one lies in the runtime directory,
for a state directory that has become read-only: that one outlives the daemon, but not the machine.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.run import Instant

_LENGTH = 20
"""Digits of an instant, filled up: always the same bytes are written over."""

NAME = "unrecorded-since"


class Marker:
    def __init__(self, *directories: str) -> None:
        self._paths = [os.path.join(directory, NAME) for directory in directories]

    def read(self) -> Instant | None:
        """Since when; None: everything was written down."""
        found = []
        for path in self._paths:
            with suppress(OSError, ValueError), open(path, "rb") as file:
                if since := int(file.read(_LENGTH)):
                    found.append(since)
        return min(found, default=None)

    def write(self, since: Instant | None) -> bool:
        """Note it, durably. False: neither file could be written."""
        done = 0
        for path in self._paths:
            with suppress(OSError):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    done += os.pwrite(file, f"{since or 0:0{_LENGTH}}".encode(), 0) == _LENGTH
                    os.fsync(file)
                finally:
                    os.close(file)
        return done > 0
