"""Looks through a record that is too large for the start of the daemon, beside everything else."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, suppress
from urllib.parse import quote

BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""What says that a file is no record any more."""


class Check(threading.Thread):
    """On a connection of its own, and behind all that has something to do: a gigabyte takes a second or more."""

    def __init__(self, path: str) -> None:
        super().__init__(name="record-check", daemon=True)
        self._path = path
        self.found = ""
        """What is wrong with it; empty: nothing, as far as it was looked through."""

    def run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            with closing(sqlite3.connect(f"file:{quote(self._path)}?mode=ro", uri=True)) as db:
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            # Of anything else, a lock or a disk, whoever writes hears by itself.
            found = str(error) if getattr(error, "sqlite_errorcode", 0) & 0xFF in BROKEN else "ok"
        if found != "ok":
            self.found = found
