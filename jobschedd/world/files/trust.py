"""Opening only what nobody else could have written.

A path is walked component by component, each held open while it is checked, symbolic links resolved here: so what
was checked is what is opened, whatever is renamed meanwhile. Everything on the way must belong to root (or to the
user this instance runs as) and be writable by nobody else. ACLs need no look of their own: what they grant shows in
the group bits, acl(5).
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
from collections import deque

from jobschedd.model.error import CannotRun

MOST_LINKS = 40
"""As the kernel's own limit."""

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Untrusted(Exception):  # noqa: N818 - a verdict about a file, told to whoever put it there
    """Somebody else could have written it. The text names the component and what to do."""


def open_trusted(path: str) -> int:
    """An O_PATH descriptor of an absolute path. Raises Untrusted, or OSError where it cannot be reached."""
    here, shown = _open_root(), "/"
    waiting = deque(path.split("/"))
    links = 0
    try:
        while waiting:
            name = waiting.popleft()
            if name in ("", "."):
                continue
            step = os.open(name, _HOLD, dir_fd=here)
            try:
                status = os.fstat(step)
                check(status, os.path.join(shown, name), last=not any(part not in ("", ".") for part in waiting))
                target = os.readlink("", dir_fd=step) if stat.S_ISLNK(status.st_mode) else None
            except BaseException:
                os.close(step)
                raise
            if target is not None:
                os.close(step)
                links += 1
                if links > MOST_LINKS:
                    raise Untrusted(f"{show(path)} leads through more than {MOST_LINKS} links; name the target itself")
                waiting.extendleft(reversed(target.split("/")))
                if not target.startswith("/"):
                    continue
                step, name = _open_root(), "/"
            os.close(here)
            here, shown = step, os.path.join(shown, name)
    except BaseException:
        os.close(here)
        raise
    return here


def _open_root() -> int:
    root = os.open("/", _HOLD | os.O_DIRECTORY)
    try:
        check(os.fstat(root), "/", last=False)
    except Untrusted:
        os.close(root)
        raise
    return root


def check(status: os.stat_result, path: str, *, last: bool) -> None:
    """Raise Untrusted unless only we and root could have written what has this status.

    `last`: it is what the path names, not something on the way to it.
    """
    if status.st_uid not in (0, os.geteuid()):
        owner = "root" if os.geteuid() == 0 else _name(os.geteuid())
        raise Untrusted(
            f"{show(path)} belongs to {_name(status.st_uid)}, who could have written it; chown {owner} {show(path)}"
        )
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or stat.S_ISCHR(status.st_mode) or not mode & 0o022:
        return
    # In a sticky directory of root's (/tmp) the kernel lets nobody rename or replace what belongs to another; what
    # comes next on the path belongs to us or to root, or is refused itself.
    if stat.S_ISDIR(status.st_mode) and not last and mode & stat.S_ISVTX and status.st_uid == 0:
        return
    if not mode & 0o002 and _is_private_group(status.st_gid):
        return
    raise Untrusted(f"{show(path)} can be written by others (mode {mode:04o}); chmod go-w {show(path)}")


def show(path: str) -> str:
    """A path for people: what would act on a terminal is escaped."""
    return path if path.isprintable() else ascii(path)


def check_import_path() -> None:
    """As root, refuse to run code that somebody else may write. Raises CannotRun."""
    if os.geteuid() != 0:
        return
    for entry in filter(os.path.exists, (os.path.abspath(path) for path in sys.path)):
        try:
            os.close(open_trusted(entry))
        except Untrusted as error:
            raise CannotRun(f"cannot run with {show(entry)} on Python's import path: {error}") from None


def _is_private_group(gid: int) -> bool:
    """Whether a group is that of our own user alone, as distributions with umask 002 make one for each user.

    Never for root: on some systems other accounts have group 0 as their own.
    """
    if os.geteuid() == 0:
        return False
    try:
        person, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return person.pw_gid == gid and group.gr_name == person.pw_name and not set(group.gr_mem) - {person.pw_name}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
