"""The thread that reads and writes for all connections, and those that answer."""

from __future__ import annotations

import os
import selectors
import threading
import time
import traceback
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from jobschedd.world.varlink.bounds import RESERVE, Bounds
from jobschedd.world.varlink.call import Call, Gone, NotACall, Refused, decode, encode
from jobschedd.world.varlink.connection import Connection, Patience
from jobschedd.world.varlink.listener import inode, listen
from jobschedd.world.varlink.peer import peer_of

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERERS = 2
"""Threads that answer: they compete with the one that schedules for the interpreter."""

BUSY = "io.jobschedd.Busy"

AT_ONCE = 16
"""Connections that are taken between two looks at the others."""

BREATH = 0.05
"""Seconds for which nobody is let in after some were turned away: whoever knocks all the time costs little."""


class Service(Protocol):
    def goes_on(self, call: Call) -> bool:
        """Whether the answer takes as long as the caller wants."""

    def answer(self, call: Call) -> None:
        """Give its replies, the last one included. Raises Refused or Gone."""


class Server:
    def __init__(
        self,
        path: str,
        service: Service,
        failed: Callable[[str], None],
        *,
        handed: int | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen: one default shared by all callers is safe
    ) -> None:
        """`failed`: is told of a bug of ours, with its trace. `handed`: see listener.py. Raises CannotRun."""
        self._patience = patience
        self._path = path
        self._service = service
        self._failed = failed
        self._listener = listen(path, handed)
        self._inode = None if handed is not None else inode(path)
        self._bounds = Bounds()
        self._connections: set[Connection] = set()
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._changed: SimpleQueue[Connection] = SimpleQueue()
        """Those for which there is something to write, or a call has been answered."""
        self._later: dict[Connection, float] = {}
        """Those that have had too much, and when they are listened to again."""
        self._shut_until = 0.0
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closing = False
        self._threads = [threading.Thread(target=self._serve, name="control", daemon=True)]
        self._threads += [
            threading.Thread(target=self._answer_calls, name=f"answer-{number}", daemon=True)
            for number in range(ANSWERERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Take no more calls. Those that are being answered end with us."""
        if self._inode is not None and inode(self._path) == self._inode:
            with suppress(OSError):
                os.unlink(self._path)
        self._closing = True
        for _ in range(ANSWERERS):
            self._calls.put(None)
        os.eventfd_write(self._bell, 1)
        self._threads[0].join(2)

    # -- the thread that reads and writes --------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._closing:
            for key, events in self._selector.select(self._time_left()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._bell:
                    os.eventfd_read(self._bell)
                else:
                    self._attend(key.data, events)
            while not self._changed.empty():
                self._attend(self._changed.get_nowait())
            self._mind_the_time(time.monotonic())
        for connection in list(self._connections):
            self._drop(connection)
        self._listener.close()

    def _time_left(self) -> float | None:
        moments = [at for connection in self._connections if (at := connection.next_deadline()) is not None]
        moments += self._later.values()
        if self._shut_until:
            moments.append(self._shut_until)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _mind_the_time(self, now: float) -> None:
        if self._shut_until and now >= self._shut_until:
            self._shut_until = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ)
        for connection in [each for each in self._connections if each.overdue(now)]:
            self._drop(connection)
        for connection in [each for each, moment in self._later.items() if now >= moment]:
            del self._later[connection]
            self._attend(connection)

    def _accept(self) -> None:
        turned_away = False
        for _ in range(AT_ONCE):
            began = time.thread_time()
            try:
                sock, _ = self._listener.accept()
            except OSError:
                break  # nobody is left, or there is no room for one more just now
            try:
                sock.setblocking(False)
                peer = peer_of(sock)
            except OSError:
                sock.close()
                continue
            if not self._bounds.admit(peer.uid):
                with suppress(OSError):
                    sock.send(encode({"error": BUSY, "parameters": {"text": "too many connections"}}))
                sock.close()
                turned_away = True
                self._bounds.charge(peer.uid, time.thread_time() - began)
                continue
            connection = Connection(sock, peer, self._wake, self._patience)
            self._connections.add(connection)
            self._selector.register(sock, selectors.EVENT_READ, connection)
            self._charge(connection, began)
        if turned_away:
            self._selector.unregister(self._listener)
            self._shut_until = time.monotonic() + BREATH

    def _wake(self, connection: Connection) -> None:
        self._changed.put(connection)
        os.eventfd_write(self._bell, 1)

    def _attend(self, connection: Connection, events: int = 0) -> None:
        if connection.closed:
            return
        began = time.thread_time()
        may_say = events & selectors.EVENT_READ and not self._bounds.debt(connection.peer.uid)
        # While a call is answered nothing is read but the end: who has left need not be answered.
        if may_say and not connection.receive():
            self._drop(connection)
        else:
            self._look_at(connection)
        self._charge(connection, began)

    def _charge(self, connection: Connection, began: float) -> None:
        """For what was done since. Whoever has had too much is not listened to for a while."""
        self._bounds.charge(connection.peer.uid, time.thread_time() - began)
        pause = self._bounds.debt(connection.peer.uid)
        if pause and not connection.closed:
            self._put_off(connection, pause)
            self._listen_to(connection)

    def _put_off(self, connection: Connection, pause: float) -> None:
        moment = max(self._later.get(connection, 0.0), time.monotonic() + pause)
        self._later[connection] = moment
        connection.put_off(moment)

    def _look_at(self, connection: Connection) -> None:
        """Write what can be written, and take the next call."""
        if not connection.write():
            self._drop(connection)
            return
        if connection.take_end():
            connection.rest()
        try:
            if not connection.busy and connection not in self._later:
                self._take_call(connection)
        except NotACall as error:
            with suppress(OSError):
                refusal = {"error": "io.jobschedd.CannotRead", "parameters": {"parameter": "", "text": str(error)}}
                connection.socket.send(encode(refusal))
            self._drop(connection)
            return
        self._listen_to(connection)

    def _listen_to(self, connection: Connection) -> None:
        wanted = 0 if connection.full or connection in self._later else selectors.EVENT_READ
        wanted |= selectors.EVENT_WRITE if connection.wants_to_write else 0
        self._want(connection, wanted)

    def _want(self, connection: Connection, events: int) -> None:
        known = self._selector.get_map().get(connection.socket)
        if known is None:
            if events:
                self._selector.register(connection.socket, events, connection)
        elif not events:
            self._selector.unregister(connection.socket)
        elif known.events != events:
            self._selector.modify(connection.socket, events, connection)

    def _take_call(self, connection: Connection) -> None:
        """Raises NotACall."""
        if not connection.has_frame():
            return
        pause = self._bounds.spend(connection.peer.uid)
        if pause:
            self._put_off(connection, pause)
            return
        call = decode(connection, connection.take_frame())
        connection.busy = True
        if not self._service.goes_on(call):
            self._calls.put(call)
        elif not self._bounds.admit_stream(connection.peer.uid):
            call.refuse(Refused(BUSY, text="too many callers follow what happens"))
        else:
            threading.Thread(target=self._answer_stream, args=(call,), name="stream", daemon=True).start()

    def _drop(self, connection: Connection) -> None:
        if connection.closed:
            return
        self._want(connection, 0)
        connection.close()
        self._connections.discard(connection)
        self._later.pop(connection, None)
        self._bounds.leave(connection.peer.uid)

    # -- the threads that answer -----------------------------------------------------------------------------------

    def _answer_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            self._answer(call)

    def _answer_stream(self, call: Call) -> None:
        call.pace = lambda: self._pace(call)
        try:
            self._answer(call)
        finally:
            self._bounds.leave_stream(call.peer.uid)

    def _pace(self, call: Call) -> None:
        """Between two replies of an answer that goes on: it is paid for as it goes, in this thread of its own."""
        spent = time.thread_time()
        self._bounds.charge(call.peer.uid, spent - call.paid)
        call.paid = spent
        pause = self._bounds.debt(call.peer.uid, reserve=RESERVE)
        if pause:
            call.connection.rest_for(pause)

    def _answer(self, call: Call) -> None:
        call.paid = time.thread_time()
        try:
            self._service.answer(call)
        except Gone:
            pass
        except Refused as error:
            with suppress(Gone):
                call.refuse(error)
        except Exception:  # noqa: BLE001 - a bug of ours met by one caller must not keep the others from answers
            self._failed(traceback.format_exc())
            if not call.answered:
                with suppress(Gone):
                    call.refuse(Refused(BUSY, text="jobschedd has met a bug of its own; its log tells which"))
        finally:
            self._bounds.charge(call.peer.uid, time.thread_time() - call.paid)
