"""Hints from the kernel that something in a directory may have changed.

We only collect names, so nothing can be lost but a hint, and that is told too.
"""

from __future__ import annotations

import os
import threading
from enum import IntEnum
from typing import TYPE_CHECKING

from jobschedd.model.layers import is_job_file
from jobschedd.world.inotify import SELF, Inotify, InotifyConstants, Mask, check_it_tells_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import WatchDescriptor

    from jobschedd.world.inotify import InotifyEvent, Watched

_DONE = (
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_DELETE
)
_MADE = InotifyConstants.IN_CREATE | InotifyConstants.IN_ATTRIB

_INSIDE = Mask(_DONE | _MADE | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF)
_ABOVE = Mask(_INSIDE & ~InotifyConstants.IN_CLOSE_WRITE)


class Hint(IntEnum):
    """How much is known of a file that should be looked at. The higher one counts."""

    DIFFERS = 0
    """It is not as it was seen; it may be in the middle of being written."""
    MADE = 1
    """A link that was made, or the beginning of a write; a changed mode, or a step on the way to one."""
    DONE = 2
    """Closed, moved or deleted: what stands there now is meant."""


Looks = dict[tuple[int, str], Hint]
"""Files to look at, each by the number of its directory and its name."""


class Hints:
    """What may have changed since it was last taken. Shared by the watching thread and the loader."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._names: Looks = {}
        self._directories: set[int] = set()

    def name(self, directory: int, name: bytes, hint: Hint) -> None:
        key = (directory, os.fsdecode(name))
        # What an editor, or a careful writer, does beside a job file is no reason to wake up, and then to rest.
        if not is_job_file(key[1]):
            return
        with self._lock:
            self._names[key] = max(self._names.get(key, hint), hint)
        self._wake()

    def directory(self, directory: int) -> None:
        with self._lock:
            self._directories.add(directory)
        self._wake()

    def take(self) -> tuple[Looks, set[int]]:
        """Files to look at, and directories to look through."""
        with self._lock:
            names, self._names = self._names, {}
            directories, self._directories = self._directories, set()
        return names, directories


class _Inside:
    """Hears what happens in a job directory."""

    def __init__(self, hints: Hints, directory: int) -> None:
        self._hints = hints
        self._directory = directory

    def on_event(self, event: InotifyEvent) -> None:
        # A name with two dots in front is how container platforms swap all files of a directory at once.
        if event.mask & SELF or event.name.startswith(b".."):
            self._hints.directory(self._directory)
        elif event.mask & (_DONE | _MADE) and not event.mask & InotifyConstants.IN_ISDIR:
            self._hints.name(self._directory, event.name, Hint.DONE if event.mask & _DONE else Hint.MADE)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - watchdog's interface
        self._hints.directory(self._directory)

    def on_queue_overflow(self) -> None:
        self._hints.directory(self._directory)


class _Above(_Inside):
    """Hears in a parent directory whether the next step of the way to a job directory comes, goes or is replaced."""

    def __init__(self, hints: Hints, directory: int, step: bytes) -> None:
        super().__init__(hints, directory)
        self._step = step

    def on_event(self, event: InotifyEvent) -> None:
        if event.mask & SELF or event.name == self._step:
            self._hints.directory(self._directory)


class Watcher:
    """inotify on some directories, each known by a number."""

    def __init__(self, hints: Hints) -> None:
        """Raises OSError where the user has no inotify instance left."""
        self._hints = hints
        self._inotify = Inotify()
        self._watches: dict[tuple[int, Mask], Watched] = {}

    def alive(self) -> bool:
        return self._inotify.is_alive()

    def close(self) -> None:
        self._inotify.end()

    def watch_above(self, directory: int, path: str) -> None:
        """Watch the nearest directory above a job directory's path. Raises OSError where no watch is left."""
        above, step = os.path.split(path.rstrip("/"))
        while above != "/" and not os.path.isdir(above):
            above, step = os.path.split(above)
        self._watch(directory, above, _ABOVE, _Above(self._hints, directory, os.fsencode(step)))

    def watch_inside(self, directory: int, opened: int) -> None:
        """Watch the job directory that is held open. Raises OSError where no watch is left, or it does not tell all."""
        # By the descriptor: what is watched is what was checked, not what the path names by now.
        self._watch(directory, f"/proc/self/fd/{opened}", _INSIDE, _Inside(self._hints, directory))
        check_it_tells_all(opened)

    def _watch(self, directory: int, path: str, mask: Mask, callback: _Inside) -> None:
        before = self._watches.pop((directory, mask), None)
        try:
            self._watches[directory, mask] = self._inotify.watch(path, mask, callback)
        finally:
            # After the new one: where both are of one directory it is watched without a gap.
            if before is not None:
                self._inotify.remove_callbacks([before])
