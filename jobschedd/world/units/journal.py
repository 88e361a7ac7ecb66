"""What systemd's own child has said where it could not become the program.

Its exit status alone does not tell: a program may exit with the same numbers, and systemd before 256 may learn of that
end before it learns that the program ran.
"""

from __future__ import annotations

import os
import time

SPAWN_FAILED = "641257651c1b4ec9a8624d7a40a9e1e7"
"""SD_MESSAGE_SPAWN_FAILED of sd-messages(3)."""

TRIES = 5
BETWEEN = 0.01
"""Seconds: the child has spoken before it ended, but the journal may be a little behind."""


def why_not_spawned(unit: str) -> str | None:
    """Its words; empty: it has said nothing, so the program ran. None: there is no journal that could tell."""
    # Only where a start seems to have failed.
    from systemd import journal  # noqa: PLC0415

    field = "UNIT" if os.geteuid() == 0 else "USER_UNIT"
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BETWEEN)
        try:
            with journal.Reader() as reader:
                reader.this_boot()
                reader.add_match(**{"MESSAGE_ID": SPAWN_FAILED, field: unit})
                for entry in reader:
                    return str(entry["MESSAGE"]).removeprefix(f"{unit}: ")
                if not reader.has_runtime_files() and not reader.has_persistent_files():
                    return None
        except OSError:
            return None
    return ""
