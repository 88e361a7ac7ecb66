"""A connection to a D-Bus message bus, for a thread that does the waiting itself.

Only this room imports jeepney, and only once a run needs a unit: a daemon without sandboxes never loads it.
"""

from __future__ import annotations

import array
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from jeepney import DBusAddress, HeaderFields, Message, MessageFlag, MessageType, Parser, new_method_call
from jeepney.auth import BEGIN, AuthenticationError, Authenticator

PATIENCE = 5.0
"""Seconds in which a bus that works has let us in."""

BUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")


class Answer(NamedTuple):
    """What came back from a call."""

    body: tuple[Any, ...]
    error: str = ""
    """The error's name; empty: it worked."""

    @property
    def text(self) -> str:
        """What an error says."""
        return str(self.body[0]) if self.body else self.error


AWAY = Answer((), "org.freedesktop.DBus.Error.NoReply")
"""Nobody knows what became of the call."""

Heard = Callable[[Answer], None]


class Signal(NamedTuple):
    sender: str
    path: str
    member: str
    body: tuple[Any, ...]


class Bus:
    def __init__(self, path: str) -> None:
        """Connect to the bus that listens at `path`. Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.settimeout(PATIENCE)
            self._socket.connect(path)
            self._authenticate()
        except BaseException:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._parser = Parser()
        self._serial = 0
        self._out: deque[tuple[bytes, array.array[int]]] = deque()
        self._heard: dict[int, Heard] = {}
        """By serial number: who waits for an answer."""
        self.call(BUS, "Hello", None, (), lambda _: None)

    def _authenticate(self) -> None:
        dialogue = Authenticator(enable_fds=True)
        try:
            for line in dialogue:
                self._socket.sendall(line)
                dialogue.feed(self._socket.recv(1024))
        except (AuthenticationError, ValueError) as error:
            raise ConnectionRefusedError(str(error)) from None
        self._socket.sendall(BEGIN)

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def waits_to_send(self) -> bool:
        return bool(self._out)

    def call(self, to: DBusAddress, member: str, signature: str | None, body: tuple[Any, ...], heard: Heard) -> None:
        """Call a method; `heard` gets the answer within a later `read`. Descriptors in `body` are not closed."""
        self._serial += 1
        message = new_method_call(to, member, signature, body)
        # Whoever is not there is not to be started for it.
        message.header.flags |= MessageFlag.no_auto_start
        descriptors = array.array("i")
        data = message.serialise(self._serial, descriptors)
        self._heard[self._serial] = heard
        self._out.append((data, descriptors))
        # A bus that has gone is noticed by who reads.
        with suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Send what the socket takes. Raises OSError when the bus has gone."""
        while self._out:
            data, descriptors = self._out[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)] if descriptors else []
            try:
                sent = self._socket.sendmsg([data], rights)
            except BlockingIOError:
                return
            if sent < len(data):
                # The descriptors went with the first byte.
                self._out[0] = (data[sent:], array.array("i"))
            else:
                self._out.popleft()

    def read(self) -> Iterator[Signal]:
        """Take what has come: answers go to who waits for them. Raises OSError when the bus has gone."""
        try:
            piece = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        if not piece:
            raise ConnectionResetError
        for message in self._parser.feed(piece):
            fields = message.header.fields
            match message.header.message_type:
                case MessageType.signal:
                    yield Signal(
                        fields.get(HeaderFields.sender, ""),
                        fields[HeaderFields.path],
                        fields[HeaderFields.member],
                        message.body,
                    )
                case MessageType.method_return | MessageType.error:
                    self._answer(message)

    def _answer(self, message: Message) -> None:
        fields = message.header.fields
        heard = self._heard.pop(fields[HeaderFields.reply_serial], None)
        if heard is not None:
            heard(Answer(message.body, fields.get(HeaderFields.error_name, "")))

    def close(self) -> None:
        self._socket.close()
        heard, self._heard = self._heard, {}
        for waiting in heard.values():
            waiting(AWAY)
