"""Where a run's output goes: a stream of the journal, or a pipe that the daemon's log is fed from."""

from __future__ import annotations

import os
import socket

SHARE = 256 * 1024
"""Bytes of output on their way to the daemon; above it jobs wait in their pipes, as the kernel makes them."""

PIECE = 64 * 1024


def open_journal(path: str, identifier: str) -> int | None:
    """A stream to journald whose lines carry `identifier`, sd_journal_stream_fd(3); None: there is none to be had.

    Does not wait: a journald that has stopped fills its queue of connections, and then there is none.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        stream.setblocking(False)
        stream.connect(path)
        stream.shutdown(socket.SHUT_RD)
        # identifier, unit, priority, level prefixes on, no forwarding to syslog, kmsg, console
        stream.sendall(f"{identifier}\n\n6\n1\n0\n0\n0\n".encode())
        stream.setblocking(True)
    except OSError:
        stream.close()
        return None
    return stream.detach()


def drain(pipe: int) -> bytes:
    """What stands in a pipe now, one piece of it at most. Empty: nothing now, or nothing ever again."""
    try:
        return os.read(pipe, PIECE)
    except BlockingIOError:
        return b""
