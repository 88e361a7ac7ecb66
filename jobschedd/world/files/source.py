"""Reading one job file: what it is, whether it may be believed, what it holds."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from jobschedd.model.document import MAX_BYTES
from jobschedd.model.error import BadFile, Problem
from jobschedd.world.files.trust import Untrusted, check, open_trusted, show

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DEV_NULL = os.makedev(1, 3)
_SIGNATURE = struct.Struct("=QQQqq")
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unsettled(Exception):  # noqa: N818 - no error: the file is being written, and is looked at again
    """The file changed while it was read; it has to be looked at again."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds. No data: it masks its name."""

    data: bytes
    signature: bytes
    other_names: int = 0
    """Hard links to it under other names."""


def signature(status: os.stat_result) -> bytes:
    """Changes whenever the file does. The content's digest is compared as well: a time can be forged."""
    return _SIGNATURE.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def same_content(one: bytes, other: bytes) -> bool:
    """Whether two signatures differ at most in what a chmod or a rename changes: size and mtime are the same."""
    return one[16:32] == other[16:32]


def read(directory: int, path: str, name: str) -> Content:
    """Read the entry `name` of an open directory; `path` is where the entry stands.

    Raises BadFile for what no job file is, Unsettled when it changed meanwhile, FileNotFoundError only when there is
    no such entry, and OSError.
    """
    held = os.open(name, _HOLD, dir_fd=directory)
    try:
        status = os.fstat(held)
        if stat.S_ISLNK(status.st_mode):
            target = _follow(directory, path, name)
            os.close(held)
            held, status = target, os.fstat(target)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == _DEV_NULL:
                return Content(b"", signature(status))
        if not stat.S_ISREG(status.st_mode):
            # Held by O_PATH only: opening a FIFO would wait, opening a device may do something.
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "this")
            raise BadFile(Problem("", f"cannot read {kind}; a job file is a plain file"))
        try:
            check(status, path, last=True)
        except Untrusted as error:
            raise BadFile(Problem("", f"cannot trust it: {error}")) from None
        if status.st_size > MAX_BYTES:
            raise BadFile(
                Problem("", f"cannot read {status.st_size} bytes; a job file has at most {MAX_BYTES} (1 MiB)")
            )
        return Content(_read_all(held, status), signature(status), status.st_nlink - 1)
    finally:
        os.close(held)


def _follow(directory: int, path: str, name: str) -> int:
    try:
        return open_trusted(path)
    except Untrusted as error:
        raise BadFile(Problem("", f"cannot trust the link: {error}")) from None
    except FileNotFoundError:
        target = os.readlink(name, dir_fd=directory)  # raises in turn when it is the link that is gone
        raise BadFile(Problem("", f"cannot follow the link to {show(target)}: no such file")) from None


def _read_all(held: int, status: os.stat_result) -> bytes:
    """The bytes of what is held, by the descriptor itself: no name is looked up again."""
    file = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = os.read(file, status.st_size + 1)
        if len(data) != status.st_size or signature(os.fstat(file)) != signature(status):
            raise Unsettled
        return data
    finally:
        os.close(file)
