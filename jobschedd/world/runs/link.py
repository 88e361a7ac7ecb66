"""The daemon's side of the runner process: starts it, speaks with it, starts it again."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING, Any

from jobschedd.model.message import RunEnded, RunnerFound, RunnerLost, RunRefused, RunStarted
from jobschedd.model.run import SECOND, Asked, Instant, Run
from jobschedd.runner.wire import VERSION, Frames, pack
from jobschedd.world.runs.forms import ending, found, order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobschedd.model.launch import Launch
    from jobschedd.model.record import Open
    from jobschedd.ports import Clock, Inbox

JOURNAL_STREAMS = "/run/systemd/journal/stdout"

PATIENCE = 5.0
"""Seconds in which a runner that works has answered a call."""

_SILENT: dict[str, Any] = {}

LIVED = 10 * SECOND
"""A runner that lived this long is taken to work."""

BACK_OFF = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Seconds before the next start, by how many died in a row before they had LIVED."""


class RunnerProcess:
    """Implements ports.Runner. `start` and `end` are called by the scheduler's thread and never wait."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        on_output: Callable[[str, str, str, Callable[[], None]], None],
        *,
        runtime_dir: str,
        journal: str | None = JOURNAL_STREAMS,
    ) -> None:
        """`runtime_dir`: where the runner waits for the next daemon. `on_output` gets job id, run id, a piece of text, and what to call once that is written.

        `journal`: where journald takes streams; None sends all output through `on_output`.
        """
        self._inbox = inbox
        self._clock = clock
        self._on_output = on_output
        self._call = os.path.join(runtime_dir, "runner")
        self._journal = journal
        self._lock = threading.Lock()
        """Guards the four below, which the scheduler's thread and ours share."""
        self._socket: socket.socket | None = None
        self._queue: deque[tuple[bytes, list[str]]] = deque()
        """Frames that have not gone out, each with the runs that it starts."""
        self._offset = 0
        """How much of the first one has."""
        self._given: dict[str, int | None] = {}
        """The runs that the runner of now was told of and that have not ended, with their pids once known."""
        self._process: subprocess.Popen[bytes] | None = None
        """None for one that another daemon has started."""
        self._pid: int | None = None
        self._began = 0
        self._deaths = 0
        self._frames = Frames()
        self._unheard: list[dict[str, Any]] = []
        """What a runner that was found has said after its greeting."""
        self._closing = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._serve, name="runner-link", daemon=True)

    @property
    def pid(self) -> int | None:
        return self._pid

    def open(self, orphans: Sequence[Open] = ()) -> None:
        """Find the runner of the daemon before us, or start one, and the thread that hears it.

        `orphans`: what was running when the last daemon ended. Without its runner nobody watches them: they are ended.
        """
        greeting = self._find()
        if greeting is _SILENT:
            # Whatever it is, its runs are its own: they are left alone, and we begin anew beside it.
            with suppress(OSError):
                os.rename(self._call, f"{self._call}.left")
            self._begin([])
            self._inbox.put(RunnerFound())
        elif greeting is None:
            lost = [{"run_id": claim.run.run_id, "pid": claim.pid} for claim in orphans]
            self._begin(lost)
            self._inbox.put(RunnerFound())
        else:
            self._inbox.put(RunnerFound(tuple(found(run) for run in greeting["runs"])))
            self._given = {run["run"]["run_id"]: run["pid"] for run in greeting["runs"]}
        self._thread.start()

    def _find(self) -> dict[str, Any] | None:
        """Call the runner of the daemon before us; what it says it has. None: there is none.

        _SILENT: there is one, but it does not answer, or in words of another version.
        """
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(PATIENCE)
        messages: list[dict[str, Any]] = []
        try:
            ours.connect(self._call)
            _, uid, _ = struct.unpack("3i", ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.geteuid():
                raise ConnectionError
            while not messages:
                piece = ours.recv(1 << 18)
                if not piece:
                    raise ConnectionError
                messages = self._frames.feed(piece)
        except (FileNotFoundError, ConnectionRefusedError):
            ours.close()
            return None
        except (OSError, ValueError):
            ours.close()
            self._frames = Frames()
            return _SILENT
        greeting, *self._unheard = messages
        if greeting.get("hello") != VERSION:
            ours.close()
            self._frames, self._unheard = Frames(), []
            return _SILENT
        ours.setblocking(False)
        self._pid = greeting["pid"]
        self._began = self._clock.elapsed()
        with self._lock:
            self._socket = ours
            self._queue.append((pack({"hello": VERSION, "journal": self._journal}), []))
            self._flush()
        return greeting

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Part from the runner. Runs go on; it ends by itself when none is left."""
        self._closing.set()
        self._wake()
        self._thread.join(5)
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            # Not ours to wait for any more: it may have runs that take days.
            self._process.returncode = self._process.poll() or 0

    # -- what the scheduler asks ---------------------------------------------------------------------------------

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        self._send({"start": [order(*start) for start in runs]}, [run.run_id for run, _, _ in runs])

    def end(self, run_ids: Sequence[str], signal: int, why: Asked = Asked.STOPPED) -> None:
        self._send({"end": list(run_ids), "signal": signal, "why": why})

    def forget(self, run_ids: Sequence[str]) -> None:
        self._send({"recorded": list(run_ids)})

    def _send(self, words: dict[str, Any], run_ids: Sequence[str] = ()) -> None:
        """Put an order on its way: at once where the socket takes it, else by our thread."""
        frame = pack(words)
        with self._lock:
            self._queue.append((frame, list(run_ids)))
            self._flush()
            left = bool(self._queue)
        if left:
            self._wake()

    def _flush(self) -> None:
        """Send what the socket takes. The lock is held."""
        while self._queue and self._socket is not None:
            frame, run_ids = self._queue[0]
            try:
                self._offset += self._socket.send(frame[self._offset :])
            except OSError:
                return  # full, or dead: our thread finds out which
            if self._offset == len(frame):
                self._queue.popleft()
                self._offset = 0
                self._given.update(dict.fromkeys(run_ids))

    def _wake(self) -> None:
        # A full pipe has woken the thread often enough.
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    # -- our thread ----------------------------------------------------------------------------------------------

    def _begin(self, orphans: list[dict[str, Any]]) -> None:
        """Start a runner. It gets no ^C of a terminal, no environment of ours, and one descriptor."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with its, self._listen() as listener:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "jobschedd.runner", str(its.fileno()), str(listener.fileno())],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in ("LANG", "PATH") if name in os.environ},
                pass_fds=(its.fileno(), listener.fileno()),
                start_new_session=True,
            )
        self._pid = self._process.pid
        self._frames = Frames()
        ours.setblocking(False)
        self._began = self._clock.elapsed()
        greeting: list[dict[str, Any]] = [{"hello": VERSION, "journal": self._journal}]
        if orphans:
            greeting.append({"orphans": orphans})
        with self._lock:
            self._socket = ours
            self._queue.extendleft((pack(words), []) for words in reversed(greeting))
            self._flush()

    def _listen(self) -> socket.socket:
        """Where the next daemon will call. 0600 by our umask: nobody else's business."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(FileNotFoundError):
            os.unlink(self._call)
        # Where that is not possible the runner listens on a socket without a name: the next daemon will not find it.
        with suppress(OSError):
            listener.bind(self._call)
        with suppress(OSError):
            listener.listen(1)
        return listener

    def _serve(self) -> None:
        for answer in self._unheard:
            self._take(answer)
        self._unheard = []
        while not self._closing.is_set():
            self._hear_until_it_ends()
            if not self._closing.is_set():
                self._begin(self._bury())

    def _hear_until_it_ends(self) -> None:
        assert self._socket is not None
        frames = self._frames
        with DefaultSelector() as selector:
            selector.register(self._wake_read, EVENT_READ)
            selector.register(self._socket, EVENT_READ)
            while not self._closing.is_set():
                with self._lock:
                    self._flush()
                    wanted = EVENT_READ | (EVENT_WRITE if self._queue else 0)
                selector.modify(self._socket, wanted)
                for key, _ in selector.select():
                    if key.fd == self._wake_read:
                        with suppress(BlockingIOError):
                            os.read(self._wake_read, 4096)
                try:
                    piece = self._socket.recv(1 << 18)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    piece = b""
                if not piece:
                    return
                for answer in frames.feed(piece):
                    self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        """Turn one answer of the runner into messages."""
        match answer:
            case {"started": started}:
                with self._lock:
                    self._given.update((run["run_id"], run["pid"]) for run in started)
                for run in started:
                    self._inbox.put(RunStarted(run["run_id"], run["pid"], run["at"]))
            case {"refused": refused}:
                for run in refused:
                    self._forget(run["run_id"])
                    self._inbox.put(RunRefused(run["run_id"], run["reason"]))
            case {"ended": ended}:
                for run in ended:
                    self._forget(run["run_id"])
                    self._inbox.put(RunEnded(run["run_id"], run["at"], ending(run)))
            case {"output": run_id, "job": job_id, "text": text, "size": size}:
                self._on_output(job_id, run_id, text, lambda: self._send({"took": size}))

    def _forget(self, run_id: str) -> None:
        with self._lock:
            self._given.pop(run_id, None)

    def _bury(self) -> list[dict[str, Any]]:
        """Take leave of a runner that has died: say so, and wait as long as its like have deserved.

        The processes of its runs, for the next one to end.
        """
        assert self._socket is not None
        reason = _how_it_ended(self._process) if self._process else "its end was not ours to see"
        with self._lock:
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
        self._inbox.put(RunnerLost(reason, tuple(given)))
        lived = self._clock.elapsed() - self._began
        self._deaths = 1 if lived >= LIVED else self._deaths + 1
        self._closing.wait(BACK_OFF[min(self._deaths - 1, len(BACK_OFF) - 1)])
        return [{"run_id": run_id, "pid": pid} for run_id, pid in given.items()]


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """In words. A runner that closed its socket and lives on is no use to anybody."""
    try:
        code = process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
