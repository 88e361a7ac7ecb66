"""One watched directory, and what was seen in it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from jobschedd.world.inotify import Inotify, Watched, check_it_tells_all
from jobschedd.world.watch.hearing import FILES, Hearing, Inside
from jobschedd.world.watch.way import Place, reason

if TYPE_CHECKING:
    from jobschedd.model.watch import Step


class Directory:
    """Used by the thread that watches alone, but for `wanted`."""

    def __init__(self, number: int, place: Place, hearing: Hearing) -> None:
        self.number = number
        self.place = place
        self.path = place.path
        self.jobs: dict[str, Step] = {}
        """Who waits for which names in it. Never changed, only replaced: inotify's thread reads it."""
        self.seen: dict[str, int] = {}
        """The signature of every file that is wanted, as it was when it was last looked at."""
        self.next_look = 0
        """Elapsed time."""
        self.trouble = ""
        """Why it cannot be watched, or not be looked through; empty: it can."""
        self.there = False
        """It could be looked through."""
        self.blind = False
        """The kernel does not tell all that happens in it."""
        self._hearing = hearing
        self._before: dict[str, int] = {}
        """What the directory held that stood here before this one: a file system that comes back brings no news."""
        self._identity: tuple[int, int] | None = None
        self._watch: tuple[Inotify, Watched] | None = None

    def wanted(self, name: str) -> bool:
        return any(step.fits(name) for step in self.jobs.values())

    def moved(self) -> bool:
        """Whether another directory than the one that was looked through stands here, or there is none."""
        try:
            status = os.stat(self.path)
        except OSError:
            return self.there
        return not self.there or (status.st_dev, status.st_ino) != self._identity

    def look(self, inotify: Inotify | None, trouble: str) -> list[str]:
        """Watch and look through it; the names of the files that are new or have changed.

        `trouble`: why there is no inotify.
        """
        try:
            with self.place.opened() as opened:
                # Watched before it is looked at: what happens between the two is seen twice, not missed.
                trouble = trouble or self._watch_it(inotify, opened)
                listing = self._list(opened)
                status = os.fstat(opened)
        except OSError as error:
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            self.trouble = (
                f"{self.path} does not exist; waiting for it"
                if missing
                else f"cannot look through {self.path}: {error.strerror}; looking again every 30 s"
            )
            self.there, self.blind = False, not missing
            return []
        found = [
            name
            for name, signature in listing.items()
            if self.seen.get(name) != signature and self._before.get(name) != signature
        ]
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            self._identity, self._before = identity, self.seen
        self.seen = listing
        self.there, self.blind = True, bool(trouble)
        self.trouble = f"cannot watch {self.path}: {trouble}; looking through it every 30 s instead" if trouble else ""
        return found

    def _watch_it(self, inotify: Inotify | None, opened: int) -> str:
        """Why that does not tell all; empty: it does."""
        before, self._watch = self._watch, None
        try:
            if inotify is not None:
                hear = Inside(self._hearing, self.number, self.wanted)
                # By the descriptor: what is watched is what is looked through, not what the path names by now.
                self._watch = inotify, inotify.watch(f"/proc/self/fd/{opened}", FILES, hear)
            check_it_tells_all(opened)
        except OSError as error:
            return reason(error)
        finally:
            _forget(before)
        return ""

    def leave(self) -> None:
        before, self._watch = self._watch, None
        _forget(before)

    def _list(self, opened: int) -> dict[str, int]:
        listing = {}
        with os.scandir(opened) as entries:
            for entry in entries:
                try:
                    if self.wanted(entry.name) and entry.is_file(follow_symlinks=False):
                        listing[entry.name] = _signature(entry.stat(follow_symlinks=False))
                except OSError:
                    continue  # gone since
        return listing

    def look_at(self, name: str, *, only_link: bool = False) -> int | None:
        """The signature of one file as it is now; None where there is no such file.

        `only_link`: a file with one name counts for none: it was not linked here, somebody has begun to write it.
        """
        try:
            status = os.lstat(os.path.join(self.path, name))
        except OSError:
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            self.seen.pop(name, None)
            self._before.pop(name, None)
            return None
        if only_link and status.st_nlink == 1:
            return None
        signature = self.seen[name] = _signature(status)
        return signature


def _signature(status: os.stat_result) -> int:
    # Not ctime: it changes with the mode and with each link. As one number: there may be a hundred thousand.
    return hash((status.st_ino, status.st_mtime_ns, status.st_size))


def _forget(watch: tuple[Inotify, Watched] | None) -> None:
    if watch is not None:
        watch[0].remove_callbacks([watch[1]])
