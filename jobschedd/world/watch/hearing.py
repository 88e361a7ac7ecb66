"""What the kernel tells of watched directories, collected until the thread that watches takes it."""

from __future__ import annotations

import os
import threading
from enum import IntEnum
from typing import TYPE_CHECKING

from jobschedd.world.inotify import SELF, InotifyConstants, Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import WatchDescriptor

    from jobschedd.model.watch import Step
    from jobschedd.world.inotify import InotifyEvent

ITSELF = Mask(InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF)
"""Costs nothing, whatever happens in the directory."""

_APPEARED = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO
STEPS = Mask(ITSELF | _APPEARED)

_DONE = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO
# Not IN_MODIFY: whoever may write there could keep us busy with it. That a file has changed is seen when it is due.
FILES = Mask(ITSELF | _DONE | InotifyConstants.IN_CREATE | InotifyConstants.IN_ATTRIB)


class Heard(IntEnum):
    """What was heard of a file. The higher one counts."""

    TOUCHED = 0
    """Its times, mode or owner were changed, as archivers do after closing. Old files are touched too."""
    MADE = 1
    """A link, or the beginning of a write."""
    DONE = 2
    """Closed after writing, or moved in."""


class Hearing:
    """What was heard since it was last taken. Shared by inotify's thread and the one that watches."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._names: dict[int, dict[str, Heard]] = {}
        self._directories: set[int] = set()
        self._ways: set[str] = set()

    def name(self, directory: int, name: bytes, heard: Heard) -> None:
        text = os.fsdecode(name)
        with self._lock:
            names = self._names.setdefault(directory, {})
            names[text] = max(names.get(text, heard), heard)
        self._wake()

    def directory(self, number: int) -> None:
        """It has to be looked through: it went, or something of it was lost."""
        with self._lock:
            self._directories.add(number)
        self._wake()

    def way(self, job_id: str) -> None:
        """On the way to what a job watches something came, went or was replaced."""
        with self._lock:
            self._ways.add(job_id)
        self._wake()

    def take(self) -> tuple[dict[int, dict[str, Heard]], set[int], set[str]]:
        """Names by the number of their directory; directories to look through; jobs whose ways to go again."""
        with self._lock:
            taken = self._names, self._directories, self._ways
            self._names, self._directories, self._ways = {}, set(), set()
        return taken


class Inside:
    """Hears of the files of a watched directory."""

    def __init__(self, hearing: Hearing, directory: int, wanted: Callable[[str], bool]) -> None:
        """`wanted`: whether any job is waiting for a file of that name."""
        self._hearing = hearing
        self._directory = directory
        self._wanted = wanted

    def on_event(self, event: InotifyEvent) -> None:
        if event.mask & SELF:
            self._hearing.directory(self._directory)
        elif event.mask & InotifyConstants.IN_ISDIR or not self._wanted(os.fsdecode(event.name)):
            return
        elif event.mask & _DONE:
            self._hearing.name(self._directory, event.name, Heard.DONE)
        elif event.mask & InotifyConstants.IN_CREATE:
            self._hearing.name(self._directory, event.name, Heard.MADE)
        elif event.mask & InotifyConstants.IN_ATTRIB:
            self._hearing.name(self._directory, event.name, Heard.TOUCHED)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - watchdog's interface
        self._hearing.directory(self._directory)

    def on_queue_overflow(self) -> None:
        self._hearing.directory(self._directory)


class OnTheWay:
    """Hears in a directory above whether it goes, or another step of the way to what a job watches appears in it."""

    def __init__(self, hearing: Hearing, job_id: str, step: Step | None, *, links: bool) -> None:
        """`links`: the step may be a link to a directory too."""
        self._hearing = hearing
        self._job_id = job_id
        self._step = step
        self._links = links

    def on_event(self, event: InotifyEvent) -> None:
        if event.mask & SELF or (event.mask & _APPEARED and self._is_step(event)):
            self._hearing.way(self._job_id)

    def _is_step(self, event: InotifyEvent) -> bool:
        if self._step is None or not (self._links or event.mask & InotifyConstants.IN_ISDIR):
            return False
        return self._step.fits(os.fsdecode(event.name))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - watchdog's interface
        self._hearing.way(self._job_id)

    def on_queue_overflow(self) -> None:
        self._hearing.way(self._job_id)
