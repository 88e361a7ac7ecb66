"""What is said to one runner, what it says, and the runs that it was told of.

The scheduler's thread and that of the link share it; nothing here waits.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from jobschedd.runner.wire import Frames, pack

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence


class Line:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards all but `_frames`, which the link's thread has for itself."""
        self._socket: socket.socket | None = None
        self._queue: deque[tuple[bytes, list[str]]] = deque()
        """Frames that have not gone out, each with the runs that it starts."""
        self._offset = 0
        """How much of the first one has."""
        self._given: dict[str, int | None] = {}
        """The runs that the runner of now was told of and that have not ended, with their pids once known."""
        self._frames = Frames()

    @property
    def runner(self) -> socket.socket:
        assert self._socket is not None, "the line is open"
        return self._socket

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(
        self, runner: socket.socket, greeting: Sequence[dict[str, Any]], frames: Frames, given: dict[str, int | None]
    ) -> None:
        """Speak with this runner from now on; what waited to be said comes after the greeting."""
        runner.setblocking(False)
        self._frames = frames
        with self._lock:
            self._socket = runner
            self._given = given
            self._queue.extendleft((pack(words), []) for words in reversed(greeting))
            self._flush()

    def close(self) -> dict[str, int | None]:
        """The runner is gone; the runs that went with it, and their pids. Orders that it has not heard are kept."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            if self._offset:
                # Half a frame is none to the runner, but who knows; in doubt a run is lost, never started twice.
                _, run_ids = self._queue.popleft()
                self._given.update(dict.fromkeys(run_ids))
                self._offset = 0
            # What was said to the dead one alone means nothing to the next.
            self._queue = deque((frame, run_ids) for frame, run_ids in self._queue if run_ids)
            given, self._given = self._given, {}
        return given

    def say(self, words: dict[str, Any], run_ids: Iterable[str] = ()) -> bool:
        """Put an order on its way; whether all has gone. `run_ids`: the runs that it starts."""
        frame = pack(words)
        with self._lock:
            self._queue.append((frame, list(run_ids)))
            return self._flush()

    def flush(self) -> bool:
        """Send what the socket takes; whether that was all."""
        with self._lock:
            return self._flush()

    def _flush(self) -> bool:
        while self._queue and self._socket is not None:
            frame, run_ids = self._queue[0]
            try:
                self._offset += self._socket.send(frame[self._offset :])
            except OSError:
                return False  # full, or dead: who hears finds out which
            if self._offset == len(frame):
                self._queue.popleft()
                self._offset = 0
                self._given.update(dict.fromkeys(run_ids))
        return not self._queue

    def hear(self) -> list[dict[str, Any]] | None:
        """What has come; None: the runner is gone."""
        try:
            piece = self.runner.recv(1 << 18)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return self._frames.feed(piece) if piece else None

    def has(self, run_id: str) -> bool:
        with self._lock:
            return run_id in self._given

    def note_started(self, pids: dict[str, int]) -> None:
        with self._lock:
            self._given.update(pids)

    def forget(self, run_id: str) -> None:
        """It has ended."""
        with self._lock:
            self._given.pop(run_id, None)
