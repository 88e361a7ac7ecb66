"""A connection: what came of the next call, and what is still to be written. Two threads meet here."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING

from jobschedd.world.varlink.call import MOST_BYTES, Gone, NotACall

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobschedd.world.varlink.peer import Peer

MOST_UNSENT = 256 * 1024
"""Bytes that wait for a caller who does not take them, before whoever answers it waits too."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    message: float = 10.0
    """In which a message that has begun has come, and in which something of a reply is taken."""
    idle: float = 60.0
    """Without a call, after which a connection is given to others."""


class Connection:
    def __init__(self, sock: socket.socket, peer: Peer, wake: Callable[[Connection], None], patience: Patience) -> None:
        """`wake`: have the server's thread look at it."""
        self.socket = sock
        self.peer = peer
        self.busy = False
        """A call is being answered: the next one is not looked at before."""
        self.closed = False
        self._patience = patience
        self.deadline = time.monotonic() + patience.idle
        """When it is closed unless something happens; of what is written the writer knows better."""
        self._wake = wake
        self._received = bytearray()
        self._unsent = bytearray()
        self._stuck_since: float | None = None
        """Since when the caller takes nothing of what is to be written."""
        self._ended = False
        """The last reply has been given, and the server's thread has not seen that yet."""
        self._changed = Condition()

    # -- by the server's thread ----------------------------------------------------------------------------------

    def receive(self) -> bool:
        """Take what has come; False: nothing more will."""
        try:
            # What comes with it, descriptors say, the kernel drops: nobody asked for them.
            data = self.socket.recv(MOST_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not self._received:
            self.deadline = time.monotonic() + self._patience.message
        self._received += data
        return bool(data)

    @property
    def full(self) -> bool:
        """No more is read until a call has been taken out."""
        return len(self._received) >= MOST_BYTES

    def has_frame(self) -> bool:
        """Whether a message is whole. Raises NotACall for one that is too long."""
        end = self._received.find(b"\0")
        if end >= MOST_BYTES or (end < 0 and self.full):
            raise NotACall(f"cannot read a message of more than {MOST_BYTES} bytes")
        return end >= 0

    def take_frame(self) -> bytes:
        end = self._received.index(b"\0")
        frame = bytes(self._received[:end])
        del self._received[: end + 1]
        return frame

    def rest(self) -> None:
        """A call has been answered."""
        self.busy = False
        self.deadline = time.monotonic() + (self._patience.message if self._received else self._patience.idle)

    def write(self) -> bool:
        """Write what waits; False: the caller has left."""
        with self._changed:
            try:
                while self._unsent:
                    sent = self.socket.send(self._unsent[:MOST_BYTES])
                    del self._unsent[:sent]
                    self._stuck_since = time.monotonic() if self._unsent else None
            except BlockingIOError:
                pass
            except OSError:
                return False
            self._changed.notify_all()
        return True

    @property
    def wants_to_write(self) -> bool:
        return bool(self._unsent)

    def put_off(self, moment: float) -> None:
        """It is not listened to before; a message that is whole can wait for that, half a one has its time."""
        if b"\0" in self._received:
            self.deadline = moment + self._patience.message

    def take_end(self) -> bool:
        """Whether a call has been answered since this was asked."""
        with self._changed:
            ended, self._ended = self._ended, False
        return ended

    def overdue(self, now: float) -> bool:
        stuck = self._stuck_since
        if stuck is not None:
            return now >= stuck + self._patience.message
        return not self.busy and now >= self.deadline

    def next_deadline(self) -> float | None:
        stuck = self._stuck_since
        if stuck is not None:
            return stuck + self._patience.message
        return None if self.busy else self.deadline

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        with suppress(OSError):
            self.socket.close()

    # -- by whoever answers --------------------------------------------------------------------------------------

    def rest_for(self, seconds: float) -> None:
        """Wait so long, or until the caller has left."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)

    def send(self, data: bytes, *, last: bool) -> None:
        """Have this written; wait while much of what was sent before is not. Raises Gone."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or len(self._unsent) < MOST_UNSENT)
            if self.closed:
                raise Gone
            if data and not self._unsent:
                self._stuck_since = time.monotonic()
            self._unsent += data
            self._ended = last
        self._wake(self)
