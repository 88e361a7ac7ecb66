"""The one place that reads clocks and draws chance."""

from __future__ import annotations

import os
import time
from pathlib import Path
from zoneinfo import ZoneInfo

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SystemClock:
    """Implements ports.Clock on this machine's clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000

    def elapsed(self) -> int:
        # BOOTTIME goes on in suspend, so waking up is not mistaken for a step of the wall clock.
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000

    def run_id(self, now: int) -> str:
        """A ULID: 48 bits of milliseconds, 80 of chance, in Crockford's base 32."""
        number = (now // 1_000 << 80) | int.from_bytes(os.urandom(10), "big")
        return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def system_zone() -> ZoneInfo:
    """The zone that the machine keeps its local time in: $TZ, else /etc/localtime, else UTC."""
    name = os.environ.get("TZ", "").removeprefix(":")
    link = Path("/etc/localtime")
    if not name and link.is_symlink():
        name = str(link.readlink()).partition("zoneinfo/")[2]
    if name:
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            pass  # a TZ such as "CET-1CEST", or a zone that is not installed: the file itself still tells
    try:
        with link.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return ZoneInfo("UTC")
