"""One job directory: which one the path names now, whether it may be believed, and what we saw in it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.event import DirectoryChanged
from jobschedd.model.layers import is_job_file
from jobschedd.world.files.source import signature
from jobschedd.world.files.trust import Untrusted, open_trusted, show

if TYPE_CHECKING:
    from jobschedd.model.run import Instant
    from jobschedd.ports import Listener


class Lost(Exception):  # noqa: N818 - a state of the directory that is waited out, not an error of ours
    """A directory cannot be looked through; what it held stays in force. The text says why."""

    def __init__(self, text: str, *, hinted: bool) -> None:
        """`hinted`: the kernel will tell when that changes."""
        super().__init__(text)
        self.hinted = hinted


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of a file when it was last looked at."""

    signature: bytes
    digest: bytes
    """Of its content; empty where there was none to be had, so that whatever the next look sees is news."""


class JobDirectory:
    """State of one directory. Used by the loader's thread alone."""

    def __init__(self, path: str, listen: Listener) -> None:
        self.number = 0
        """Its place among the directories, 0 the highest."""
        self.path = path
        self.opened: int | None = None
        """The directory that is believed in, open for reading; None: there is none just now."""
        self.entries: dict[str, Entry] = {}
        self.on_hold = False
        """Another directory stands here and is empty; what the old one held stays until that is meant."""
        self.next_look: Instant | None = None
        """When it is looked through unasked, by elapsed time; None: it has to be asked for."""
        self._identity: tuple[int, int] | None = None
        self._listen = listen
        self._told = ""
        self._may_make = True

    def close(self) -> None:
        if self.opened is not None:
            os.close(self.opened)
            self.opened = None
        self._identity = None

    def moved(self) -> bool:
        """Whether the path names another directory than the one that is open, or none."""
        try:
            status = os.stat(self.path)
        except OSError:
            return self.opened is not None
        return (status.st_dev, status.st_ino) != self._identity

    def find(self) -> int:
        """The directory that the path names now, open. Raises Lost."""
        try:
            found = self._open()
        except Untrusted as error:
            self.close()
            raise Lost(f"cannot trust the directory: {error}; its last good jobs stay", hinted=False) from None
        except FileNotFoundError:
            self.close()
            raise Lost("the directory does not exist; waiting for it, its last good jobs stay", hinted=True) from None
        except OSError as error:
            # Too many open files, say: that is no news of the directory, so what is open stays open.
            raise Lost(
                f"cannot open the directory: {error.strerror}; its last good jobs stay, looking again soon",
                hinted=False,
            ) from None
        status = os.fstat(found)
        identity = (status.st_dev, status.st_ino)
        if self.opened is not None and identity == self._identity:
            os.close(found)
            return self.opened
        self.close()
        self.opened, self._identity = found, identity
        # An unmounted file system leaves an empty directory behind; that is no order to forget every job.
        self.on_hold = bool(self.entries)
        return found

    def _open(self) -> int:
        # Made at the first look only: one that has been taken away since is waited for.
        may_make, self._may_make = self._may_make, False
        try:
            held = open_trusted(self.path)
        except FileNotFoundError:
            if not may_make:
                raise
            self._make()
            held = open_trusted(self.path)
        try:
            if not stat.S_ISDIR(os.fstat(held).st_mode):
                raise Untrusted(f"{show(self.path)} is no directory; move it away and mkdir {show(self.path)}")
            return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(held)

    def _make(self) -> None:
        try:
            os.makedirs(self.path)
            os.chmod(self.path, 0o755)  # noqa: S103 - whatever our umask is: what runs on a machine may be seen
        except OSError:
            raise FileNotFoundError(self.path) from None

    def names(self, *, force: bool) -> set[str]:
        """Of the files that count, as they stand there now. Raises Lost.

        `force`: believe an empty directory.
        """
        assert self.opened is not None
        try:
            with os.scandir(self.opened) as entries:
                names = {entry.name for entry in entries if is_job_file(entry.name)}
        except OSError as error:
            raise Lost(
                f"cannot list the directory: {error.strerror}; its last good jobs stay, looking again soon",
                hinted=False,
            ) from None
        if self.on_hold and not names and not force:
            raise Lost(
                f"another directory stands here and is empty; the {len(self.entries)} files of the old one stay in"
                " force until a file appears or a reload says that it is meant",
                hinted=True,
            )
        self.on_hold = False
        return names

    def signature_of(self, name: str) -> bytes:
        """What a link points to counts; nothing where that cannot be seen."""
        try:
            return signature(os.stat(name, dir_fd=self.opened))
        except OSError:
            return b""

    def tell(self, trouble: str) -> None:
        """Say what is the matter with the directory, or that nothing is any more, once."""
        if trouble != self._told:
            text = trouble or "the directory is there, and watched"
            self._listen(DirectoryChanged(self.path, text, good=not trouble))
        self._told = trouble
