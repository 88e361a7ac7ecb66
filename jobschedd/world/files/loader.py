"""The thread that turns hints into values: looks at dirty files, reads and validates them, tells the scheduler.

Files are levels, events are hints. A hint only says "look again"; what is believed is what the file says when it is
looked at. Everything is looked through at the start, when asked to (SIGHUP), when hints were lost, when a directory
came, went or was replaced, and on a timer, so a lost hint costs delay and never truth.
"""

from __future__ import annotations

import os
import select
import stat
import threading
import time
import traceback
from hashlib import sha256
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from jobschedd.model.error import BadFile, Problem
from jobschedd.model.event import ThreadFailed
from jobschedd.model.layers import is_job_file, winner
from jobschedd.model.message import FileChange, JobsChanged
from jobschedd.model.run import SECOND
from jobschedd.world.files.directory import Entry, JobDirectory
from jobschedd.world.files.source import Content, Unsettled, read
from jobschedd.world.files.watcher import Hints, Watcher, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jobschedd.model.job import Definition
    from jobschedd.ports import Clock, Inbox, Listener

    Parse = Callable[[str, str, bytes], Definition]
    Looks = dict[tuple[int, str], bool]

POLL_EVERY = 30 * SECOND
"""How often a directory is looked through that inotify cannot watch."""

SETTLE = SECOND
"""A file that changed less than this ago may still be in the middle of being written."""

TRY_AGAIN = SECOND
APART = 5_000
"""Microseconds from the end of one batch to the next at least: a storm of changes is taken in gulps."""

CHUNK = 1_000
"""Changes in one message."""


class Loader:
    def __init__(
        self,
        directories: Sequence[str],
        parse: Parse,
        inbox: Inbox,
        listen: Listener,
        clock: Clock,
        *,
        rescan_every: int,
    ) -> None:
        """`directories`: highest first. `parse`: name, path and bytes to a definition; raises BadFile."""
        self._parse = parse
        self._inbox = inbox
        self._listen = listen
        self._clock = clock
        self._rescan_every = rescan_every
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._hints = Hints(self._wake)
        self._watcher: Watcher | None = None
        self._directories = self._make_directories(directories)
        self._later: dict[tuple[int, str], int] = {}
        """Files to look at again, and when, by elapsed time."""
        self._next_rescan = 0
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    # -- for other threads ---------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._request(self._stop)
        self._thread.join(5)

    def rescan(self, *, force: bool, done: Callable[[], None]) -> None:
        """Look through everything, then call `done` in the loader's thread.

        `force`: read and validate files again that have not changed, and believe an empty directory.
        """

        def look() -> None:
            self._look_through(self._directories, force=force)
            done()

        self._request(look)

    def replace(self, directories: Sequence[str], parse: Parse, rescan_every: int) -> None:
        """Go on with other settings. A rescan has to follow."""

        def change() -> None:
            self._parse = parse
            self._rescan_every = rescan_every
            if list(directories) != [directory.path for directory in self._directories]:
                self._move(directories)

        self._request(change)

    def _request(self, work: Callable[[], None]) -> None:
        self._requests.put(work)
        self._wake()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with open("/proc/self/mountinfo", "rb") as mounts:
            poll = select.poll()
            poll.register(self._wake_fd, select.POLLIN)
            poll.register(mounts, select.POLLPRI | select.POLLERR)
            while not self._stopped:
                ready = dict(poll.poll(self._patience()))
                if self._wake_fd in ready:
                    os.eventfd_read(self._wake_fd)
                self._turn(mounts_changed=mounts.fileno() in ready)
                time.sleep(APART / SECOND)

    def _patience(self) -> float:
        """Milliseconds until there is something to do unasked."""
        moment = min([self._next_rescan, *self._later.values()])
        return max(0, moment - self._clock.elapsed()) / 1_000 + 1 if self._next_rescan else -1

    def _turn(self, *, mounts_changed: bool) -> None:
        try:
            while True:
                self._requests.get_nowait()()
        except Empty:
            pass
        if self._stopped:
            return
        now = self._clock.elapsed()
        names, numbers = self._hints.take()
        looks = {key: firm for key, firm in names.items() if is_job_file(key[1])}
        due = [key for key, moment in self._later.items() if moment <= now]
        for key in due:
            del self._later[key]
            looks[key] = True
        through = [directory for directory in self._directories if directory.number in numbers]
        if mounts_changed:
            through += [directory for directory in self._directories if directory.moved()]
        if self._next_rescan and now >= self._next_rescan:
            through = self._directories
        if through:
            self._look_through(through, force=False)
        if looks:
            self._put(self._look_at(looks, force=False))

    def _stop(self) -> None:
        self._stopped = True
        if self._watcher is not None:
            self._watcher.close()
        for directory in self._directories:
            directory.close()

    # -- directories ---------------------------------------------------------------------------------------------

    def _make_directories(self, paths: Sequence[str]) -> list[JobDirectory]:
        return [JobDirectory(number, path, self._listen) for number, path in enumerate(paths)]

    def _move(self, paths: Sequence[str]) -> None:
        """Leave the directories of before. Their files are gone; the rescan that follows finds the new ones."""
        known = {name: directory.path for directory in self._directories for name in directory.entries}
        for directory in self._directories:
            directory.close()
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self._directories = self._make_directories(paths)
        self._later.clear()
        self._put(FileChange(name, os.path.join(path, name)) for name, path in known.items())

    def _look_through(self, directories: Iterable[JobDirectory], *, force: bool) -> None:
        if self._watcher is not None and not self._watcher.alive():
            self._watcher = None
        looks: Looks = {}
        for directory in directories:
            found = directory.find()
            # Watched before it is listed: what happens between the two is seen twice, not missed.
            self._watch(directory)
            if found:
                looks |= self._compare(directory, force=force)
        self._put(self._look_at(looks, force=force))
        every = min(POLL_EVERY, self._rescan_every) if any(d.polled for d in self._directories) else self._rescan_every
        self._next_rescan = self._clock.elapsed() + every

    def _watch(self, directory: JobDirectory) -> None:
        reason = None
        try:
            if self._watcher is None:
                self._watcher = Watcher(self._hints)
                for other in self._directories:
                    if other.opened is not None and other is not directory:
                        self._watcher.watch(other.number, other.path, other.opened)
            self._watcher.watch(directory.number, directory.path, directory.opened)
            kind = unseen(directory.opened) if directory.opened is not None else None
            if kind is not None:
                reason = f"changes made elsewhere do not show on {kind}"
        except OSError as error:
            reason = error.strerror or str(error)
        directory.polled = reason is not None
        if reason is not None and directory.opened is not None:
            directory.tell(f"cannot watch the directory: {reason}; looking through it every 30 s instead")

    def _compare(self, directory: JobDirectory, *, force: bool) -> Looks:
        """The files of a directory that differ from what was seen of them."""
        try:
            names = set(directory.names())
        except OSError as error:
            directory.tell(f"cannot list the directory: {error.strerror}; its last good jobs stay")
            return {}
        if directory.on_hold and not names and not force:
            return {}
        directory.on_hold = False
        looks: Looks = dict.fromkeys(((directory.number, name) for name in directory.entries.keys() - names), True)
        first = self._next_rescan == 0
        now = self._clock.now()
        for name in names:
            key = (directory.number, name)
            entry = directory.entries.get(name)
            if not force and entry is not None:
                try:
                    seen, status = directory.signature_of(name)
                except OSError:
                    seen, status = b"", None
                if entry.signature == seen and entry.digest:
                    continue
                fresh = status is not None and now - status.st_mtime_ns // 1_000 < SETTLE
                if fresh and not first:
                    self._later.setdefault(key, self._clock.elapsed() + SETTLE)
                    continue
            elif not force and not first and self._may_be_unfinished(directory, name):
                continue
            looks[key] = True
        return looks

    # -- files ---------------------------------------------------------------------------------------------------

    def _put(self, changes: Iterable[FileChange]) -> None:
        batch: list[FileChange] = []
        for change in changes:
            batch.append(change)
            if len(batch) == CHUNK:
                self._inbox.put(JobsChanged(tuple(batch)))
                batch = []
        if batch:
            self._inbox.put(JobsChanged(tuple(batch)))

    def _look_at(self, looks: Looks, *, force: bool) -> Iterator[FileChange]:
        for (number, name), firm in sorted(looks.items()):
            # The directories may have been replaced since the hint was given.
            if number < len(self._directories):
                change = self._look(self._directories[number], name, firm=firm, force=force)
                if change is not None:
                    yield change

    def _look(self, directory: JobDirectory, name: str, *, firm: bool, force: bool) -> FileChange | None:
        """What one file says now, if that is news and the file is the one that counts."""
        if directory.opened is None or directory.on_hold:
            return None
        path = os.path.join(directory.path, name)
        before = directory.entries.get(name)
        content: Content | None = None
        problems: tuple[Problem, ...] = ()
        try:
            if not firm and self._may_be_unfinished(directory, name):
                return None
            content = read(directory.opened, path, name)
        except FileNotFoundError:
            return self._gone(directory, name, path)
        except Unsettled:
            self._later[directory.number, name] = self._clock.elapsed() + SETTLE
            return None
        except BadFile as error:
            problems = error.problems
        except OSError as error:
            # Too many open files, an I/O error, a stale handle: no reason to forget a job that was good.
            self._later[directory.number, name] = self._clock.elapsed() + TRY_AGAIN
            problems = (Problem("", f"cannot read it: {error.strerror}; looking again soon"),)
        digest = sha256(content.data).digest() if content else b""
        directory.entries[name] = Entry(content.signature if content else b"", digest)
        if self._winner(name) is not directory:
            return None
        if content is None:
            return FileChange(name, path, problems=problems)
        if before is not None and before.digest == digest and not force:
            return None
        return self._validate(name, path, content.data)

    def _may_be_unfinished(self, directory: JobDirectory, name: str) -> bool:
        """Whether somebody may be in the middle of writing it; then it is looked at when that is done, or has rested.

        Links are made in one step, and a changed mode leaves size and time alone. The rest ends with a close, which
        is a hint of its own; only a file that is linked in from nowhere (O_TMPFILE) waits in vain for one.
        """
        status = os.stat(name, dir_fd=directory.opened, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return False
        if self._clock.now() - status.st_mtime_ns // 1_000 >= SETTLE:
            return False
        before = directory.entries.get(name)
        if before is not None and before.signature[16:32] == directory.signature_of(name)[0][16:32]:
            return False
        self._later.setdefault((directory.number, name), self._clock.elapsed() + SETTLE)
        return True

    def _gone(self, directory: JobDirectory, name: str, path: str) -> FileChange | None:
        if directory.entries.pop(name, None) is None:
            return None
        below = self._winner(name)
        if below is None:
            return FileChange(name, path)
        if below.number < directory.number:
            return None
        # What it stood before comes into force.
        return self._look(below, name, firm=True, force=True)

    def _winner(self, name: str) -> JobDirectory | None:
        number = winner(name, [directory.entries for directory in self._directories])
        return None if number is None else self._directories[number]

    def _validate(self, name: str, path: str, data: bytes) -> FileChange:
        if not data:
            return FileChange(name, path)  # a mask
        try:
            return FileChange(name, path, self._parse(name, path, data))
        except BadFile as error:
            return FileChange(name, path, problems=error.problems)
        except Exception as error:  # noqa: BLE001 - a bug of ours, or no memory: it must not take the other files along
            self._listen(ThreadFailed(f"loader, on {path}", traceback.format_exc()))
            return FileChange(name, path, problems=(Problem("", f"jobschedd failed on it: {error!r}"),))
