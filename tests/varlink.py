"""Calls the socket of a daemon, as a client of anybody's making would."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Refusal(Exception):  # noqa: N818 - what the daemon answers
    def __init__(self, error: str, parameters: dict[str, Any]) -> None:
        super().__init__(error, parameters)
        self.error = error.rpartition(".")[2]
        self.parameters = parameters


class Client:
    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._rest = b""

    def send(self, method: str, *, more: bool = False, **parameters: Any) -> None:
        name = method if "." in method else f"io.jobschedd.{method}"
        call = {"method": name, "parameters": parameters} | ({"more": True} if more else {})
        self.socket.sendall(json.dumps(call).encode() + b"\0")

    def hear(self) -> tuple[dict[str, Any], bool]:
        """The next reply, and whether others follow. Raises Refusal."""
        while b"\0" not in self._rest:
            data = self.socket.recv(1 << 16)
            assert data, "the server has hung up"
            self._rest += data
        frame, _, self._rest = self._rest.partition(b"\0")
        told = json.loads(frame)
        if "error" in told:
            raise Refusal(told["error"], told["parameters"])
        return told["parameters"], told.get("continues", False)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.send(method, **parameters)
        answer, continues = self.hear()
        assert not continues
        return answer

    def follow(self, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        self.send(method, more=True, **parameters)
        continues = True
        while continues:
            answer, continues = self.hear()
            yield answer
