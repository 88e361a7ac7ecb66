"""One call, from its frame to its last reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobschedd.world.varlink.connection import Connection
    from jobschedd.world.varlink.peer import Peer

MOST_BYTES = 64 * 1024
"""Of one message, either way, with the NUL at its end."""

_KEYS = {"method": str, "parameters": dict, "more": bool, "oneway": bool, "upgrade": bool}


class Gone(Exception):  # noqa: N818 - no error: nobody is there any more to be told
    """The caller has left, or does not take what it asked for."""


class Refused(Exception):  # noqa: N818 - what the caller is told
    """A call is answered with this error."""

    def __init__(self, error: str, /, **parameters: Any) -> None:
        super().__init__(error)
        self.error = error
        self.parameters = parameters


class NotACall(ValueError):  # noqa: N818 - what came is none
    """What came is no call: whoever sent it does not speak this language."""


@dataclass(slots=True)
class Call:
    connection: Connection
    method: str
    parameters: Mapping[str, Any]
    more: bool
    """The caller takes several replies."""
    oneway: bool
    """The caller takes none."""
    answered: bool = False
    paid: float = 0.0
    """Up to where the processor time of the thread that answers has been charged."""
    pace: Callable[[], None] = lambda: None
    """What is to be done between two replies."""

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    @property
    def gone(self) -> bool:
        """Nobody waits for the answer any more."""
        return self.connection.closed

    def reply(self, parameters: Mapping[str, Any], *, continues: bool = False) -> None:
        """Waits while the caller takes nothing, or has had too much. Raises Gone."""
        if continues:
            self.pace()
        told: dict[str, Any] = {"parameters": parameters}
        if continues:
            told["continues"] = True
        self._tell(told, last=not continues)

    def refuse(self, error: Refused) -> None:
        """Raises Gone."""
        self._tell({"error": error.error, "parameters": error.parameters}, last=True)

    def _tell(self, told: Mapping[str, Any], *, last: bool) -> None:
        assert not self.answered, "there is one last reply"
        self.answered = last
        self.connection.send(b"" if self.oneway else encode(told), last=last)


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\0"


def decode(connection: Connection, frame: bytes) -> Call:
    """Raises NotACall with a sentence."""
    try:
        message = json.loads(frame, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotACall(f"cannot read the message as JSON: {error}") from None
    if not isinstance(message, dict) or "method" not in message:
        raise NotACall('cannot read the message as a call; write {"method": "io.jobschedd.Status"}')
    for key, value in message.items():
        kind = _KEYS.get(key)
        if kind is None or not (isinstance(value, kind) or (key == "parameters" and value is None)):
            raise NotACall(f"cannot read {json.dumps(key)[:80]} of the call")
    if message.get("upgrade"):
        raise NotACall("cannot upgrade the connection: nothing but Varlink is spoken here")
    more, oneway = bool(message.get("more")), bool(message.get("oneway"))
    return Call(connection, message["method"], message.get("parameters") or {}, more and not oneway, oneway)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
