"""Where a run's output goes: a stream of the journal, or a pipe that the daemon's log is fed from."""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any

from jobschedd.runner.launch import NoRoom
from jobschedd.runner.standing import above

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 256 * 1024
"""Bytes of output on their way to the daemon; above it jobs wait in their pipes, as the kernel makes them."""

PIECE = 64 * 1024


def _own_unit() -> str:
    """The unit that we run in; empty: none."""
    with open("/proc/self/cgroup") as file:
        names = [
            line.strip().split(":", 2)[2].split("/") for line in file if line.startswith(("0::", "1:name=systemd:"))
        ]
    return next((name for path in names for name in reversed(path) if name.endswith((".service", ".scope"))), "")


UNIT = _own_unit()


def open_journal(path: str, identifier: str) -> int | None:
    """A stream to journald whose lines carry `identifier`, sd_journal_stream_fd(3); None: there is none to be had.

    Does not wait: a journald that has stopped fills its queue of connections, and then there is none.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        stream.setblocking(False)
        stream.connect(path)
        stream.shutdown(socket.SHUT_RD)
        # identifier, unit, priority, level prefixes on, no forwarding to syslog, kmsg, console. The unit is believed of
        # root, for lines of processes that are gone before journald looks where they were.
        stream.sendall(f"{identifier}\n{UNIT}\n6\n1\n0\n0\n0\n".encode())
        stream.setblocking(True)
    except OSError:
        stream.close()
        return None
    return stream.detach()


def open_pipe(soft_files: int) -> tuple[int, int]:
    """Our end, out of the way of a job's limit on files, and the run's. Raises NoRoom."""
    try:
        ours, its = os.pipe2(os.O_CLOEXEC)
    except OSError as error:
        raise NoRoom from error
    try:
        return above(ours, soft_files), its
    except OSError as error:
        os.close(ours)
        os.close(its)
        raise NoRoom from error


class Pipe:
    """Our end of a run's output."""

    __slots__ = ("fd", "held", "job_id", "run_id")

    def __init__(self, fd: int, job_id: str, run_id: str) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        """-1 once it is closed."""
        self.job_id = job_id
        self.run_id = run_id
        self.held = False
        """It is not read just now."""

    def drain(self) -> bytes:
        """What stands in it now, one piece of it at most. Empty: nothing now, or nothing ever again."""
        try:
            return os.read(self.fd, PIECE)
        except BlockingIOError:
            return b""


class Pipes:
    """Passes on what runs write, and holds them up while the daemon has not taken what is on its way."""

    def __init__(self, selector: selectors.BaseSelector, say: Callable[[dict[str, Any]], None]) -> None:
        self._selector = selector
        self._say = say
        self._on_the_way = 0
        self._held: list[Pipe] = []
        self._heard = True

    def add(self, pipe: Pipe) -> None:
        if self._heard and self._on_the_way >= SHARE:
            pipe.held = True
            self._held.append(pipe)
        else:
            pipe.held = False
            self._selector.register(pipe.fd, selectors.EVENT_READ, lambda: self._forward(pipe))

    def took(self, size: int) -> None:
        """The daemon has taken this many bytes."""
        self._on_the_way -= size
        if self._on_the_way < SHARE:
            held, self._held = self._held, []
            for pipe in held:
                if pipe.fd >= 0:
                    self.add(pipe)

    def nobody_hears(self) -> None:
        """The daemon is gone. What runs write is thrown away from now on: they must not be held up by that."""
        self._heard = False
        self.took(self._on_the_way)

    def somebody_hears(self) -> None:
        """A daemon has come."""
        self._heard = True

    def finish(self, pipe: Pipe) -> None:
        """Pass on what is in it now, and close it. Whoever the run leaves behind may hold it open; nobody waits."""
        if pipe.fd < 0:
            return
        if not pipe.held:
            self._selector.unregister(pipe.fd)
        for _ in range(fcntl.fcntl(pipe.fd, fcntl.F_GETPIPE_SZ) // PIECE + 1):
            piece = pipe.drain()
            if not piece:
                break
            self._pass_on(pipe, piece)
        self._close(pipe)

    def _forward(self, pipe: Pipe) -> None:
        if pipe.fd < 0 or pipe.held:
            return  # closed or put to rest by what came before it in the same look
        piece = pipe.drain()
        if not piece:
            # Every writer has closed it, which a run may do long before it ends.
            self._selector.unregister(pipe.fd)
            self._close(pipe)
            return
        self._pass_on(pipe, piece)
        if self._heard and self._on_the_way >= SHARE:
            self._selector.unregister(pipe.fd)
            self.add(pipe)

    def _pass_on(self, pipe: Pipe, piece: bytes) -> None:
        if self._heard:
            self._on_the_way += len(piece)
            text = piece.decode("utf-8", "backslashreplace")
            self._say({"output": pipe.run_id, "job": pipe.job_id, "text": text, "size": len(piece)})

    @staticmethod
    def _close(pipe: Pipe) -> None:
        os.close(pipe.fd)
        pipe.fd = -1
