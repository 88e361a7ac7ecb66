"""Where a machine's crontabs stand, and which of them cron would not read either."""

from __future__ import annotations

import errno
import os
import pwd
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.fields import Cron
from jobschedd.ctl.imports.report import Place, ignored, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.ctl.imports.report import Finding

MOST_BYTES = 8 << 20
"""Debian's cron ignores crontabs of more than 10,000 lines of a thousand characters."""

SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron")
"""Debian's, and cronie's."""

_RUN_PARTS_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Table:
    """A crontab, read."""

    source: str
    data: bytes
    system: bool
    """With a column of users."""
    user: str | None
    """Whose it is; None: it names them itself, or it is the caller's own in an instance of the caller's own."""
    private: bool
    """Not everybody may read it."""
    named: bool = False
    """The caller named the file, and said whose it is or not: it may be one user's without the column."""


class Machine:
    """The files of this machine, or of another one that stands below `root`."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._owner = os.stat(root).st_uid

    def system_tables(self) -> Iterator[Table | Finding]:
        """/etc/crontab and /etc/cron.d."""
        yield from self._read("/etc/crontab", system=True, user=None)
        for name in self.names("/etc/cron.d"):
            path = f"/etc/cron.d/{name}"
            if _RUN_PARTS_NAME.fullmatch(name):
                yield from self._read(path, system=True, user=None)
            else:
                yield ignored(Place(path), "cron ignores it too: its name has more than letters, digits, _ and -")

    def user_tables(self, user: str | None = None) -> Iterator[Table | Finding]:
        """Those of the spool; with `user` that one's."""
        for spool in SPOOLS:
            for name in self.names(spool):
                path = f"{spool}/{name}"
                if user in (None, name) and not os.path.isdir(self.path(path)):
                    yield from self._read(path, system=False, user=name)

    def _read(self, path: str, *, system: bool, user: str | None) -> Iterator[Table | Finding]:
        try:
            data, info = read_table(self.path(path))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            yield refused(Place(path), _cannot_read(error))
            return
        if system and info.st_uid != self._owner:
            yield ignored(Place(path), "cron ignores it too: it does not belong to root")
        elif stat.S_IMODE(info.st_mode) & 0o022:
            yield ignored(Place(path), "cron ignores it too: others may write it")
        else:
            yield Table(path, data, system, user, private=not info.st_mode & stat.S_IROTH)

    def scripts(self, directory: str) -> Iterator[tuple[str, Finding | None]]:
        """What run-parts looks at, in its order: paths, with what there is to say of those that it does not run."""
        for name in self.names(directory):
            path = f"{directory}/{name}"
            try:
                info = os.stat(self.path(path))
            except OSError as error:
                yield path, ignored(Place(path), f"run-parts cannot run it either: {error.strerror}")
                continue
            if not _RUN_PARTS_NAME.fullmatch(name):
                why = "its name has more than letters, digits, _ and -"
            elif not stat.S_ISREG(info.st_mode):
                why = "it is no file"
            elif not info.st_mode & 0o111:
                why = "it is not executable"
            else:
                yield path, None
                continue
            yield path, ignored(Place(path), f"run-parts ignores it too: {why}")

    def names(self, directory: str) -> list[str]:
        """Without those that begin with a dot."""
        try:
            return sorted(name for name in os.listdir(self.path(directory)) if not name.startswith("."))
        except OSError:
            return []

    def path(self, path: str) -> str:
        """Where a path of that machine is on this one."""
        return f"{self.root}{path}"

    def knows_user(self, name: str) -> bool:
        """Raises OSError where the users of another machine cannot be read."""
        return name in self._users if self.root else _is_here(name)

    @cached_property
    def _users(self) -> frozenset[str]:
        path = self.path("/etc/passwd")
        try:
            data, _ = read_table(path)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), path) from None
        return frozenset(
            row.partition(b":")[0].decode(errors="surrogateescape") for row in data.split(b"\n") if b":" in row
        )

    def cron(self) -> Cron | None:
        """Whose cron is installed; None: nobody can tell."""
        if os.path.exists(self.path("/var/lib/dpkg/info/cron.list")) and os.path.exists(self.path("/usr/sbin/cron")):
            return Cron.DEBIAN
        if self.root or not os.path.exists("/usr/sbin/crond"):
            return None
        try:
            done = subprocess.run(["crontab", "-V"], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Cron.CRONIE if "cronie" in done.stdout + done.stderr else None


@lru_cache(maxsize=4_096)
def _is_here(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def read_table(path: str) -> tuple[bytes, os.stat_result]:
    """A file that somebody else may have made. Raises OSError, ValueError."""
    # A FIFO would keep us waiting.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("cannot read it: it is no file")
        return _limited(file.read(MOST_BYTES + 1)), info


def given_table(path: str, user: str | None, *, own: bool) -> Table:
    """One that was named, `-` for standard input. `own`: of a caller who is not root. Raises OSError, ValueError."""
    if path == "-":
        data, private = _limited(sys.stdin.buffer.read(MOST_BYTES + 1)), True
    else:
        data, info = read_table(path)
        private = not info.st_mode & stat.S_IROTH
    source = "standard input" if path == "-" else path
    return Table(source, data, user is None and not own, user, private, named=True)


def own_table() -> Table:
    """The caller's, which only crontab(1) may read. Raises OSError, ValueError."""
    try:
        done = subprocess.run(["crontab", "-l"], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError("cannot read your crontab: crontab -l does not answer; name a file instead") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"it ended with exit code {done.returncode}"
        raise ValueError(f"cannot read your crontab by crontab -l: {said}")
    return Table("crontab -l", _limited(done.stdout), system=False, user=None, private=True)


def _limited(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise ValueError(f"cannot read more than {MOST_BYTES >> 20} MiB; a crontab is smaller")
    return data


def _cannot_read(error: OSError | ValueError) -> str:
    return f"cannot read it: {error.strerror}" if isinstance(error, OSError) else str(error)
