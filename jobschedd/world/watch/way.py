"""The way from the root to the directories that a job's path means, watched from one end to the other."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobschedd.model.watch import ANY_NAME, read_step
from jobschedd.world.inotify import check_it_tells_all
from jobschedd.world.watch.hearing import ITSELF, STEPS, OnTheWay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.model.watch import Pattern, Step
    from jobschedd.world.inotify import Inotify, Watched
    from jobschedd.world.watch.hearing import Hearing

MOST_DIRECTORIES = 10_000
"""That one path may mean."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that is watched for its files."""

    fixed: str
    """Links on the way to it are followed: the administrator wrote it."""
    steps: tuple[str, ...] = ()
    """Below it; no links are followed here, others may have made them."""

    @property
    def path(self) -> str:
        return os.path.join(self.fixed, *self.steps)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open for reading. Raises OSError."""
        here = os.open(self.fixed, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in self.steps:
                below = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = below
            opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        try:
            yield opened
        finally:
            os.close(opened)


def reason(error: OSError) -> str:
    """Why something cannot be watched, and what helps."""
    if error.errno == errno.ENOSPC:
        return "no inotify watch is left; raise the sysctl fs.inotify.max_user_watches"
    if error.errno == errno.EMFILE:
        return "no inotify instance is left; raise the sysctl fs.inotify.max_user_instances"
    return error.strerror or str(error)


@dataclass(slots=True)
class Found:
    """Where a way leads just now."""

    places: dict[Place, Step] = field(default_factory=dict)
    """With the names that are waited for in each. One that the path names outright is in here though it is missing."""
    trouble: str = ""
    """Why it is not all that the path means, or could mean by now; empty: it is."""
    blind: bool = False
    """The kernel will not tell when that changes."""


class Way:
    """Of one job's path. Used by the thread that watches alone."""

    def __init__(self, job_id: str, pattern: Pattern, hearing: Hearing) -> None:
        self.pattern = pattern
        self._job_id = job_id
        self._hearing = hearing
        self._inotify: Inotify | None = None
        self._watches: list[Watched] = []
        self._found = Found()
        self._led_somewhere = False
        """That directories come and go is no trouble; that there never was one may be a slip of the pen."""

    def walk(self, inotify: Inotify | None, trouble: str) -> Found:
        """Go it again. `trouble`: why there is no inotify."""
        # Watched before it is looked at, each step: what happens between the two is seen twice, not missed.
        before, self._watches = (self._inotify, self._watches), []
        self._inotify = inotify
        self._found = Found(trouble=trouble, blind=bool(trouble))
        level = [Place(self.pattern.fixed)]
        if self._go_fixed():
            for step in self.pattern.steps:
                level = [below for place in level for below in self._below(place, step)]
            self._found.places = dict(self._last(place) for place in level[:MOST_DIRECTORIES])
            if len(level) > MOST_DIRECTORIES:
                self._say(f"more than {MOST_DIRECTORIES} directories fit; only so many are watched")
            self._led_somewhere |= bool(level)
            if not self._led_somewhere:
                self._say("no directory fits yet; waiting for one")
        elif not self.pattern.steps:
            self._found.places = {level[0]: self.pattern.last}
        else:
            self._say(f"{self.pattern.fixed} does not exist; waiting for it")
        self._forget(*before)
        return self._found

    def leave(self) -> None:
        self._forget(self._inotify, self._watches)

    @staticmethod
    def _forget(inotify: Inotify | None, watches: list[Watched]) -> None:
        if inotify is not None:
            inotify.remove_callbacks(watches)

    def _go_fixed(self) -> bool:
        """Whether the fixed part is a directory."""
        above = "/"
        for name in self.pattern.fixed.split("/")[1:]:
            path = os.path.join(above, name)
            if name and not self._go(above, name, path):
                return False
            above = path
        return True

    def _go(self, above: str, name: str, path: str) -> bool:
        # A directory that is there tells by itself when it goes. A link does not, nor does what is not there.
        if not os.path.islink(path) and self._watch_itself(path):
            return True
        place = Place(above)
        try:
            with place.opened() as opened:
                self._watch_step(place, opened, read_step(name), links=True)
        except OSError as error:
            self._cannot(place, error)
        return self._watch_itself(path)

    def _watch_itself(self, path: str) -> bool:
        """Watch for the going of a directory; whether it is there."""
        try:
            self._add(path, None, links=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            pass  # above a home there is often no reading, only passing through; the next look will show
        except OSError as error:
            self._cannot(Place(path), error)
        return os.path.isdir(path)

    def _add(self, path: str, step: Step | None, *, links: bool) -> None:
        if self._inotify is None:
            return
        hear = OnTheWay(self._hearing, self._job_id, step, links=links)
        self._watches.append(self._inotify.watch(path, ITSELF if step is None else STEPS, hear))

    def _below(self, place: Place, step: Step) -> list[Place]:
        """The directories in another that a step means."""
        try:
            with place.opened() as opened:
                self._watch_step(place, opened, step, links=False)
                if step.wild:
                    with os.scandir(opened) as entries:
                        names = [
                            entry.name
                            for entry in entries
                            if step.fits(entry.name) and entry.is_dir(follow_symlinks=False)
                        ]
                else:
                    names = [step.text] if _is_directory(step.text, opened, follow=False) else []
        except OSError as error:
            self._cannot(place, error)
            return []
        return [Place(place.fixed, (*place.steps, name)) for name in sorted(names)]

    def _last(self, place: Place) -> tuple[Place, Step]:
        """Where the last component is the name of a directory, that directory and every file in it."""
        last = self.pattern.last
        if last.wild:
            return place, last
        links = not self.pattern.steps
        try:
            with place.opened() as opened:
                # A directory that is there is watched for its files, and tells by itself when it goes.
                is_directory = _is_directory(last.text, opened, follow=False)
                if not is_directory:
                    self._watch_step(place, opened, last, links=links)
                    is_directory = _is_directory(last.text, opened, follow=links)
        except OSError:
            return place, last  # whoever looks through it will say so
        if not is_directory:
            return place, last
        if links:
            return Place(os.path.join(place.fixed, last.text)), ANY_NAME
        return Place(place.fixed, (*place.steps, last.text)), ANY_NAME

    def _watch_step(self, place: Place, opened: int, step: Step, *, links: bool) -> None:
        try:
            self._add(f"/proc/self/fd/{opened}", step, links=links)
            check_it_tells_all(opened)
        except OSError as error:
            self._cannot(place, error)

    def _cannot(self, place: Place, error: OSError) -> None:
        # Gone since it was seen: then its going was told.
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self._found.blind = True
            self._say(f"cannot watch {place.path}: {reason(error)}; looking again every 30 s instead")

    def _say(self, trouble: str) -> None:
        self._found.trouble = self._found.trouble or trouble


def _is_directory(name: str, opened: int, *, follow: bool) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=opened, follow_symlinks=follow).st_mode)
    except OSError:
        return False
