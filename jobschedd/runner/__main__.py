"""The runner's one loop: orders come in, runs start and end, answers go out.

Started by the daemon as `python -I -m jobschedd.runner FD LISTENER`: its end of a socket pair, and the socket on which
the next daemon will call when this one is gone. One thread, one selector, nothing that blocks. A pidfd for each run would still need SIGCHLD for the orphans that we inherit as
child subreaper, so SIGCHLD wakes the loop for both; a child of ours keeps its number until it is reaped, so
signalling it by number is safe. Processes that are not ours are signalled by pidfd (tree.py).
"""

from __future__ import annotations

import gc
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any

from jobschedd.runner import tree
from jobschedd.runner.launch import CannotStart, NoRoom, start
from jobschedd.runner.output import Pipe, Pipes, open_journal
from jobschedd.runner.standing import above, stand_alone, wake_on_sigchld
from jobschedd.runner.wire import VERSION, Frames, pack

SLICE = 16
"""Starts between two looks at everything else."""

TRY_AGAIN = 0.25
"""Seconds after which a start that found no room is tried again, if no run has ended before."""

LEFTOVER_GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL for what a run leaves behind."""


def _now() -> int:
    """Wall clock in microseconds. This process has no clock room: the only clock it reads is the record's."""
    return time.time_ns() // 1_000


class _Run:
    __slots__ = ("at", "note", "pid", "pipe", "run_id")

    def __init__(self, run_id: str, pid: int, pipe: Pipe | None, note: dict[str, Any]) -> None:
        self.run_id = run_id
        self.pid = pid
        self.pipe = pipe
        """None where its output goes to the journal by itself."""
        self.note = note
        """What the next daemon wants to know of it."""
        self.at = _now()


class Runner:
    def __init__(self, daemon: socket.socket, listener: socket.socket, soft_files: int) -> None:
        self._daemon: socket.socket | None = daemon
        self._listener = listener
        self._soft_files = soft_files
        self._frames = Frames()
        self._outgoing = bytearray()
        self._journal: str | None = None
        self._waiting: deque[dict[str, Any]] = deque()
        self._no_room_until = 0.0
        self._runs: dict[str, _Run] = {}
        self._by_pid: dict[int, _Run] = {}
        self._unrecorded: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}
        """By run id: `refused` or `ended`, what was said of it, and its note; until a daemon has recorded it."""
        self._leftovers: dict[int, float] = {}
        """Orphans of runs that are over, and when they are killed."""
        self._deaths = False
        """Something has ended since the orphans were last looked at."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(daemon, selectors.EVENT_READ, self._hear)
        self._selector.register(listener, selectors.EVENT_READ, self._change_daemon)
        self._deaths_fd = wake_on_sigchld(soft_files)
        self._selector.register(self._deaths_fd, selectors.EVENT_READ, self._reap)
        self._pipes = Pipes(self._selector, self._say)
        self._greet()

    def serve(self) -> None:
        """Until the daemon is gone and nothing is left to be told to the next one."""
        while self._daemon is not None or self._runs or self._waiting or self._leftovers or self._unrecorded:
            for key, events in self._selector.select(self._patience()):
                if events & selectors.EVENT_WRITE:
                    self._flush()
                if events & selectors.EVENT_READ:
                    key.data()
            self._start_some()
            self._end_leftovers()
            self._flush()

    def _patience(self) -> float | None:
        """Seconds until there is something to do without being woken."""
        now = time.monotonic()
        moments = [*self._leftovers.values()]
        if self._waiting:
            moments.append(self._no_room_until)
        return max(0.0, min(moments) - now) if moments else None

    # -- the daemon ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
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
            self._lose_daemon()
            return
        for order in self._frames.feed(piece):
            self._obey(order)

    def _greet(self) -> None:
        runs = [{"run": run.note, "pid": run.pid, "at": run.at} for run in self._runs.values()]
        runs += [{"run": order["run"], "pid": None, "at": None} for order in self._waiting]
        runs += [{"run": note, "pid": None, "at": note.get("began")} for _, _, note in self._unrecorded.values()]
        self._say({"hello": VERSION, "pid": os.getpid(), "runs": runs})
        for kind, answer, _ in self._unrecorded.values():
            self._say({kind: [answer]})

    def _change_daemon(self) -> None:
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
        self._selector.register(self._daemon, selectors.EVENT_READ, self._hear)
        self._greet()

    def _lose_daemon(self) -> None:
        if self._daemon is None:
            return
        self._selector.unregister(self._daemon)
        self._daemon.close()
        self._daemon = None
        self._outgoing.clear()
        self._pipes.nobody_hears()

    def _obey(self, order: dict[str, Any]) -> None:
        match order:
            case {"hello": version, "journal": journal}:
                if version != VERSION:
                    raise ValueError(f"cannot speak version {version} of the protocol; this runner speaks {VERSION}")
                self._journal = journal
            case {"start": starts}:
                self._waiting.extend(starts)
            case {"end": run_ids, "signal": number}:
                self._end(run_ids, number)
            case {"took": size}:
                self._pipes.took(size)
            case {"recorded": run_ids}:
                for run_id in run_ids:
                    self._unrecorded.pop(run_id, None)
            case {"orphans": orphans}:
                tree.end({orphan["run_id"]: _own(orphan) for orphan in orphans}, signal.SIGKILL)
            case _:
                raise ValueError(f"cannot obey an order with the keys {', '.join(order)}")

    def _say(self, answer: dict[str, Any]) -> None:
        if self._daemon is not None:
            self._outgoing += pack(answer)

    def _flush(self) -> None:
        if self._daemon is None:
            return
        while self._outgoing:
            try:
                sent = self._daemon.send(self._outgoing, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except ConnectionError:
                self._lose_daemon()
                return
            del self._outgoing[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._daemon).events != wanted:
            self._selector.modify(self._daemon, wanted, self._hear)

    # -- starting ------------------------------------------------------------------------------------------------

    def _start_some(self) -> None:
        if not self._waiting or time.monotonic() < self._no_room_until:
            return
        started = []
        for _ in range(min(SLICE, len(self._waiting))):
            order = self._waiting[0]
            try:
                run = self._start(order)
            except NoRoom:
                # In order, and late rather than never: the next end of a run, or a moment, may make room.
                self._no_room_until = time.monotonic() + TRY_AGAIN
                break
            except CannotStart as error:
                self._refuse(order, str(error))
            else:
                started.append({"run_id": run.run_id, "pid": run.pid, "at": run.at})
            self._waiting.popleft()
        if started:
            self._say({"started": started})

    def _refuse(self, order: dict[str, Any], reason: str) -> None:
        answer = {"run_id": order["run_id"], "reason": reason}
        self._unrecorded[order["run_id"]] = ("refused", answer, order["run"])
        self._say({"refused": [answer]})

    def _start(self, order: dict[str, Any]) -> _Run:
        pipe = None
        output = open_journal(self._journal, order["job_id"]) if self._journal else None
        try:
            if output is None:
                read_end, output = _open_pipe(self._soft_files)
                pipe = Pipe(read_end, order["job_id"], order["run_id"])
            pid = start(order, output, self._soft_files)
        except BaseException:
            if pipe is not None:
                os.close(pipe.fd)
            raise
        finally:
            if output is not None:
                os.close(output)
        run = _Run(order["run_id"], pid, pipe, order["run"])
        self._runs[run.run_id] = run
        self._by_pid[pid] = run
        if pipe is not None:
            self._pipes.add(pipe)
        return run

    # -- ending --------------------------------------------------------------------------------------------------

    def _end(self, run_ids: list[str], number: int) -> None:
        for order in [order for order in self._waiting if order["run_id"] in run_ids]:
            self._waiting.remove(order)
            self._refuse(order, "stopped before it could start")
        tree.end({run_id: self._runs[run_id].pid for run_id in run_ids if run_id in self._runs}, number)

    def _reap(self) -> None:
        os.read(self._deaths_fd, 4096)
        ended = []
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if dead is None:
                break
            _, status, usage = os.wait4(dead.si_pid, 0)
            self._deaths = True
            self._leftovers.pop(dead.si_pid, None)
            run = self._by_pid.pop(dead.si_pid, None)
            if run is not None:
                ended.append(self._finish(run, status, usage))
        if ended:
            self._no_room_until = 0.0
            self._say({"ended": ended})

    def _finish(self, run: _Run, status: int, usage: resource.struct_rusage) -> dict[str, Any]:
        del self._runs[run.run_id]
        at = _now()
        if run.pipe is not None:
            self._pipes.finish(run.pipe)
        code = os.waitstatus_to_exitcode(status)
        answer = {
            "run_id": run.run_id,
            "at": at,
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "cpu_usec": round((usage.ru_utime + usage.ru_stime) * 1_000_000),
            "memory_peak": usage.ru_maxrss * 1024,
        }
        self._unrecorded[run.run_id] = ("ended", answer, run.note | {"began": run.at})
        return answer

    def _end_leftovers(self) -> None:
        """End what runs have left behind: a run is over when its main process is.

        Only looked at after a death: that is when we inherit. A child of ours that is no run is an orphan of one.
        """
        if self._deaths:
            self._deaths = False
            for pid in tree.children():
                if pid not in self._by_pid and pid not in self._leftovers:
                    run_id = tree.run_of(pid)
                    if run_id is not None and run_id not in self._runs:
                        os.kill(pid, signal.SIGTERM)
                        self._leftovers[pid] = time.monotonic() + LEFTOVER_GRACE
        if self._leftovers:
            now = time.monotonic()
            for pid, deadline in self._leftovers.items():
                if deadline <= now:
                    os.kill(pid, signal.SIGKILL)
                    self._leftovers[pid] = now + LEFTOVER_GRACE


def _own(orphan: dict[str, Any]) -> int:
    """The main process of a run that was not ours; NOBODY where its number belongs to somebody else by now.

    The number may be of an earlier boot. What tells a run's processes then is the id in their environment.
    """
    pid = orphan["pid"]
    return pid if pid is not None and tree.run_of(pid) == orphan["run_id"] else tree.NOBODY


def _open_pipe(soft_files: int) -> tuple[int, int]:
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


def main() -> None:
    soft_files = stand_alone()
    daemon = socket.socket(fileno=above(int(sys.argv[1]), soft_files))
    daemon.setblocking(False)
    listener = socket.socket(fileno=above(int(sys.argv[2]), soft_files))
    listener.setblocking(False)
    runner = Runner(daemon, listener, soft_files)
    # Fork copies page tables; a collector that wanders through old objects makes it copy the pages too.
    gc.freeze()
    runner.serve()


if __name__ == "__main__":
    main()
