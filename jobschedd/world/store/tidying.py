"""Keeps the record as small as it is to be, in pieces of milliseconds."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from jobschedd.model.run import make_run_id
from jobschedd.world.store.statement import SQL

if TYPE_CHECKING:
    from jobschedd.model.run import Instant

_LAST = 2**63 - 1

Query = Callable[..., sqlite3.Cursor]

CHUNK = 200
"""Rows that are deleted at once at most."""

PIECE = 0.005
"""Seconds that rows are looked for at once, and then deleted."""

FEW = 16
"""Pages that are given back to the disk at once."""

STEP = 10_000
"""Rows of a job that are passed at once, some two milliseconds: those that are to be kept."""

MANY = 100
"""New rows of a job after which its number is looked at."""


class Tidying:
    def __init__(self) -> None:
        self._written: Counter[str] = Counter()
        """Rows by job, since its number was looked at."""
        self._full: dict[str, None] = {}
        """Jobs whose number is to be looked at, in order."""
        self._cursor: str | None = ""
        """The last of all jobs that was put there; None: all were."""
        self._walks: dict[tuple[str, str], tuple[Instant, int]] = {}
        """By what is looked for and job: below which instant, and how many of the newer rows are still to be passed."""
        self._forget_before = 0

    def piece(self, query: Query, before: Instant, per_job: int) -> bool:
        """Delete a few rows; whether more may be left.

        A job stays accounted for up to the newest row that was deleted: what ran once does not run again because its
        row is gone.
        """
        try:
            self._forget_before = before
            oldest = make_run_id(before, 0)
            runs = query(SQL.old_runs, (oldest, CHUNK)).fetchall()
            passed = query(SQL.old_passed, (oldest, CHUNK)).fetchall()
            enough = monotonic() + PIECE
            while len(runs) + len(passed) < CHUNK and (job_id := self._next_to_look_at(query)):
                runs += self._excess(query, SQL.skip_runs, SQL.excess_runs, job_id, per_job)
                passed += self._excess(query, SQL.skip_passed, SQL.excess_passed, job_id, per_job)
                if monotonic() >= enough:
                    break
            if not runs and not passed:
                return bool(self._full or self._cursor is not None)
            query("BEGIN IMMEDIATE")
            enough = monotonic() + PIECE
            for forget, found in ((SQL.forget_run, runs), (SQL.forget_passed, passed)):
                rows = iter(found)
                for run_id, job_id, instant in rows:
                    query(forget, (run_id,))
                    query(SQL.forget_up_to, (instant, job_id))
                    if monotonic() >= enough:
                        break
                self._full.update((job_id, None) for _, job_id, _ in rows)  # they are looked for again
            for _ in range(FEW):
                query("PRAGMA incremental_vacuum(1)")  # of more than one page sqlite3 gives back the first alone
            query("COMMIT")
        except sqlite3.Error:
            # Not now: the next write tells what is wrong.
            with suppress(sqlite3.Error):
                query("ROLLBACK")
            return False
        return True

    def _excess(
        self, query: Query, skip: str, excess: str, job_id: str, per_job: int
    ) -> list[tuple[str, str, Instant]]:
        """Some of its rows that are more than so many. Where there may be others it is looked at again."""
        below, left = self._walks.pop((excess, job_id), (_LAST, per_job))
        if left:
            step = min(left, STEP)
            newer = query(skip, {"job": job_id, "below": below, "more": step - 1}).fetchone()
            if newer is None:
                return []
            below, left = newer[0], left - step
        found = [] if left else query(excess, {"job": job_id, "below": below, "most": CHUNK}).fetchall()
        if left or len(found) == CHUNK:
            self._walks[excess, job_id] = below, left
            self._full[job_id] = None
        return found

    def _next_to_look_at(self, query: Query) -> str | None:
        """A job that many rows were written of; and once after the start each of them. None: all were."""
        if not self._full and self._cursor is not None:
            some = [job_id for (job_id,) in query(SQL.jobs_after, {"after": self._cursor, "most": CHUNK})]
            self._full.update(dict.fromkeys(some))
            self._cursor = some[-1] if some else None
            if not some:
                query(SQL.forget_versions, (self._forget_before,))
                query(SQL.forget_doubted, (self._forget_before,))
        for job_id in self._full:
            del self._full[job_id]
            return job_id
        return None

    def count(self, job_id: str) -> None:
        """A row of this job was written."""
        self._written[job_id] += 1
        if self._written[job_id] >= MANY:
            del self._written[job_id]
            self._full[job_id] = None
