"""The thread that turns hints into values: looks at dirty files, reads and validates them, tells the scheduler.

Files are levels, events are hints. A hint only says "look again"; what is believed is what the file says when it is
looked at. Everything is looked through at the start, when asked to (SIGHUP), when hints were lost, when a directory
came, went or was replaced, and on a timer, so a lost hint costs delay and never truth.
"""

from __future__ import annotations

import os
import select
import threading
import time
from itertools import chain
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from jobschedd.model.message import JobsChanged
from jobschedd.model.run import SECOND
from jobschedd.world.files.directory import Lost
from jobschedd.world.files.layers import Layers
from jobschedd.world.files.watcher import Hints, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobschedd.model.message import FileChange
    from jobschedd.ports import Clock, Inbox, Listener
    from jobschedd.world.files.directory import JobDirectory
    from jobschedd.world.files.layers import Parse
    from jobschedd.world.files.watcher import Looks

POLL_EVERY = 30 * SECOND
"""How often a directory is looked through of which the kernel tells nothing."""

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
        self._layers = Layers(parse, listen, clock)
        self._layers.move(directories)
        self._inbox = inbox
        self._clock = clock
        self._rescan_every = rescan_every
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._hints = Hints(self._wake)
        self._watcher: Watcher | None = None
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    # -- for other threads ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Nothing is looked at before the first rescan."""
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._request(self._stop)
        self._thread.join(5)

    def rescan(self, *, force: bool, done: Callable[[], None]) -> None:
        """Look through everything, then call `done` in the loader's thread.

        `force`: read and validate every file as it stands, changed or not, and believe an empty directory.
        """

        def look() -> None:
            self._look_through(self._layers.directories, force=force)
            done()

        self._request(look)

    def replace(self, directories: Sequence[str], parse: Parse, rescan_every: int) -> None:
        """Go on with other settings. A rescan has to follow, with `force`."""

        def change() -> None:
            self._layers.parse = parse
            self._rescan_every = rescan_every
            if list(directories) != [directory.path for directory in self._layers.directories]:
                self._close_watcher()
                self._hints.take()
                self._layers.move(directories)

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

    def _patience(self) -> float | None:
        """Milliseconds until there is something to do unasked."""
        looks = (directory.next_look for directory in self._layers.directories if directory.next_look is not None)
        moment = min(chain(looks, self._layers.later.values()), default=None)
        return None if moment is None else max(0, moment - self._clock.elapsed()) / 1_000 + 1

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
        looks = self._layers.due(now) | names
        hinted = {number for number, _ in looks}
        through = [
            directory
            for directory in self._layers.directories
            if directory.number in numbers
            or (directory.next_look is not None and now >= directory.next_look)
            or (mounts_changed and directory.moved())
            or (directory.on_hold and directory.number in hinted)
        ]
        if through:
            self._look_through(through, force=False)
        if looks:
            self._put(self._layers.look_at(looks, force=False))

    def _stop(self) -> None:
        self._stopped = True
        self._close_watcher()
        for directory in self._layers.directories:
            directory.close()

    def _close_watcher(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    # -- looking through directories -----------------------------------------------------------------------------

    def _look_through(self, directories: Sequence[JobDirectory], *, force: bool) -> None:
        if self._watcher is not None and not self._watcher.alive():
            # Closing it hints at every directory that it watched, so all of them come to the new one.
            self._close_watcher()
        looks: Looks = {}
        for directory in directories:
            looks |= self._look_into(directory, force=force)
        self._put(self._layers.look_at(looks, force=force))
        if force:
            self._put(self._layers.forget())

    def _look_into(self, directory: JobDirectory, *, force: bool) -> Looks:
        # Watched before it is looked at, each time: what happens between the two is seen twice, not missed.
        blind = self._watch(lambda watcher: watcher.watch_above(directory.number, directory.path))
        looks: Looks = {}
        try:
            opened = directory.find()
            blind = self._watch(lambda watcher: watcher.watch_inside(directory.number, opened)) or blind
            looks = self._layers.compare(directory, force=force)
            trouble = f"cannot watch the directory: {blind}; looking through it every 30 s instead" if blind else ""
            hinted = not blind
        except Lost as lost:
            trouble = str(lost)
            hinted = lost.hinted and not blind
        directory.tell(trouble)
        every = self._rescan_every if hinted else min(POLL_EVERY, self._rescan_every)
        directory.next_look = self._clock.elapsed() + every
        return looks

    def _watch(self, add: Callable[[Watcher], None]) -> str:
        """Add a watch; why it does not tell all, where that is so."""
        try:
            if self._watcher is None:
                self._watcher = Watcher(self._hints)
            add(self._watcher)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _put(self, changes: Iterable[FileChange]) -> None:
        batch: list[FileChange] = []
        for change in changes:
            batch.append(change)
            if len(batch) == CHUNK:
                # By turns: two busy threads that pass the interpreter between processors take a quarter longer.
                taken: SimpleQueue[None] = SimpleQueue()
                self._inbox.put(JobsChanged(tuple(batch), taken))
                taken.get()
                batch = []
        if batch:
            self._inbox.put(JobsChanged(tuple(batch)))
