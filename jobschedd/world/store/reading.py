"""Reads the record for people, on a connection of its own: nothing here can hold up a start."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from jobschedd.model.audit import Row, Start
from jobschedd.model.run import MINUTE, SECOND, show_instant
from jobschedd.world.store.statement import SQL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobschedd.model.run import Instant

_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of the record: a run, or instants that did not become runs."""

    run_id: str
    job_id: str
    scheduled_at: Instant
    first_at: Instant | None
    """Of a row of instants the first one; `scheduled_at` is the last. None: a run."""
    count: int | None
    attempt: int
    definition: str
    cause: str
    outcome: str
    reason: str | None
    pid: int | None
    started_at: Instant | None
    ended_at: Instant | None
    exit_code: int | None
    signal: int | None
    cpu_usec: int | None
    memory_peak: int | None
    host: str
    uid: int | None
    """Who asked for it, where somebody did."""
    labels: str | None
    """An object in JSON; None: none."""

    def told(self) -> dict[str, Any]:
        """With the names of the contract, each of them always; None: not known."""
        times = {
            "scheduled_at": self.scheduled_at,
            "first_scheduled_at": self.first_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
        }
        values = {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "definition": self.definition,
            "cause": self.cause,
            "uid": self.uid,
            "attempt": self.attempt,
            "pid": self.pid,
            "outcome": self.outcome,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "cpu_seconds": None if self.cpu_usec is None else self.cpu_usec / SECOND,
            "memory_peak": self.memory_peak,
            "host": self.host,
            "labels": json.loads(self.labels or "{}"),
            "instants": 1 if self.first_at is None else self.count,
        }
        return values | {name: None if instant is None else show_instant(instant) for name, instant in times.items()}


@dataclass(frozen=True, slots=True)
class Version:
    """What a job was for a while."""

    job_id: str
    digest: str
    path: str
    terms: str
    delay: int
    since: Instant
    until: Instant | None
    forgotten: Instant
    """Up to here rows may have been deleted."""


class UnreadableRecord(Exception):  # noqa: N818 - it is the record that is
    """In words, for whoever asked."""


class Reader:
    def __init__(self, path: str) -> None:
        """Raises UnreadableRecord."""
        try:
            self._db = sqlite3.connect(f"file:{quote(path)}?mode=ro", 5.0, uri=True)
            self._db.execute("PRAGMA trusted_schema = OFF")
            self._db.execute(SQL.past_seen)
        except sqlite3.Error as error:
            raise UnreadableRecord(
                f"cannot read the record {path}: {error}; give --state-dir, and the rights of whoever runs jobschedd"
            ) from None

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self) -> None:
        """Answer all that is asked from now on of one moment: rows are written and deleted meanwhile."""
        self._query("BEGIN")

    def _query(self, statement: str, values: Any = ()) -> list[Any]:
        """Raises UnreadableRecord."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise UnreadableRecord(f"cannot read the record: {error}") from None

    def seen_at(self) -> Instant | None:
        """Up to when the daemon is known to have decided."""
        found = self._query(SQL.past_seen)
        return found[0][0] if found else None

    def history(
        self,
        jobs: str,
        most: int,
        *,
        since: Instant = 0,
        until: Instant = _LAST,
        outcome: str | None = None,
    ) -> list[Happening]:
        """The newest rows, the oldest of them first. `jobs`: an id, or a pattern with `*`, `?`, `[…]`."""
        asked: dict[str, Any] = {"job": jobs, "since": since, "until": until, "outcome": outcome, "most": most}
        one = not set("*?[") & set(jobs)
        queries = (SQL.runs_of_job, SQL.passed_of_job) if one else (SQL.runs, SQL.passed)
        found = [Happening(*row) for query in queries for row in self._query(query, asked)]
        found.sort(key=lambda row: (row.scheduled_at, row.run_id) if one else (row.run_id,), reverse=True)
        return found[:most][::-1]

    def run(self, run_id: str) -> Happening | None:
        """One run."""
        found = self._query(SQL.run, {"run": run_id})
        return Happening(*found[0]) if found else None

    def run_at(self, job_id: str, pid: int, at: Instant) -> str | None:
        """The run of a job that wrote something at that time; `pid`: who wrote. None: it may have been several."""
        found = self._query(SQL.runs_before, {"job": job_id, "at": at})
        # What was written last may be read after the end: at once, or when a journal that was held up comes to it.
        late = [(run_id, main, ended) for run_id, main, _, ended in found if ended is None or at <= ended + MINUTE]
        going_on = [run_id for run_id, _, ended in late if ended is None or at <= ended]
        by_number = [run_id for run_id, main, _ in late if main == pid]
        if by_number or len(going_on) == 1:
            return str((by_number or going_on)[0])
        likely = not going_on and [run_id for run_id, _, ended in late if len(late) == 1 or at <= ended + SECOND]
        return str(likely[0]) if likely else None

    def last(self, job_ids: Sequence[str]) -> dict[str, Happening]:
        """The newest row of each of these jobs that has one."""
        asked = {"jobs": json.dumps(job_ids)}
        found: dict[str, Happening] = {}
        for row in (Happening(*row) for query in (SQL.last_runs, SQL.last_passed) for row in self._query(query, asked)):
            known = found.get(row.job_id)
            if known is None or known.run_id < row.run_id:
                found[row.job_id] = row
        return found

    def versions(self, job_id: str | None = None) -> Iterator[Version]:
        """What jobs were, job by job, the oldest first."""
        return (Version(*row) for row in self._query(SQL.versions, {"job": job_id}))

    def starts(self, job_id: str) -> list[Start]:
        """Every start that something else than a person asked for, in order of their instants."""
        return [Start(*row) for row in self._query(SQL.starts_of_job, (job_id,))]

    def rows(self, job_id: str) -> list[Row]:
        """What did not run of the instants of the schedule."""
        return [Row(*row) for row in self._query(SQL.rows_of_job, (job_id,))]

    def boots(self) -> list[list[Instant]]:
        """The instants that `@reboot` has had: of each boot the first, and those that clock steps have given it."""
        rows = self._query(SQL.boots)
        return [[instant for _, instant in found] for _, found in groupby(rows, lambda row: row[0])]

    def owing(self, job_id: str) -> list[Row]:
        """What a job still has to catch up."""
        return [Row(first, last, None) for first, last in self._query(SQL.owing_of_job, (job_id,))]

    def paused_since(self, job_id: str) -> Instant | None:
        found = self._query(SQL.paused_since, (job_id,))
        return found[0][0] if found else None
