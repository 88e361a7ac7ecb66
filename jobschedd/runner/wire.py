"""How daemon and runner speak: four bytes of length, big-endian, then that many bytes of JSON.

The daemon orders: `start`, `end`, `took`, `recorded`, `orphans`. The runner answers: `started`, `refused`, `ended`, `output`.
Each frame is one object with one of these keys; VERSION goes first, both ways, in a `hello`. The runner's hello says
what it has: `runs`, with the orders they were started by. What it has said to be `refused` or `ended` it says again to
each daemon that comes, until one has `recorded` it.
"""

from __future__ import annotations

import json
import struct
from typing import Any

VERSION = 3
LONGEST = 256 << 20
"""Bytes of a frame. 32 starts go together, each from a file of at most 1 MiB, whose letters may take six bytes here."""

_LENGTH = struct.Struct(">I")


def pack(message: dict[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Puts the pieces that a stream socket delivers together again."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        """The messages that are whole with this piece. Raises ValueError for what no peer of ours sends."""
        self._pieces += piece
        messages, position = [], 0
        while len(self._pieces) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pieces, position)
            if length > LONGEST:
                raise ValueError(f"cannot take a frame of {length} bytes; at most {LONGEST} are allowed")
            end = position + _LENGTH.size + length
            if len(self._pieces) < end:
                break
            message = json.loads(self._pieces[position + _LENGTH.size : end])
            if not isinstance(message, dict):
                raise ValueError("cannot take a frame that is not an object")
            messages.append(message)
            position = end
        del self._pieces[:position]
        return messages
