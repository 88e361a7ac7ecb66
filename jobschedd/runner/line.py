"""The line to the daemon of now, and the socket on which the next one calls."""

from __future__ import annotations

import os
import selectors
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobschedd.runner.standing import above
from jobschedd.runner.wire import Frames, pack

if TYPE_CHECKING:
    from collections.abc import Callable


class Line:
    def __init__(
        self,
        daemon: socket.socket,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        soft_files: int,
        *,
        obey: Callable[[dict[str, Any]], None],
        greet: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`obey` gets each order; `greet` is called for each daemon that comes, `lost` when one is gone."""
        self._listener = listener
        self._selector = selector
        self._soft_files = soft_files
        self._obey = obey
        self._greet = greet
        self._lost = lost
        self._frames = Frames()
        self._outgoing = bytearray()
        self._daemon: socket.socket | None = daemon
        selector.register(daemon, selectors.EVENT_READ, self.hear)
        selector.register(listener, selectors.EVENT_READ, self._change)

    @property
    def is_up(self) -> bool:
        return self._daemon is not None

    def say(self, answer: dict[str, Any]) -> None:
        """Put an answer on its way. Nobody hears it where the daemon is gone."""
        if self._daemon is not None:
            self._outgoing += pack(answer)

    def flush(self) -> None:
        """Send what the socket takes."""
        if self._daemon is None:
            return
        while self._outgoing:
            try:
                sent = self._daemon.send(self._outgoing, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except ConnectionError:
                self._hear_last()
                return
            del self._outgoing[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._daemon).events != wanted:
            self._selector.modify(self._daemon, wanted, self.hear)

    def hear(self) -> None:
        if self._daemon is None:
            return  # lost by what came before in the same look
        with suppress(BlockingIOError):
            self._hear_some(self._daemon)

    def _hear_some(self, daemon: socket.socket) -> None:
        try:
            piece = daemon.recv(1 << 20)
        except ConnectionError:
            piece = b""
        if not piece:
            self._lose()
            return
        for order in self._frames.feed(piece):
            self._obey(order)

    def _hear_last(self) -> None:
        """Nobody hears us any more; what was ordered before that was claimed, and is obeyed."""
        with suppress(BlockingIOError):
            while self._daemon is not None:
                self._hear_some(self._daemon)
        self._lose()

    def _change(self) -> None:
        """A new daemon calls: the one before is gone, or it would hold the lock."""
        try:
            caller, _ = self._listener.accept()
        except OSError:
            return  # gone again
        _, uid, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.geteuid():
            caller.close()
            return
        try:
            while self._daemon is not None:
                self._hear_some(self._daemon)  # the last orders of the one before: claimed, so they are started
        except BlockingIOError:
            caller.close()  # it lives
            return
        caller.setblocking(False)
        self._daemon = socket.socket(fileno=above(caller.detach(), self._soft_files))
        self._frames = Frames()
        self._selector.register(self._daemon, selectors.EVENT_READ, self.hear)
        self._greet()

    def _lose(self) -> None:
        if self._daemon is None:
            return
        self._selector.unregister(self._daemon)
        self._daemon.close()
        self._daemon = None
        self._outgoing.clear()
        self._lost()
