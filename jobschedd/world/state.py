"""The state and runtime directories, and the lock that keeps a second instance out."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress

from jobschedd.model.error import CannotRun


def open_directory(path: str, mode: int) -> int:
    """Make a directory of ours if need be, check that nobody else owns or writes it, and return it open.

    Raises CannotRun: a state directory that a stranger made or may write could hold a stranger's past.
    """
    try:
        if not os.path.lexists(path):
            os.makedirs(path)
            os.chmod(path, mode)  # whatever our umask is
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise CannotRun(f"cannot use {path}: {error.strerror}; give a directory of our own") from None
    status = os.fstat(directory)
    if status.st_uid not in (0, os.geteuid()):
        problem = f"it belongs to uid {status.st_uid}; chown it to uid {os.geteuid()}"
    elif stat.S_IMODE(status.st_mode) & 0o022:
        problem = f"others may write it (mode {stat.S_IMODE(status.st_mode):04o}); chmod go-w it"
    else:
        return directory
    os.close(directory)
    raise CannotRun(f"cannot use {path}: {problem}")


class InstanceLock:
    """Held while a daemon works on a state directory. The kernel lets go of it when the process ends."""

    def __init__(self, directory: int, path: str, flag: str = "--state-dir") -> None:
        """Take the lock or raise CannotRun with the process that has it."""
        try:
            self._file = _open_lock(directory)
        except OSError as error:
            raise CannotRun(f"cannot take the lock {path}/lock: {error.strerror}; give another {flag}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise CannotRun(
                f"cannot take the lock {path}/lock: process {holder or 'unknown'} has it;"
                f" stop that instance first, or give another {flag}",
            ) from None
        with suppress(OSError):  # a full or read-only disk: nobody is told who holds it
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._file)


def _open_lock(directory: int) -> int:
    """On a disk that has become read-only the lock that is there can be held all the same, and jobs go on."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open("lock", flags | os.O_RDWR | os.O_CREAT, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open("lock", flags | os.O_RDONLY, dir_fd=directory)


class RuntimeDirectory:
    """Where the runner and the socket are; of one instance, as the state directory is."""

    def __init__(self, path: str) -> None:
        """Raises CannotRun."""
        self._directory = open_directory(path, 0o755)
        self._lock = InstanceLock(self._directory, path, "--runtime-dir")

    def close(self) -> None:
        self._lock.close()
        os.close(self._directory)


class StateDirectory:
    """The state directory, with its lock. Somebody may delete it under us: then it is made, and locked, again."""

    def __init__(self, path: str) -> None:
        """Raises CannotRun."""
        self._path = path
        self._directory = open_directory(path, 0o700)
        self._lock = InstanceLock(self._directory, path)

    def renew(self) -> None:
        """Make it again if it is not there any more. Raises CannotRun."""
        if os.fstat(self._directory).st_nlink:
            return
        directory = open_directory(self._path, 0o700)
        lock = InstanceLock(directory, self._path)
        self.close()
        self._directory, self._lock = directory, lock

    def close(self) -> None:
        self._lock.close()
        os.close(self._directory)
