"""The job directories together: looks at files, and tells what is news of those that win."""

from __future__ import annotations

import os
import stat
import traceback
from hashlib import sha256
from typing import TYPE_CHECKING

from jobschedd.model.error import BadFile, Problem
from jobschedd.model.event import WARNING, Remark, ThreadFailed
from jobschedd.model.layers import winner
from jobschedd.model.message import FileChange
from jobschedd.model.run import SECOND
from jobschedd.world.files.directory import Entry, JobDirectory
from jobschedd.world.files.source import Content, Unsettled, read, same_content, signature
from jobschedd.world.files.watcher import Hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant
    from jobschedd.ports import Clock, Listener
    from jobschedd.world.files.watcher import Looks

    Parse = Callable[[str, str, bytes], Definition]

SETTLE = SECOND
"""A file that changed less than this ago may still be in the middle of being written."""

TRY_AGAIN = SECOND
_NOTHING = Entry(b"", b"")


class Layers:
    """Used by the loader's thread alone."""

    def __init__(self, parse: Parse, listen: Listener, clock: Clock) -> None:
        """`parse`: name, path and bytes to a definition; raises BadFile."""
        self.directories: list[JobDirectory] = []
        """Highest first."""
        self.parse = parse
        self.later: dict[tuple[int, str], Instant] = {}
        """Files to look at again, and when, by elapsed time."""
        self._listen = listen
        self._clock = clock
        self._left: dict[str, str] = {}
        """Files of directories that are none of ours any more: name and path."""

    def move(self, paths: Sequence[str]) -> None:
        """Go on with these directories. What the ones left behind held stays until `forget`."""
        old = {directory.path: directory for directory in self.directories}
        self.directories = []
        for number, path in enumerate(dict.fromkeys(paths)):
            directory = old.pop(path) if path in old else JobDirectory(path, self._listen)
            directory.number = number
            self.directories.append(directory)
        for directory in old.values():
            directory.close()
            self._left |= {name: os.path.join(directory.path, name) for name in directory.entries}
        self.later.clear()

    def forget(self) -> Iterator[FileChange]:
        """What went with the directories that were left behind: to be asked once all others have been looked at."""
        left, self._left = self._left, {}
        return (FileChange(name, path) for name, path in left.items() if self._winner(name) is None)

    def compare(self, directory: JobDirectory, *, force: bool) -> Looks:
        """The files of a directory that differ from what was seen of them; all with `force`. Raises Lost."""
        names = directory.names(force=force)
        looks = {(directory.number, name): Hint.DONE for name in directory.entries.keys() - names}
        for name in names:
            entry = directory.entries.get(name, _NOTHING)
            if force:
                looks[directory.number, name] = Hint.DONE
            elif entry.signature != directory.signature_of(name):
                looks[directory.number, name] = Hint.DIFFERS
        return looks

    def due(self, elapsed: Instant) -> Looks:
        """The files of `later` whose time has come."""
        keys = [key for key, moment in self.later.items() if moment <= elapsed]
        for key in keys:
            del self.later[key]
        return dict.fromkeys(keys, Hint.DIFFERS)

    def look_at(self, looks: Looks, *, force: bool) -> Iterator[FileChange]:
        for number, name in sorted(looks):
            change = self._look(self.directories[number], name, looks[number, name], force=force)
            if change is not None:
                yield change

    def _look(self, directory: JobDirectory, name: str, hint: Hint, *, force: bool) -> FileChange | None:
        """What one file says now, if that is news and the file is the one that counts."""
        key = (directory.number, name)
        self.later.pop(key, None)
        if directory.opened is None or directory.on_hold:
            return None
        path = os.path.join(directory.path, name)
        before = directory.entries.get(name, _NOTHING)
        content: Content | None = None
        problems: tuple[Problem, ...] = ()
        try:
            if hint is not Hint.DONE and self._may_be_unfinished(directory, name, hint):
                self.later[key] = self._clock.elapsed() + SETTLE
                return None
            content = read(directory.opened, path, name)
        except FileNotFoundError:
            return self._gone(directory, name, path)
        except Unsettled:
            self.later[key] = self._clock.elapsed() + SETTLE
            if before is not _NOTHING:
                directory.entries[name] = _NOTHING
            return None
        except BadFile as error:
            problems = error.problems
        except OSError as error:
            # Too many open files, an I/O error, a stale handle: no reason to forget a job that was good.
            self.later[key] = self._clock.elapsed() + TRY_AGAIN
            problems = (Problem("", f"cannot read it: {error.strerror}; looking again soon"),)
        entry = Entry(content.signature, sha256(content.data).digest()) if content else _NOTHING
        directory.entries[name] = entry
        if self._winner(name) is not directory:
            return None
        if content is None:
            return FileChange(name, path, problems=problems)
        if before.digest == entry.digest and not force:
            return None
        return self._validate(name, path, content)

    def _may_be_unfinished(self, directory: JobDirectory, name: str, hint: Hint) -> bool:
        """Whether somebody may be in the middle of writing it.

        Then it is looked at when it has rested. Mostly a close comes first, which is a hint of its own; behind a
        link, and for what is linked in from nowhere (O_TMPFILE), none comes.
        """
        status = os.stat(name, dir_fd=directory.opened, follow_symlinks=False)
        is_link = stat.S_ISLNK(status.st_mode)
        # A link is made in one step. One that only differs may lead to what is being written.
        if hint is Hint.MADE and (is_link or status.st_nlink > 1):
            return False
        if is_link:
            try:
                status = os.stat(name, dir_fd=directory.opened)
            except OSError:
                return False
        if not stat.S_ISREG(status.st_mode):
            return False
        # A time to come is one of a clock that was wrong then or is now; it says nothing.
        if not 0 <= self._clock.now() - status.st_mtime_ns // 1_000 < SETTLE:
            return False
        entry = directory.entries.get(name)
        return entry is None or not same_content(entry.signature, signature(status))

    def _gone(self, directory: JobDirectory, name: str, path: str) -> FileChange | None:
        if directory.entries.pop(name, None) is None:
            return None
        below = self._winner(name)
        if below is None:
            return FileChange(name, path)
        if below.number < directory.number:
            return None
        # What it stood before comes into force.
        return self._look(below, name, Hint.DONE, force=True)

    def _winner(self, name: str) -> JobDirectory | None:
        number = winner(name, [directory.entries for directory in self.directories])
        return None if number is None else self.directories[number]

    def _validate(self, name: str, path: str, content: Content) -> FileChange:
        if not content.data:
            return FileChange(name, path)  # a mask
        if content.other_names:
            # Those who may write it are the same under each name (CVE-2007-1856: no reason to refuse it), but a
            # change made under another name brings no hint.
            self._listen(Remark(WARNING, f"{path}: has hard links elsewhere; a change made there is seen at a rescan"))
        try:
            return FileChange(name, path, self.parse(name, path, content.data))
        except BadFile as error:
            return FileChange(name, path, problems=error.problems)
        except Exception as error:  # noqa: BLE001 - a bug of ours, or no memory: it must not take the other files along
            self._listen(ThreadFailed(f"loader, on {path}", traceback.format_exc()))
            return FileChange(name, path, problems=(Problem("", f"jobschedd failed on it: {error!r}"),))
