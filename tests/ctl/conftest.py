"""What meets jobctl in the tests: daemons that answer what they are given, and terminals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.test_daemon import Process

ROOT = Path(__file__).parents[2]
PATIENCE = 60

Serve = Callable[..., str]
Tell = Callable[[Mapping[str, Sequence[Mapping[str, Any]]]], str]


class Sockets:
    """Listeners in a runtime directory; each connection is served in a thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._listeners: list[socket.socket] = []

    def listen(self, converse: Callable[[socket.socket], None]) -> str:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.home / "io.jobschedd"))
        listener.listen()
        self._listeners.append(listener)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller, suppress(BrokenPipeError, ConnectionResetError):
                        converse(caller)

        threading.Thread(target=accept, daemon=True).start()
        return str(self.home)

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Sockets]:
    made = Sockets(tmp_path)
    yield made
    made.close()


@pytest.fixture
def serve(sockets: Sockets) -> Serve:
    """A daemon that answers every call with the same bytes; its runtime directory."""

    def begin(*pieces: bytes, hang_up: bool = True) -> str:
        def converse(caller: socket.socket) -> None:
            caller.recv(1 << 16)
            for piece in pieces:
                caller.sendall(piece)
            if not hang_up:
                caller.recv(1)

        return sockets.listen(converse)

    return begin


@pytest.fixture
def tell(sockets: Sockets) -> Tell:
    """A daemon that has an answer to each method, in as many replies as there are; its runtime directory."""

    def begin(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
        def converse(caller: socket.socket) -> None:
            heard = b""
            while piece := caller.recv(1 << 16):
                heard += piece
                while b"\0" in heard:
                    frame, _, heard = heard.partition(b"\0")
                    replies = answers[json.loads(frame)["method"].removeprefix("io.jobschedd.")]
                    for number, reply in enumerate(replies, 1):
                        message = {"parameters": reply, "continues": number < len(replies)}
                        caller.sendall(json.dumps(message).encode() + b"\0")

        return sockets.listen(converse)

    return begin


def jobctl(daemon: Process | str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """As a process, with its output in pipes. `daemon`: or a runtime directory."""
    return subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", *words], capture_output=True, text=True, check=False, timeout=PATIENCE,
        cwd=ROOT, env=_environment(daemon) | env, errors="surrogateescape",
    )  # fmt: skip


def on_a_terminal(daemon: Process | str, *words: str, columns: int = 80, **env: str) -> str:
    """What a terminal of that width gets."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "jobschedd.ctl", *words], stdin=its, stdout=its, stderr=its, cwd=ROOT,
        env=_environment(daemon) | {"TERM": "xterm"} | env,
    )  # fmt: skip
    os.close(its)
    said, deadline = b"", time.monotonic() + PATIENCE
    with suppress(OSError):  # EIO: nobody has the other end
        while time.monotonic() < deadline and select.select([ours], [], [], PATIENCE)[0]:
            said += os.read(ours, 65_536)
    process.wait(PATIENCE)
    os.close(ours)
    return said.decode()


def without_colours(text: str) -> str:
    """Without the escapes that are jobctl's own."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _environment(daemon: Process | str) -> dict[str, str]:
    if isinstance(daemon, str):
        return os.environ | {"JOBSCHEDD_RUNTIME_DIR": daemon}
    return os.environ | {"JOBSCHEDD_RUNTIME_DIR": str(daemon.runtime), "JOBSCHEDD_STATE_DIR": str(daemon.state)}
