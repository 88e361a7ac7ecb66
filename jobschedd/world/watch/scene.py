"""Every directory that is watched, and which jobs wait for files in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from jobschedd.model.event import WatchChanged
from jobschedd.model.run import HOUR, SECOND
from jobschedd.model.watch import Batch, Look, read_pattern
from jobschedd.world.inotify import Inotify
from jobschedd.world.watch.directory import Directory
from jobschedd.world.watch.way import Way, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.part import Watch
    from jobschedd.ports import Clock, Listener
    from jobschedd.world.watch.hearing import Hearing
    from jobschedd.world.watch.way import Place

POLL_EVERY = 30 * SECOND
"""How often is looked where the kernel does not tell."""

SHORT_REST = SECOND
"""A file that was found, and not told, rests this long at least before it is taken for whole."""

GONE_FOR = HOUR
"""A directory that a glob has found, and that is gone, is remembered for this long: it may be mounted again."""

TELL_APART = SECOND
"""What is the matter with one watch is said no more often: others may make and remove a directory all day."""

REST = 10
"""A way is gone again when it has rested this many times as long as it took: of many directories there may be many
hints in a row."""


@dataclass(slots=True)
class Waiting:
    """A job that waits for files."""

    job_id: str
    watch: Watch
    way: Way
    batch: Batch
    directories: dict[str, Directory] = field(default_factory=dict)
    """By path."""
    gone: dict[str, int] = field(default_factory=dict)
    """Of those the ones that the way does not lead to just now: by path, the elapsed time since when."""
    first: bool = True
    """What is there has not arrived."""
    next_walk: int = 0
    """Elapsed time, as the next one."""
    not_before: int = 0
    refused: int = 0
    """Files with odd names since that was last said."""
    refused_next: int = 0
    """Elapsed time from which it may be said again."""
    trouble: str = ""
    """Of its way."""
    told: str = ""
    tell_after: int = 0
    """Elapsed time."""


class Scene:
    """Used by the thread that watches alone."""

    def __init__(self, hearing: Hearing, listen: Listener, clock: Clock, *, rescan_every: int) -> None:
        self.jobs: dict[str, Waiting] = {}
        self.busy: dict[str, Waiting] = {}
        """Those of them that a file may have come for: of thousands of jobs few are."""
        self._unasked = 0
        """The elapsed time at which there is something to look at in any case."""
        self._hearing = hearing
        self._listen = listen
        self._clock = clock
        self.rescan_every = rescan_every
        self._inotify: Inotify | None = None
        self._no_inotify = ""
        """Why there is none."""
        self._places: dict[Place, Directory] = {}
        self._numbers: dict[int, Directory] = {}
        self._count = 0

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.end()
            self._inotify = None

    # -- asked ---------------------------------------------------------------------------------------------------

    def watch(self, job_id: str, watch: Watch | None) -> None:
        known = self.jobs.get(job_id)
        if known is not None and watch is not None and known.watch.path == watch.path:
            known.watch = watch
            known.batch.settle = watch.settle
            return
        if known is not None:
            for directory in list(known.directories.values()):
                self._part(known, directory)
            known.way.leave()
            del self.jobs[job_id]
            self.busy.pop(job_id, None)
        if watch is not None:
            way = Way(job_id, read_pattern(watch.path), self._hearing)
            self.jobs[job_id] = Waiting(job_id, watch, way, Batch(watch.settle))
            self._walk(self.jobs[job_id])
        self._unasked = 0

    def directory(self, number: int) -> Directory | None:
        return self._numbers.get(number)

    def waiting(self, directory: Directory, name: str) -> Iterator[Waiting]:
        """The jobs that wait for a file of that name in that directory, which one has come for."""
        for job_id, step in directory.jobs.items():
            if step.fits(name):
                self.busy[job_id] = self.jobs[job_id]
                yield self.jobs[job_id]

    def next_moment(self) -> int | None:
        """When there is something to do unasked, elapsed time."""
        dues = [due for waiting in self.busy.values() if (due := waiting.batch.due) is not None]
        return min([self._unasked, *dues]) if self.jobs else None

    def look_again(self, waiting: Waiting, path: str, now: int) -> Look:
        """Look at a file that is due for a job; others that wait for it hear of it where it has changed."""
        above, name = os.path.split(path)
        directory = waiting.directories.get(above)
        if directory is None:
            return Look(None, 0)  # it is gone, and was forgotten
        known = directory.seen.get(name)
        signature = directory.look_at(name)
        if signature is not None and signature != known:
            self._find(directory, [name], now, gap=False, but=waiting)
        return Look(signature, self._rest(waiting, directory, gap=False))

    # -- looking -------------------------------------------------------------------------------------------------

    def refresh(self, directories: set[int], ways: set[str], *, mounts_changed: bool) -> None:
        """Look through what there were hints at, and what is due."""
        if not self.jobs:
            return
        now = self._clock.elapsed()
        lost = self._inotify is not None and not self._inotify.is_alive()
        if lost:
            self.close()
        if not (lost or directories or ways or mounts_changed or now >= self._unasked):
            return
        hinted = self._numbers.values() if lost else (self._numbers[n] for n in directories & self._numbers.keys())
        for directory in list(hinted):
            self._look(directory, gap=True)
            ways |= directory.jobs.keys()
        for directory in list(self._numbers.values()):
            if now >= directory.next_look:
                # On the timer, where nothing was told: what has changed is being written, and its end will be told.
                self._look(directory, gap=False)
        for waiting in list(self.jobs.values()):
            if lost or mounts_changed or waiting.job_id in ways:
                waiting.next_walk = min(waiting.next_walk, max(now, waiting.not_before))
            if now >= waiting.next_walk:
                self._walk(waiting)
        walks = (waiting.next_walk for waiting in self.jobs.values())
        self._unasked = min(chain(walks, (directory.next_look for directory in self._numbers.values())))

    def _walk(self, waiting: Waiting) -> None:
        began = self._clock.elapsed()
        found = waiting.way.walk(*self._reader())
        first, waiting.first = waiting.first, False
        waiting.trouble = found.trouble
        for place, step in found.places.items():
            directory = self._place(place)
            waiting.gone.pop(directory.path, None)
            if directory.jobs.get(waiting.job_id) != step:
                waiting.directories[directory.path] = directory
                directory.jobs = directory.jobs | {waiting.job_id: step}
                self._look(directory, gap=True, newcomer=waiting, first=first)
            elif directory.moved():
                self._look(directory, gap=True)
        self._part_from_gone(waiting, {place.path for place in found.places}, began)
        now = self._clock.elapsed()
        waiting.not_before = now + REST * (now - began)
        blind = found.blind or any(directory.blind for directory in waiting.directories.values())
        waiting.next_walk = now + (self._poll_every() if blind else self.rescan_every)
        self._tell(waiting)

    def _reader(self) -> tuple[Inotify | None, str]:
        """inotify, and why there is none."""
        if self._inotify is None:
            try:
                self._inotify = Inotify()
                self._no_inotify = ""
            except OSError as error:
                self._no_inotify = reason(error)
        return self._inotify, self._no_inotify

    def _place(self, place: Place) -> Directory:
        directory = self._places.get(place)
        if directory is None:
            self._count += 1
            directory = Directory(self._count, place, self._hearing)
            self._places[place] = self._numbers[self._count] = directory
        return directory

    def _part_from_gone(self, waiting: Waiting, found: set[str], now: int) -> None:
        for path in waiting.directories.keys() - found:
            since = waiting.gone.setdefault(path, now)
            directory = waiting.directories[path]
            if directory.there and directory.moved():
                self._look(directory, gap=True)
            long_gone = waiting.way.pattern.steps and now - since >= GONE_FOR
            if long_gone or not directory.seen:
                self._part(waiting, directory)

    def _part(self, waiting: Waiting, directory: Directory) -> None:
        waiting.gone.pop(directory.path, None)
        del waiting.directories[directory.path]
        directory.jobs = {job_id: step for job_id, step in directory.jobs.items() if job_id != waiting.job_id}
        if not directory.jobs:
            directory.leave()
            del self._places[directory.place], self._numbers[directory.number]

    def _look(self, directory: Directory, *, gap: bool, newcomer: Waiting | None = None, first: bool = False) -> None:
        """Look through a directory. `gap`: there was a time of which nothing was told.

        `newcomer` has begun to wait for files in it: all of them are new for it, or, where it is the `first` time that
        its path is looked at, none.
        """
        trouble = directory.trouble
        found = directory.look(*self._reader())
        now = self._clock.elapsed()
        directory.next_look = now + (self._poll_every() if directory.blind else self.rescan_every)
        self._find(directory, found, now, gap=gap, but=newcomer)
        if newcomer is not None and not first:
            self._find(directory, list(directory.seen), now, gap=gap, only=newcomer)
        if directory.trouble != trouble:
            for job_id in directory.jobs:
                self._tell(self.jobs[job_id])

    def _find(
        self,
        directory: Directory,
        names: list[str],
        now: int,
        *,
        gap: bool,
        but: Waiting | None = None,
        only: Waiting | None = None,
    ) -> None:
        """Let the jobs that wait for them know of files that are new or have changed."""
        for job_id, step in directory.jobs.items():
            waiting = self.jobs[job_id]
            if waiting is but or (only is not None and waiting is not only):
                continue
            rest = self._rest(waiting, directory, gap=gap)
            for name in names:
                if step.fits(name):
                    path = os.path.join(directory.path, name)
                    waiting.batch.doubt(path, directory.seen[name], now, rest)
                    self.busy[job_id] = waiting

    def _poll_every(self) -> int:
        return min(POLL_EVERY, self.rescan_every)

    def _rest(self, waiting: Waiting, directory: Directory, *, gap: bool) -> int:
        """How long a file that was found has to rest before it is taken for whole."""
        if gap or directory.blind:
            return max(waiting.watch.settle, SHORT_REST)
        return max(waiting.watch.settle, self.rescan_every)

    def _tell(self, waiting: Waiting) -> None:
        """Say what is the matter with a job's watch, or that nothing is any more, once."""
        troubles = (d.trouble for path, d in waiting.directories.items() if d.trouble and path not in waiting.gone)
        trouble = waiting.trouble or next(troubles, "")
        now = self._clock.elapsed()
        if trouble == waiting.told:
            return
        if now < waiting.tell_after:
            waiting.next_walk = min(waiting.next_walk, waiting.tell_after)
            return
        text = trouble or "every directory is there, and watched"
        # Of those that a glob finds others chose the names.
        text = text if text.isprintable() else ascii(text)[1:-1]
        self._listen(WatchChanged(waiting.job_id, waiting.watch.path, text, good=not trouble))
        waiting.told, waiting.tell_after = trouble, now + TELL_APART
