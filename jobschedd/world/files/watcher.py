"""Hints from the kernel that something in a directory may have changed.

Stands on the lower part of watchdog, its inotify reader: one thread that calls us for each event. The observer above
it pairs renames in O(n²), dies quietly in several ways, and does not say that events were lost. We only collect
names, so nothing can be lost but a hint, and that is told too.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import CallbackId, InotifyEvent, WatchDescriptor

_FIRM = (
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_DELETE
)
"""What is complete when it is reported."""

_SOFT = InotifyConstants.IN_CREATE | InotifyConstants.IN_ATTRIB
"""A link that was made, or the beginning of a write; a changed mode, or a step on the way to one."""

_SELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT

# One mask for every watch: adding one to a directory that is watched already replaces its mask.
_MASK = _FIRM | _SOFT | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_ONLYDIR

UNSEEN = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "virtiofs", "fuse", "fuseblk", "vboxsf"})
"""File systems whose changes made elsewhere inotify does not see; with them all of fuse.*."""


class Hints:
    """What may have changed since it was last taken. Shared by the watching thread and the loader."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._names: dict[tuple[int, str], bool] = {}
        self._directories: set[int] = set()

    def name(self, directory: int, name: bytes, *, firm: bool) -> None:
        key = (directory, os.fsdecode(name))
        with self._lock:
            self._names[key] = self._names.get(key, False) or firm
        self._wake()

    def directory(self, directory: int) -> None:
        with self._lock:
            self._directories.add(directory)
        self._wake()

    def take(self) -> tuple[dict[tuple[int, str], bool], set[int]]:
        """Names, each with whether the hint is firm, and directories to look through."""
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
        if event.mask & _SELF or event.name.startswith(b".."):
            self._hints.directory(self._directory)
        elif event.mask & (_FIRM | _SOFT) and not event.mask & InotifyConstants.IN_ISDIR:
            self._hints.name(self._directory, event.name, firm=bool(event.mask & _FIRM))

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
        if event.mask & _SELF or event.name == self._step:
            self._hints.directory(self._directory)


class Watcher:
    """inotify on some directories, each known by a number."""

    def __init__(self, hints: Hints) -> None:
        """Raises OSError where the user has no inotify instance left."""
        self._hints = hints
        self._inotify = InotifyFD()
        self._inotify.start()
        self._watches: dict[int, list[tuple[WatchDescriptor, CallbackId]]] = {}
        self._count = 0

    def alive(self) -> bool:
        return self._inotify.is_alive()

    def close(self) -> None:
        self._inotify.stop()
        self._inotify.join()

    def watch(self, directory: int, path: str, opened: int | None) -> None:
        """Watch the job directory that is held open as `opened`, and the nearest directory above its path.

        Raises OSError where no watch is left; then nothing of this directory is watched.
        """
        self._inotify.remove_callbacks(self._watches.pop(directory, []))
        watches: list[tuple[WatchDescriptor, CallbackId]] = []
        self._watches[directory] = watches
        above, step = _nearest_above(path)
        watches.append(self._add(above, _Above(self._hints, directory, os.fsencode(step))))
        if opened is not None:
            # By the descriptor: what is watched is what was checked, not what the path names by now.
            watches.append(self._add(f"/proc/self/fd/{opened}", _Inside(self._hints, directory)))

    def _add(self, path: str, callback: _Inside) -> tuple[WatchDescriptor, CallbackId]:
        self._count += 1
        number = CallbackId(self._count)
        watch = self._inotify.add_callback(os.fsencode(path), Mask(_MASK), callback, number)
        if watch < 0:
            # watchdog takes EACCES for success.
            raise PermissionError(13, "no permission to watch it", path)
        return watch, number


def _nearest_above(path: str) -> tuple[str, str]:
    """The nearest directory above `path` that exists, and the next step from it."""
    above, step = os.path.split(path.rstrip("/"))
    while above != "/" and not os.path.isdir(above):
        above, step = os.path.split(above)
    return above, step


def unseen(opened: int) -> str | None:
    """The kind of file system an open directory is on, if inotify does not see what others change there."""
    with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as file:
        mount = next((line.split()[1] for line in file if line.startswith("mnt_id:")), None)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split()
            if fields[0] == mount:
                kind = fields[fields.index("-") + 1]
                return kind if kind in UNSEEN or kind.startswith("fuse.") else None
    return None
