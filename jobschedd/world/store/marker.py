"""A note that needs no room on the disk: since when, and at instants of what time, starts have not been written down.

The file is made while there is room, and from then on only written over. A second one lies in the runtime directory,
for a state directory that has become read-only: that one outlives the daemon, but not the machine.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import reduce

from jobschedd.model.record import MOST_SPANS, Doubt
from jobschedd.model.run import LAST_MOMENT, Instant

_DIGITS = 20
"""Of an instant, filled up: always the same bytes are written over."""

_MOMENTS = 2 + 2 * MOST_SPANS

_ROOM = _MOMENTS * _DIGITS
"""Less than the 512 bytes of a sector: a disk that loses its power has written all of them, or none."""

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
                    size = os.fstat(file).st_size // _DIGITS * _DIGITS
                    if size < _ROOM:
                        os.pwrite(file, b"0" * (_ROOM - size), size)
                        os.fsync(file)
                finally:
                    os.close(file)
        return known

    def read(self) -> Doubt | None:
        """What was noted; None: everything was written down. Of a note that is spoilt, what can be read."""
        found = []
        for path in self._paths:
            with suppress(OSError):
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    text = os.read(file, _ROOM)
                finally:
                    os.close(file)
                since, back_to, *ends = (_moment(text[place : place + _DIGITS]) for place in range(0, _ROOM, _DIGITS))
                spans = [(first, last) for first, last in zip(ends[::2], ends[1::2], strict=True) if first <= last > 0]
                if since or spans:
                    found.append(Doubt(since or spans[0][0], back_to=back_to).of(spans))
        return reduce(Doubt.over, found) if found else None

    def write(self, doubt: Doubt | None) -> bool:
        """Note it. False: not where it outlives the machine, in the first of the directories."""
        moments = [doubt.since, doubt.back_to, *(end for span in doubt.spans for end in span)] if doubt else []
        text = "".join(f"{moment:0{_DIGITS}}" for moment in moments).ljust(_ROOM, "0").encode()
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


def _moment(field: bytes) -> Instant:
    """0: none."""
    moment = int(field) if field.isdigit() else 0
    return moment if moment <= LAST_MOMENT else 0
