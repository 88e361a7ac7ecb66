"""The socket that is listened on: systemd's, or one of our own in the runtime directory."""

from __future__ import annotations

import os
import socket

from jobschedd.model.error import CannotRun

BACKLOG = 128


def listen(path: str, handed: int | None = None) -> socket.socket:
    """`handed`: a listening socket that we were started with. Raises CannotRun.

    Everybody may connect: the kernel says who it is, and that decides. It appears under its name when it listens, so
    nobody finds one that does not; what was there before, the socket of a daemon that died say, gives way.
    """
    if handed is not None:
        given = socket.socket(fileno=handed)
        given.setblocking(False)
        return given
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    beside = f"{path}.new"
    try:
        if os.path.lexists(beside):
            os.unlink(beside)
        made.bind(beside)
        os.chmod(beside, 0o666)  # noqa: S103 - everybody may ask; the kernel says who it is
        made.listen(BACKLOG)
        os.rename(beside, path)
    except OSError as error:
        made.close()
        raise CannotRun(f"cannot listen on {path}: {error.strerror or error}; give another --runtime-dir") from None
    return made


def inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
