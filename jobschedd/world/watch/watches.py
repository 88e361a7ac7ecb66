"""The thread that watches files for jobs, and tells the scheduler of those that have come to rest.

Events are hints, as for job files: that a file is there, and is as it was when it was heard of, is looked at when its
batch is due. Directories are looked through when events were lost, when one came, went or was replaced, and on a
timer, so a lost event costs delay and never a file.
"""

from __future__ import annotations

import os
import select
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from jobschedd.model.event import ArrivalsRefused
from jobschedd.model.message import FilesArrived
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.watch import can_be_named, cut
from jobschedd.world.watch.hearing import Heard, Hearing
from jobschedd.world.watch.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobschedd.model.part import Watch
    from jobschedd.ports import Clock, Inbox, Listener
    from jobschedd.world.watch.directory import Directory
    from jobschedd.world.watch.scene import Waiting

APART = 5_000
"""Microseconds from the end of one turn to the next at least: a storm of events is taken in gulps."""

REFUSED_APART = MINUTE
"""That names are odd is said no more often for one job: others choose them."""


class FileWatches:
    """Implements ports.Watches."""

    def __init__(self, inbox: Inbox, listen: Listener, clock: Clock, *, rescan_every: int) -> None:
        self._inbox = inbox
        self._listen = listen
        self._clock = clock
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._hearing = Hearing(self._wake)
        self._scene = Scene(self._hearing, listen, clock, rescan_every=rescan_every)
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)

    # -- for other threads ---------------------------------------------------------------------------------------

    def open(self) -> None:
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """What has not been told by now will not be."""
        self._request(self._stop)
        self._thread.join(5)

    def watch(self, job_id: str, watch: Watch | None) -> None:
        """Files that are there when a job's path is watched for the first time have not arrived."""
        self._request(lambda: self._scene.watch(job_id, watch))

    def replace(self, rescan_every: int) -> None:
        """Go on with another setting, from the next look through each directory on."""

        def change() -> None:
            self._scene.rescan_every = rescan_every

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
        moment = self._scene.next_moment()
        return None if moment is None else max(0, moment - self._clock.elapsed()) / 1_000 + 1

    def _stop(self) -> None:
        self._stopped = True
        self._scene.close()

    def _turn(self, *, mounts_changed: bool) -> None:
        try:
            while not self._stopped:
                self._requests.get_nowait()()
        except Empty:
            pass
        if self._stopped:
            return
        names, directories, ways = self._hearing.take()
        self._scene.refresh(directories, ways, mounts_changed=mounts_changed)
        now = self._clock.elapsed()
        for number, heard in names.items():
            if directory := self._scene.directory(number):
                self._hear(directory, heard, now)
        for waiting in list(self._scene.busy.values()):
            due = waiting.batch.due
            if due is None:
                del self._scene.busy[waiting.job_id]
            elif now >= due:
                self._settle(waiting, now)

    def _hear(self, directory: Directory, names: dict[str, Heard], now: int) -> None:
        for name, heard in names.items():
            # What is not known yet has not arrived by being touched; it would pass for seen.
            if heard is Heard.TOUCHED and name not in directory.seen:
                continue
            signature = directory.look_at(name, only_link=heard is Heard.MADE)
            if signature is None:
                continue
            path = os.path.join(directory.path, name)
            for waiting in self._scene.waiting(directory, name):
                if heard is Heard.TOUCHED:
                    waiting.batch.touch(path, signature, now)
                else:
                    waiting.batch.tell(path, signature, now)

    def _settle(self, waiting: Waiting, now: int) -> None:
        looks = {path: self._scene.look_again(waiting, path, now) for path in waiting.batch.ripe(now)}
        arrived = waiting.batch.take(now, looks)
        paths = [path for path in arrived if can_be_named(path)]
        if len(paths) < len(arrived):
            self._refuse(waiting, [path for path in arrived if not can_be_named(path)], now)
        for batch in cut(paths):
            self._inbox.put(FilesArrived(waiting.job_id, batch))

    def _refuse(self, waiting: Waiting, paths: list[str], now: int) -> None:
        waiting.refused += len(paths)
        if now >= waiting.refused_next:
            self._listen(ArrivalsRefused(waiting.job_id, waiting.refused, ascii(paths[0])))
            waiting.refused, waiting.refused_next = 0, now + REFUSED_APART
