"""Writes the record: one file, one connection, one transaction for all that is handed over together."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from jobschedd.model.error import CannotRun
from jobschedd.model.record import (
    Claimed,
    Doubt,
    Doubted,
    Entry,
    Known,
    Passed,
    Past,
    RecordFailed,
)
from jobschedd.model.run import LAST_MOMENT
from jobschedd.world.store.checking import BROKEN, Check
from jobschedd.world.store.marker import Marker
from jobschedd.world.store.migration import bring_up_to_date
from jobschedd.world.store.rows import held, open_claim
from jobschedd.world.store.statement import SQL
from jobschedd.world.store.tidying import Tidying
from jobschedd.world.store.writing import back_to, put

if TYPE_CHECKING:
    from jobschedd.model.rows import Rows
    from jobschedd.model.run import Instant

NAME = "record.db"

PATIENCE = 0.05
"""Seconds that a write waits for somebody else's lock: the scheduler waits with it."""

CHECKED = 64 << 20
"""Bytes up to which a record is looked through before it is believed; a larger one is meanwhile."""

_PASSES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
"""What says nothing against the file."""


def record_path(setting: str | None, state_dir: str) -> str:
    """Where the record is: by the setting `store`, else in the state directory."""
    return setting.removeprefix("sqlite://") if setting else os.path.join(state_dir, NAME)


class SqliteStore:
    """Implements ports.Store. Used by one thread at a time."""

    def __init__(self, path: str, *, host: str, marker: Marker, renew: Callable[[], None] = lambda: None) -> None:
        """`renew`: makes the state directory again where it is gone."""
        self._path = path
        self._renew = renew
        self._host = host
        self._marker = marker
        self._boot_id = ""
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._tidying = Tidying()
        self._check: Check | None = None

    # -- opening -------------------------------------------------------------------------------------------------

    def open(self, now: Instant, boot_id: str) -> Past:
        """Open the record, or begin one, and tell what it says. Raises CannotRun where a newer version wrote it.

        One that is spoilt is put aside under another name, never deleted, and a new one is begun. Raises RecordFailed
        where the file says nothing just now: the disk is full, or somebody has locked it.
        """
        self._boot_id = boot_id
        try:
            return self.read(now)
        except RecordFailed as error:
            if not error.broken:
                raise
            set_aside = self.set_aside(now)
            self._connect()
            # What was noted where the disk was full is of the record that is gone.
            return Past(set_aside=set_aside, doubt=self._marker.read())

    def read(self, now: Instant) -> Past:
        """What the record says. Raises RecordFailed, CannotRun."""
        if self._db is None:
            self._connect()
        return self._past(now, self._boot_id)

    def _connect(self) -> None:
        """Raises RecordFailed, CannotRun."""
        self.close()
        self._check = None
        self._renew()
        if os.path.islink(self._path):
            raise RecordFailed(f"{self._path} is a symbolic link; remove it")
        try:
            new = not os.path.exists(self._path) or not os.path.getsize(self._path)
            # 0600 whatever the umask: what ran, and how, is nobody else's.
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.fchmod(file, 0o600)
            os.close(file)
            db = sqlite3.connect(self._path, PATIENCE, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise RecordFailed(f"{self._path}: {error.strerror}") from None
        except sqlite3.Error as error:
            raise _failed(error) from None
        try:
            # A record may come from a backup, or from somebody else: nothing in it is run.
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA cell_size_check = ON")
            if new:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {CHECKED}")
            bring_up_to_date(db, self._path)
            if os.path.getsize(self._path) <= CHECKED:
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise RecordFailed(found, broken=True)
            else:
                self._check = Check(self._path)
        except sqlite3.Error as error:
            db.close()
            raise _failed(error) from None
        except ValueError as error:  # a text that is none
            db.close()
            raise RecordFailed(str(error), broken=True) from None
        except BaseException:
            db.close()
            raise
        self._db = db
        self._inode = _inode(self._path)
        if self._check is not None:
            self._check.start()

    def set_aside(self, now: Instant) -> str:
        """Give a record that cannot be used another name; which. Empty: it is not there any more."""
        self.close()
        there = os.path.lexists(self._path)
        aside = f"{self._path}.unusable-{now}"
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.rename(self._path + suffix, aside + suffix)
        return aside if there else ""

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    # -- the past ------------------------------------------------------------------------------------------------

    def _past(self, now: Instant, boot_id: str) -> Past:
        assert self._db is not None
        query = self._db.execute
        try:
            boot = query(SQL.past_boot, (boot_id,)).fetchone()
            seen = query(SQL.past_seen).fetchone()
            doubt = self._marker.read()
            certain = doubt.certain(now) if doubt else now
            facts = {"now": certain, "boot_id": boot_id, "boot": boot[0] if boot else None}
            owing: dict[str, Rows] = {}
            for job_id, first, last in query(SQL.past_owing):
                owing[job_id] = (*owing.get(job_id, ()), (first, last))
            known = {job_id: Known(*row) for job_id, *row in query(SQL.past_jobs, facts)}
            for job_id, one in known.items():
                if not (isinstance(job_id, str) and isinstance(one.digest, str) and isinstance(one.terms, str)):
                    raise TypeError(f"a version of {job_id!r}")
            ahead = self.ahead(certain)
            doubted: tuple[list[tuple[Instant, Instant]], ...] = ([], [])
            for first, last, presumed in query(SQL.past_doubted):
                doubted[bool(presumed)].append((first, last))
            moments = [one.accounted for one in known.values()]
            moments += [moment for rows in (*owing.values(), *doubted) for row in rows for moment in row]
            moments += [moment for instants in ahead.values() for moment in instants]
            moments += [row[0] for row in (seen, boot) if row]
            if strange := [
                moment for moment in moments if not (isinstance(moment, int) and 0 <= moment <= LAST_MOMENT)
            ]:
                raise ValueError(f"{strange[0]!r} is no moment")
            if any(first > last for rows in doubted for first, last in rows):
                raise ValueError("a span ends before it begins")
            return Past(
                seen_at=seen[0] if seen else None,
                known=known,
                # What a wrong clock has let come before its time comes again.
                owing={
                    job_id: tuple((first, min(last, certain)) for first, last in rows if first <= certain)
                    for job_id, rows in owing.items()
                },
                open=tuple(open_claim(row) for row in query(SQL.past_open)),
                waiting=tuple(held(row) for row in query(SQL.past_waiting)),
                ahead=ahead,
                doubted=Doubted(*map(tuple, doubted)),
                paused=frozenset(job_id for (job_id,) in query(SQL.past_paused)),
                boot=boot[0] if boot else None,
                doubt=doubt,
            )
        except sqlite3.Error as error:
            raise _failed(error) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordFailed(f"there are values in it that jobschedd does not write: {error}", broken=True) from None

    def ahead(self, now: Instant) -> dict[str, tuple[Instant, ...]]:
        """By job the instants that were started before their time. Raises RecordFailed."""
        if self._db is None:
            raise RecordFailed("the record is not open")
        try:
            rows = sorted(set(self._db.execute(SQL.ahead, back_to(now))))
        except sqlite3.Error as error:
            raise _failed(error) from None
        return {job_id: tuple(row[1] for row in found) for job_id, found in groupby(rows, lambda row: row[0])}

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Write these in one transaction; it is durable when this returns. Raises RecordFailed, then none of it is.

        The run ids of claims that are not made, because the instant was claimed before.
        """
        if self._db is None:
            try:
                self._connect()
            except CannotRun as error:
                raise RecordFailed(str(error)) from None
        elif self._check is not None and self._check.found:
            self.close()
            raise RecordFailed(self._check.found, broken=True)
        elif _inode(self._path) != self._inode:
            # Deleted or replaced under us: what we would write would go with the old file.
            self.close()
            raise RecordFailed(f"{self._path} was taken away", broken=True)
        assert self._db is not None
        refused = set()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for entry in entries:
                if isinstance(entry, Claimed | Passed):
                    self._tidying.count(entry.run.job_id)
                if not put(self._db.execute, entry, self._host):
                    assert isinstance(entry, Claimed)
                    refused.add(entry.run.run_id)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            failed = _failed(error)
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _PASSES:
                # After an error of the disk the file is looked at anew before it is believed.
                self.close()
            raise failed from None
        return frozenset(refused)

    def tidy(self, before: Instant, per_job: int) -> bool:
        """Delete a few rows that are older than `before`, or more than `per_job` of their job; whether more may be left."""
        if self._db is None or self._inode != _inode(self._path):
            return False
        return self._tidying.piece(self._db.execute, before, per_job)

    # -- when it cannot be written -------------------------------------------------------------------------------

    def doubt(self, doubt: Doubt | None) -> bool:
        """Note, where the disk may be full, that starts are not written down; None: they are again.

        False: not even that could be noted.
        """
        with suppress(CannotRun, RecordFailed, OSError):
            self._renew()
        return self._marker.write(doubt)


def _inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _failed(error: sqlite3.Error) -> RecordFailed:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: a text in the file is none
        return RecordFailed(str(error), broken=isinstance(error, sqlite3.OperationalError))
    return RecordFailed(str(error), broken=code & 0xFF in BROKEN)
