"""inotify, for the rooms that watch directories: job directories, and those that jobs watch.

Stands on the lower part of watchdog, its inotify reader: one thread that calls us for each event. The observer above
it pairs renames in O(n²), dies quietly in several ways, and does not say that events were lost.
"""

from __future__ import annotations

import errno
import os

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

__all__ = ["SELF", "UNSEEN", "Inotify", "InotifyConstants", "InotifyEvent", "Mask", "Watched", "check_it_tells_all"]

SELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT

UNSEEN = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "virtiofs", "fuse", "fuseblk", "vboxsf"})
"""File systems whose changes made elsewhere inotify does not see; with them all of fuse.*."""

Watched = tuple[WatchDescriptor, CallbackId]
"""What takes a watch away again."""


class Inotify(InotifyFD):
    """One inotify instance and the thread that reads it. It is started when it is made."""

    def __init__(self) -> None:
        """Raises OSError where the user has no inotify instance left."""
        super().__init__()
        self._count = 0
        self.start()

    def watch(self, path: str, mask: Mask, callback: WatchCallback) -> Watched:
        """Call back for what happens in a directory. Raises OSError, where no watch is left too.

        A directory that is watched twice is one watch for the kernel: each callback hears what the other asked for.
        """
        self._count += 1
        number = CallbackId(self._count)
        # The second watch of a directory must not take from the first.
        flags = InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_MASK_ADD
        descriptor = self.add_callback(os.fsencode(path), Mask(mask | flags), callback, number)
        if descriptor < 0:
            # watchdog takes EACCES for success.
            raise PermissionError(errno.EACCES, "no permission to watch it", path)
        return descriptor, number

    def end(self) -> None:
        """Stop the thread and close the instance. Every callback is told that its watch is gone."""
        self.stop()
        self.join()


def check_it_tells_all(opened: int) -> None:
    """Raises OSError where an open directory is on a file system that others may change unseen."""
    kind = _file_system(opened)
    if kind in UNSEEN or kind.startswith("fuse."):
        raise OSError(errno.EOPNOTSUPP, f"changes made elsewhere do not show on {kind}")


def _file_system(opened: int) -> str:
    """The kind of file system an open directory is on; empty where it is not mounted any more."""
    with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as file:
        mount = next((line.split()[1] for line in file if line.startswith("mnt_id:")), None)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split()
            if fields[0] == mount:
                return fields[fields.index("-") + 1]
    return ""
