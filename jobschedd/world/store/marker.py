"""A note that needs no room on the disk: that, and since when, starts have not been written down.

The file is made while there is room, and from then on only written over. A second one lies in the runtime directory,
for a state directory that has become read-only: that one outlives the daemon, but not the machine.
"""

from __future__ import annotations

import os
from contextlib import suppress

from jobschedd.model.record import Doubt

_DIGITS = 20
"""Of an instant, filled up: always the same bytes are written over."""

NAME = "unrecorded-since"


class Marker:
    def __init__(self, *directories: str) -> None:
        self._paths = [os.path.join(directory, NAME) for directory in directories]

    def make(self) -> bool:
        """Take the room that a note will need, while there is some. Whether a daemon had done so before."""
        known = os.path.lexists(self._paths[0])
        for path in self._paths:
            with suppress(OSError):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    if os.fstat(file).st_size < 2 * _DIGITS:
                        os.pwrite(file, b"0" * 2 * _DIGITS, 0)
                        os.fsync(file)
                finally:
                    os.close(file)
        return known

    def read(self) -> Doubt | None:
        """What was noted; None: everything was written down."""
        found = []
        for path in self._paths:
            with suppress(OSError, ValueError), open(path, "rb") as file:
                since, reached = int(file.read(_DIGITS)), int(file.read(_DIGITS))
                if since:
                    found.append(Doubt(since, reached))
        if not found:
            return None
        return Doubt(min(doubt.since for doubt in found), max(doubt.reached for doubt in found))

    def write(self, doubt: Doubt | None) -> bool:
        """Note it. False: not where it outlives the machine, in the first of the directories."""
        since, reached = (doubt.since, doubt.reached) if doubt else (0, 0)
        text = f"{since:0{_DIGITS}}{reached:0{_DIGITS}}".encode()
        done = []
        for path in self._paths:
            with suppress(OSError):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    os.pwrite(file, text, 0)
                    os.fsync(file)
                    done.append(path)
                finally:
                    os.close(file)
        return self._paths[0] in done
