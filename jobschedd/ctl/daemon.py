"""The daemon, as jobctl meets it: a socket that is called in Varlink. Standard library only: it is imported each time."""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jobschedd.model.places import places

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET = "io.jobschedd"

PATIENCE = 30.0
"""Seconds in which a daemon that works has answered."""

LONGEST = 64 << 20
"""Bytes of an answer; the daemon's own bound is far lower."""

USAGE = 2
NO_DAEMON = 3
NO_SUCH = 4
NOT_PERMITTED = 5

_CODES = {"NoSuchJob": NO_SUCH, "NothingNamed": NO_SUCH, "PermissionDenied": NOT_PERMITTED}
_CODES |= {"CannotRead": USAGE, "InvalidParameter": USAGE}


class Failed(Exception):  # noqa: N818 - what is said at the end
    """The daemon was not reached, or has refused. `code`: the exit code that says so."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Told(dict[str, Any]):
    """An object of an answer; what it should have and has not is the daemon's fault, and said."""

    def __missing__(self, key: str) -> Any:
        raise Failed(f'cannot understand the answer of the daemon, it has no "{key}": {_OTHER_VERSION}')


_OTHER_VERSION = "is it older than this jobctl? systemctl restart jobschedd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime-dir", metavar="DIR", help="where the daemon's socket is; default: the instance's own"
    )


def find(runtime_dir: str | None) -> str:
    """The socket: of the instance that is named, else the system's, else the user's own."""
    if named := runtime_dir or os.environ.get("JOBSCHEDD_RUNTIME_DIR"):
        return f"{named}/{SOCKET}"
    paths = [f"{each}/{SOCKET}" for each in _instances()]
    return next(filter(os.path.exists, paths), paths[0])


def _instances() -> list[str]:
    """Runtime directories: of the system's instance, and of the user's own."""
    own = [] if os.geteuid() == 0 else [places(os.environ, os.geteuid(), str(Path.home())).runtime_dir]
    return [places({}, 0, "/root").runtime_dir, *own]


def is_name(glob: str) -> bool:
    """Of one job, and no pattern."""
    return not set("*?[") & set(glob)


class Daemon:
    def __init__(self, runtime_dir: str | None = None, patience: float = PATIENCE) -> None:
        """Raises Failed."""
        self.path = find(runtime_dir)
        self._patience = patience
        self._received = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience)
        try:
            self._connect()
        except Failed:
            self._socket.close()
            raise

    def _connect(self) -> None:
        try:
            self._socket.connect(self.path)
        except PermissionError as error:
            raise Failed(f"cannot call {self.path}: {error.strerror}", NOT_PERMITTED) from None
        except BlockingIOError:
            raise Failed(f"cannot call {self.path}: too many callers wait there; try again") from None
        except OSError as error:
            raise Failed(
                f"cannot reach jobschedd at {self.path}: {error.strerror}; {_how_to_start(self.path)}", NO_DAEMON
            ) from None
        # Somebody else's socket in the place of the daemon's must not be told anything, nor believed.
        _, uid, _ = struct.unpack("3i", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()):
            raise Failed(f"cannot trust {self.path}: uid {uid} listens there, neither root nor you", NOT_PERMITTED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The one reply. Raises Failed."""
        self._send(method, parameters, more=False)
        return self._hear()[0]

    def replies(
        self, method: str, *, forever: bool = False, at_once: bool = False, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        """All replies. `forever`: the next one may take as long as it likes; `at_once`: but the first. Raises Failed."""
        self._send(method, parameters, more=True)
        continues = True
        while continues:
            told, continues = self._hear(forever=forever and not at_once)
            at_once = False
            yield told

    def _send(self, method: str, parameters: dict[str, Any], *, more: bool) -> None:
        given = {name: value for name, value in parameters.items() if value is not None}
        call = {"method": f"io.jobschedd.{method}", "parameters": given} | ({"more": True} if more else {})
        self._socket.settimeout(self._patience)
        with suppress(OSError):  # why is what is heard next
            self._socket.sendall(json.dumps(call).encode() + b"\0")

    def _hear(self, *, forever: bool = False) -> tuple[dict[str, Any], bool]:
        frame = self._frame(None if forever else time.monotonic() + self._patience)
        try:
            told = json.loads(frame, object_hook=Told)
            parameters = Told() if told.get("parameters") is None else told["parameters"]
            refused, continues = told.get("error"), bool(told.get("continues"))
        except (ValueError, AttributeError, RecursionError):
            told = parameters = None
        if not isinstance(parameters, Told):
            raise Failed("cannot understand the answer: is that jobschedd?")
        if refused is not None:
            raise _refusal(str(refused), parameters)
        return parameters, continues

    def _frame(self, deadline: float | None) -> bytes:
        """Up to the next NUL. A daemon that drips is as dead as one that is silent."""
        looked = 0
        while (end := self._received.find(b"\0", looked)) < 0:
            looked = len(self._received)
            if looked > LONGEST:
                raise Failed(f"cannot understand the answer: more than {LONGEST >> 20} MiB; is that jobschedd?")
            self._received += self._receive(deadline)
        frame = bytes(self._received[:end])
        del self._received[: end + 1]
        return frame

    def _receive(self, deadline: float | None) -> bytes:
        left = None if deadline is None else deadline - time.monotonic()
        try:
            if left is not None and left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            raise Failed(f"cannot get an answer from jobschedd: none in {self._patience:g} s") from None
        except OSError as error:
            raise Failed(f"cannot get an answer from jobschedd: {error.strerror}", NO_DAEMON) from None
        if not data:
            raise Failed("cannot get an answer from jobschedd: it has hung up; is it being stopped?", NO_DAEMON)
        return data


def _how_to_start(path: str) -> str:
    directory = os.path.dirname(path)
    if directory not in _instances():
        return f"nothing listens there; start it: jobschedd --runtime-dir {directory}"
    start = "start it: systemctl start jobschedd"
    return start if os.geteuid() == 0 else f"{start}, or your own: systemctl --user start jobschedd"


def _refusal(error: str, parameters: dict[str, Any]) -> Failed:
    name = error.rpartition(".")[2]
    match name:
        case "NoSuchJob":
            text = f"there is no job {parameters.get('job_id')}, or you may not see it; see: jobctl list"
        case "NothingNamed":
            text = f"there is neither a job nor a run {parameters.get('name')}, or you may not see it"
        case "PermissionDenied":
            text = "you may not: root and the members of the group jobschedd may"
        case "NotStarted":
            text = f"{parameters.get('job_id')} was not started: {parameters.get('reason')}"
        case "NoJournal":
            text = f"{parameters.get('text')}; when it ran, and how that ended: jobctl history"
        case "CannotRead":
            text = f"{parameters.get('parameter')}: {parameters.get('text')}"
        case "MethodNotFound" | "InvalidParameter":
            text = f"the daemon does not understand ({name}): {_OTHER_VERSION}"
        case _:
            text = str(parameters.get("text") or name)
    return Failed(text, _CODES.get(name, 1))
