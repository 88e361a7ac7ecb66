"""A run as the runner has it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jobschedd.runner import tree

if TYPE_CHECKING:
    from jobschedd.runner.output import Pipe


class Run:
    __slots__ = (
        "asked",
        "at",
        "begun",
        "heard",
        "leaves_children",
        "made_at",
        "note",
        "order",
        "over",
        "pid",
        "pipe",
        "run_id",
        "stood_still",
        "told",
        "withdrawn",
    )

    def __init__(self, order: dict[str, Any], pid: int, pipe: Pipe | None, told: int | None) -> None:
        self.order = order
        """Empty once it has begun: it may be large."""
        self.run_id: str = order["run_id"]
        self.note: dict[str, Any] = order["run"]
        """What the next daemon wants to know of it."""
        self.leaves_children: bool = order["leave_children"]
        self.pid = pid
        self.pipe = pipe
        """None where its output goes to the journal by itself."""
        self.told = told
        """Where a forked child says how it goes; None: no more is to be heard."""
        self.heard = b""
        self.at = 0
        """When it began, by the wall clock, microseconds; 0: it has not."""
        self.made_at = time.monotonic()
        self.begun = tree.ticks()
        """By the clock of births. Its process may be some milliseconds older: several are started before they are told."""
        self.asked = ""
        """Why it was asked to end."""
        self.withdrawn = False
        """It is to end before it has begun."""
        self.stood_still = False
        """It had been stopped when it was asked to end."""
        self.over = False
        """Its main process has ended."""

    def begin(self, at: int) -> None:
        self.at = at
        self.order = {}
