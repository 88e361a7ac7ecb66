"""The runner as a process: found, started, and how it has ended."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobschedd.runner.wire import VERSION, Frames

OLDEST = 2
"""The oldest version of the protocol in which the ends of runs can be heard."""

PATIENCE = 5.0
"""Seconds in which a runner that works has answered a call."""


TRIES = 3


class NoAnswer(Exception):  # noqa: N818 - it is what came
    """A runner is there, and does not answer, or in words of a version that we do not know."""


@dataclass(frozen=True, slots=True)
class Found:
    """The runner of the daemon before us."""

    socket: socket.socket
    version: int
    pid: int
    runs: list[dict[str, Any]]
    """What it has, and what it has kept for us."""
    controllers: list[str]
    """The cgroup controllers that it has."""
    unheard: list[dict[str, Any]]
    """What else it has said."""
    frames: Frames


def call(path: str) -> Found | None:
    """Call the runner that listens there; None: there is none. Raises NoAnswer."""
    for _ in range(TRIES):
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(PATIENCE)
        try:
            ours.connect(path)
            _, uid, _ = struct.unpack("3i", ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.geteuid():
                raise NoAnswer
            return _greet(ours)
        except (FileNotFoundError, ConnectionRefusedError):
            ours.close()
            return None
        except ConnectionError:
            ours.close()  # it was about to leave, having nothing to do
        except (OSError, ValueError, KeyError, TypeError):
            ours.close()
            raise NoAnswer from None
        except NoAnswer:
            ours.close()
            raise
    raise NoAnswer


def _greet(ours: socket.socket) -> Found:
    frames = Frames()
    messages: list[dict[str, Any]] = []
    while not messages:
        piece = ours.recv(1 << 18)
        if not piece:
            raise ConnectionResetError
        messages = frames.feed(piece)
    greeting, *unheard = messages
    if not OLDEST <= greeting["hello"] <= VERSION:
        raise ValueError(greeting["hello"])
    return Found(
        ours, greeting["hello"], greeting["pid"], greeting["runs"], greeting.get("controllers", []), unheard, frames
    )


def begin(path: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a runner that listens there for the next daemon; the line to it.

    It gets no ^C of a terminal, no environment of ours, and two descriptors.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with its, _listen(path) as listener:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "jobschedd.runner", str(its.fileno()), str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in ("LANG", "PATH") if name in os.environ},
            pass_fds=(its.fileno(), listener.fileno()),
            start_new_session=True,
        )
    return process, ours


def _listen(path: str) -> socket.socket:
    """Where the next daemon will call. 0600 by our umask: nobody else's business."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        os.unlink(path)
    # Where that is not possible the runner listens on a socket without a name: the next daemon will not find it.
    with suppress(OSError):
        listener.bind(path)
    with suppress(OSError):
        listener.listen(1)
    return listener


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """In words. A runner that closed its socket and lives on is no use to anybody."""
    try:
        code = process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
