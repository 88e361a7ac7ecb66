"""The daemon's side of the runner: finds or starts it, speaks with it, starts it again when it has died.

A runner of an older version is left its runs: their ends are heard, and it starts nothing more, while a new one beside
it does. One that cannot be understood is left alone.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING, Any

from jobschedd.model.message import RunEnded, RunnerFound, RunnerLost, RunRefused, RunStarted
from jobschedd.model.run import SECOND, Asked, Instant, Run
from jobschedd.runner.wire import VERSION, Frames
from jobschedd.world.runs.forms import ending, found, order
from jobschedd.world.runs.line import Line
from jobschedd.world.runs.process import NoAnswer, begin, call, how_it_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobschedd.model.launch import Launch
    from jobschedd.model.message import RunFound
    from jobschedd.model.record import Open
    from jobschedd.ports import Clock, Inbox
    from jobschedd.world.runs.process import Found

JOURNAL_STREAMS = "/run/systemd/journal/stdout"

LIVED = 10 * SECOND
"""A runner that lived this long is taken to work."""

BACK_OFF = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Seconds before the next start, by how many died in a row before they had LIVED."""


class RunnerProcess:
    """Implements ports.Runner. `start`, `end` and `forget` are called by the scheduler's thread and never wait."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        on_output: Callable[[str, str, str, Callable[[], None]], None],
        *,
        runtime_dir: str,
        journal: str | None = JOURNAL_STREAMS,
    ) -> None:
        """`runtime_dir`: where the runner waits for the next daemon. `journal`: where journald takes streams; None
        sends all output through `on_output`, which gets job id, run id, a piece of text, and what to call once that is
        written.
        """
        self._inbox = inbox
        self._clock = clock
        self._on_output = on_output
        self._call = os.path.join(runtime_dir, "runner")
        self._left = f"{self._call}.left"
        """Where a runner of another version is called."""
        self._journal = journal
        self._line = Line()
        self._drained: Line | None = None
        """To a runner of an older version."""
        self._unheard: list[tuple[Line, dict[str, Any]]] = []
        """What was said before our thread listened."""
        self._process: subprocess.Popen[bytes] | None = None
        """None for one that another daemon has started."""
        self._pid: int | None = None
        self._began = 0
        self._deaths = 0
        self.controllers: frozenset[str] = frozenset()
        """The cgroup controllers by which its runs can be limited."""
        self._closing = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._serve, name="runner-link", daemon=True)

    @property
    def pid(self) -> int | None:
        return self._pid

    def open(self, orphans: Sequence[Open] = (), beside: Sequence[RunFound] = ()) -> None:
        """Find the runner of the daemon before us, or start one, and the thread that hears it.

        `beside`: what else was found to go on, to be told together with its runs.
        `orphans`: what was running when the last daemon ended. Without its runner nobody watches them: they are ended.
        """
        there = silent = None
        try:
            there = call(self._call)
        except NoAnswer:
            silent = self._call
        if silent or (there is not None and there.version != VERSION):
            # Its runs are its own. Where it listens the one that we start has to; the next daemon looks there, too.
            with suppress(OSError):
                os.rename(self._call, self._left)
        known = []
        if there is not None and there.version == VERSION:
            known.append(there)
            self._pid, self._began = there.pid, self._clock.elapsed()
            self.controllers = frozenset(there.controllers)
            self._take_over(there, self._line)
        before = there if there is not None and there.version != VERSION else self._find_left()
        if before is not None:
            known.append(before)
            self._drained = Line()
            self._take_over(before, self._drained)
        ours = tuple(found(run) for runner in known for run in runner.runs)
        self._inbox.put(RunnerFound((*ours, *beside)))
        if not self._line.is_open:
            theirs = {run["run"]["run_id"] for runner in known for run in runner.runs}
            lost = [claim for claim in orphans if claim.run.run_id not in theirs and not silent]
            self._begin([{"run_id": claim.run.run_id, "pid": claim.pid} for claim in lost])
        self._thread.start()

    def _find_left(self) -> Found | None:
        with suppress(NoAnswer):
            return call(self._left)
        return None

    def _take_over(self, there: Found, line: Line) -> None:
        self._unheard += [(line, answer) for answer in there.unheard]
        given = {run["run"]["run_id"]: run["pid"] for run in there.runs}
        line.open(there.socket, [{"hello": there.version, "journal": self._journal}], there.frames, given)

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Part from the runner. Runs go on; it ends by itself when none is left."""
        self._closing.set()
        self._wake()
        self._thread.join(5)
        for line in self._lines():
            line.runner.close()
        if self._process is not None:
            # Not ours to wait for any more: it may have runs that take days.
            self._process.returncode = self._process.poll() or 0

    def _lines(self) -> Iterable[Line]:
        return [line for line in (self._line, self._drained) if line is not None and line.is_open]

    # -- what the scheduler asks ---------------------------------------------------------------------------------

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        self._say(self._line, {"start": [order(*start) for start in runs]}, [run.run_id for run, _, _ in runs])

    def end(self, run_ids: Sequence[str], signal: int, why: Asked = Asked.STOPPED) -> None:
        for line, ids in self._by_line(run_ids):
            self._say(line, {"end": ids, "signal": signal, "why": why})

    def forget(self, run_ids: Sequence[str]) -> None:
        """Each runner forgets what it knows, and does not mind the others."""
        for line in self._lines():
            self._say(line, {"recorded": list(run_ids)})

    def _by_line(self, run_ids: Sequence[str]) -> Iterable[tuple[Line, list[str]]]:
        drained = self._drained
        old = [run_id for run_id in run_ids if drained is not None and drained.has(run_id)]
        if drained is not None and old:
            yield drained, old
        if ours := [run_id for run_id in run_ids if run_id not in old]:
            yield self._line, ours

    def _say(self, line: Line, words: dict[str, Any], run_ids: Sequence[str] = ()) -> None:
        """At once where the socket takes it, else by our thread."""
        if not line.say(words, run_ids):
            self._wake()

    def _wake(self) -> None:
        # A full pipe has woken the thread often enough.
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    # -- our thread ----------------------------------------------------------------------------------------------

    def _begin(self, orphans: list[dict[str, Any]]) -> None:
        self._process, runner = begin(self._call)
        self._pid = self._process.pid
        self._began = self._clock.elapsed()
        greeting: list[dict[str, Any]] = [{"hello": VERSION, "journal": self._journal}]
        if orphans:
            greeting.append({"orphans": orphans})
        self._line.open(runner, greeting, Frames(), {})

    def _serve(self) -> None:
        for line, answer in self._unheard:
            self._take(line, answer)
        self._unheard = []
        while not self._closing.is_set():
            gone = self._hear_until_one_ends()
            if gone is self._line:
                self._begin(self._bury())
            elif gone is not None:
                self._drained = None
                self._lose(gone, "the older runner has ended")

    def _hear_until_one_ends(self) -> Line | None:
        """The line whose runner is gone; None: we are to stop."""
        with DefaultSelector() as selector:
            selector.register(self._wake_read, EVENT_READ)
            for line in self._lines():
                selector.register(line.runner, EVENT_READ, line)
            while not self._closing.is_set():
                for line in self._lines():
                    selector.modify(line.runner, EVENT_READ if line.flush() else EVENT_READ | EVENT_WRITE, line)
                for key, _ in selector.select():
                    if key.data is None:
                        with suppress(BlockingIOError):
                            os.read(self._wake_read, 4096)
                        continue
                    answers = key.data.hear()
                    if answers is None:
                        return key.data  # type: ignore[no-any-return]  # what was registered is a line
                    for answer in answers:
                        self._take(key.data, answer)
        return None

    def _take(self, line: Line, answer: dict[str, Any]) -> None:
        """Turn one answer of a runner into messages."""
        match answer:
            case {"hello": _, "controllers": controllers}:
                if line is self._line:
                    self.controllers = frozenset(controllers)
            case {"started": started}:
                line.note_started({run["run_id"]: run["pid"] for run in started})
                for run in started:
                    self._inbox.put(RunStarted(run["run_id"], run["pid"], run["at"]))
            case {"refused": refused}:
                for run in refused:
                    line.forget(run["run_id"])
                    self._inbox.put(RunRefused(run["run_id"], run["reason"]))
            case {"ended": ended}:
                for run in ended:
                    line.forget(run["run_id"])
                    self._inbox.put(RunEnded(run["run_id"], run["at"], ending(run)))
            case {"output": run_id, "job": job_id, "text": text, "size": size}:
                self._on_output(job_id, run_id, text, lambda: self._say(line, {"took": size}))

    def _bury(self) -> list[dict[str, Any]]:
        """Take leave of a runner that has died: say so, and wait as long as its like have deserved.

        The processes of its runs, for the next one to end.
        """
        reason = how_it_ended(self._process) if self._process else "its end was not ours to see"
        given = self._lose(self._line, reason)
        lived = self._clock.elapsed() - self._began
        self._deaths = 1 if lived >= LIVED else self._deaths + 1
        self._closing.wait(BACK_OFF[min(self._deaths - 1, len(BACK_OFF) - 1)])
        return [{"run_id": run_id, "pid": pid} for run_id, pid in given.items()]

    def _lose(self, line: Line, reason: str) -> dict[str, int | None]:
        given = line.close()
        if line is self._line or given:
            self._inbox.put(RunnerLost(reason, tuple(given)))
        return given
