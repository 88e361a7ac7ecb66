"""Events as journal entries, in journald's native protocol.

systemd-python's send keeps the interpreter's lock while it waits, so a stopped journald would stop every thread of
the daemon; Python's own socket lets go of it. The protocol: systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.event import Event
    from jobschedd.model.run import Instant
    from jobschedd.world.log.output import Output
    from jobschedd.world.log.writer import Sink

SOCKET = "/run/systemd/journal/socket"
LONGEST = 48 * 1024
"""Bytes of a message, as journald's own LineMax. Larger datagrams may be refused by the kernel."""


def encode(fields: dict[str, str]) -> bytes:
    """One entry. A value with a newline goes with its length before it, so that no value can begin a field."""
    pieces = []
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")[:LONGEST]
        if b"\n" in data:
            pieces.append(name.encode("ascii") + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            pieces.append(name.encode("ascii") + b"=" + data + b"\n")
    return b"".join(pieces)


class Journal:
    """A Sink. What journald does not take goes to `instead`."""

    def __init__(self, instead: Sink, path: str = SOCKET) -> None:
        self._instead = instead
        self._path = path
        self._socket: socket.socket | None = None

    def write_event(self, event: Event, at: Instant) -> None:
        entry = encode(
            {
                "MESSAGE": event.line(),
                "MESSAGE_ID": event.MESSAGE_ID,
                "PRIORITY": str(event.priority),
                "SYSLOG_IDENTIFIER": "jobschedd",
                "JOBSCHEDD_EVENT": event.NAME,
            }
            | event.fields(),
        )
        for _ in range(2):  # a journald that was started anew has a new socket behind the name
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                    self._socket.connect(self._path)
                self._socket.send(entry)
            except OSError:
                self.close()
            else:
                return
        self._instead.write_event(event, at)

    def write_output(self, output: Output, at: Instant) -> None:
        # Output reaches the journal by a stream of its own; this is what no stream could be had for.
        self._instead.write_output(output, at)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
