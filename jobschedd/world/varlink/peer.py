"""Who is at the other end of a socket, in the kernel's words."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_SO_PEERGROUPS = 59
_MOST_GROUPS = 256
"""Python hands 1,024 bytes to getsockopt(2) at most. Who is in more groups than that is known by the first one."""


@dataclass(frozen=True, slots=True)
class Peer:
    """As it was when it connected. The pid may be somebody else's by now: it is for the log alone."""

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...]


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MOST_GROUPS)
    except OSError:
        told = b""
    return Peer(pid, uid, gid, struct.unpack(f"{len(told) // 4}I", told))
