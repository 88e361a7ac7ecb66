"""One job directory: which one the path names now, whether it may be believed, and what we saw in it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.model.event import DirectoryChanged
from jobschedd.model.layers import is_job_file
from jobschedd.world.files.source import signature
from jobschedd.world.files.trust import Untrusted, open_trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.ports import Listener


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of a file when it was last looked at."""

    signature: bytes
    digest: bytes
    """Of its content; empty where there was none to be had, so that the next look is a fresh one."""


class JobDirectory:
    """State of one directory. Used by the loader's thread alone."""

    def __init__(self, number: int, path: str, listen: Listener) -> None:
        self.number = number
        self.path = path
        self.opened: int | None = None
        """The directory that is believed in, open for reading; None: there is none just now."""
        self.entries: dict[str, Entry] = {}
        self.on_hold = False
        """Another directory stands here and is empty; what the old one held stays until that is meant."""
        self.polled = False
        self._identity: tuple[int, int] | None = None
        self._listen = listen
        self._told = ""

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

    def find(self) -> bool:
        """See which directory the path names now. False: none that may be believed; its jobs stay as they are."""
        try:
            found = self._open()
        except Untrusted as error:
            return self._lose(f"cannot trust the directory: {error}; its last good jobs stay")
        except FileNotFoundError:
            return self._lose("the directory does not exist; waiting for it, its last good jobs stay")
        except OSError as error:
            return self._lose(f"cannot open the directory: {error.strerror}; its last good jobs stay")
        status = os.fstat(found)
        identity = (status.st_dev, status.st_ino)
        if identity == self._identity:
            os.close(found)
            return True
        self.close()
        self.opened, self._identity = found, identity
        # An unmounted file system leaves an empty directory behind; that is no order to forget every job.
        self.on_hold = bool(self.entries) and not any(self.names())
        if self.on_hold:
            self.tell(
                f"another directory stands here and is empty; the {len(self.entries)} files of the old one stay in"
                " force until a file appears or a reload says that it is meant",
            )
        elif self._told:
            self.tell("the directory is there", good=True)
        return True

    def _open(self) -> int:
        try:
            held = open_trusted(self.path)
        except FileNotFoundError:
            # Made once; one that has been taken away is waited for.
            if self.entries or self._told:
                raise
            self._make()
            held = open_trusted(self.path)
        try:
            if not stat.S_ISDIR(os.fstat(held).st_mode):
                raise Untrusted(f"{self.path} is no directory; move it away and mkdir {self.path}")
            return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(held)

    def _make(self) -> None:
        try:
            os.makedirs(self.path, exist_ok=True)
            os.chmod(self.path, 0o755)  # noqa: S103 - whatever our umask is: what runs on a machine may be seen
        except OSError:
            raise FileNotFoundError(self.path) from None

    def _lose(self, text: str) -> bool:
        self.close()
        self.tell(text)
        return False

    def tell(self, text: str, *, good: bool = False) -> None:
        """Say what is the matter with the directory, once."""
        if text != self._told:
            self._listen(DirectoryChanged(self.path, text, good))
        self._told = "" if good else text

    def names(self) -> Iterator[str]:
        """Of the files that count, as they stand there now."""
        assert self.opened is not None
        with os.scandir(self.opened) as entries:
            yield from (entry.name for entry in entries if is_job_file(entry.name))

    def signature_of(self, name: str) -> tuple[bytes, os.stat_result]:
        """What a link points to counts; a link to nowhere counts itself. Raises FileNotFoundError."""
        try:
            status = os.stat(name, dir_fd=self.opened)
        except OSError:
            status = os.stat(name, dir_fd=self.opened, follow_symlinks=False)
        return signature(status), status
