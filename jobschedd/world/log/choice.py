"""Which log: the journal, text, or JSON lines."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from jobschedd.world.log.journal import Journal
from jobschedd.world.log.lines import JsonLines, TextLines
from jobschedd.world.log.writer import Log

if TYPE_CHECKING:
    from jobschedd.ports import Clock


def log_format(wanted: str, journal_stream: str) -> str:
    """What the settings say; `auto` is the journal where systemd has put it behind stderr ($JOURNAL_STREAM)."""
    if wanted != "auto":
        return wanted
    behind = os.fstat(sys.stderr.fileno())
    return "journal" if journal_stream == f"{behind.st_dev}:{behind.st_ino}" else "text"


def make_log(chosen: str, clock: Clock, level: str) -> Log:
    lines = JsonLines(sys.stderr) if chosen == "json" else TextLines(sys.stderr)
    sink = Journal(instead=lines) if chosen == "journal" else lines
    return Log(sink, clock, level)
