"""Entries as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobschedd.model.record import (
    Alive,
    Began,
    Booted,
    Claimed,
    Defined,
    Doubted,
    Ended,
    Entry,
    Owing,
    Passed,
    Paused,
    TakenBack,
    Undefined,
    Waits,
)
from jobschedd.model.run import SECOND, Run, make_run_id
from jobschedd.world.store.statement import SQL

if TYPE_CHECKING:
    from jobschedd.model.run import Instant

Execute = Callable[..., sqlite3.Cursor]


def put(execute: Execute, entry: Entry, host: str) -> bool:
    """Write one entry; False: a claim that stands already."""
    match entry:
        case Claimed():
            return _claim(execute, entry, host)
        case Began(run_id, pid, started_at):
            execute(SQL.begin, (pid, started_at, run_id))
        case Waits(held):
            head = (*_head(held.run)[:3], held.run.attempt, *_head(held.run)[3:5])
            labels, more = _texts(held.run, held.variables)
            waits = (
                *head,
                held.reason or None,
                held.run.synchronised,
                host,
                held.run.uid,
                labels,
                held.since,
                held.until,
                more,
            )
            execute(SQL.wait, waits)
        case Ended():
            _end(execute, entry, host)
        case Passed(run, outcome, reason, first, count):
            run_id, job_id, last, definition, cause = _head(run)
            row = (run_id, job_id, first, last, count, definition, cause, outcome, reason)
            execute(SQL.pass_over, (*row, run.synchronised, host, run.uid, _texts(run)[0]))
        case Defined(job_id, digest, path, terms, delay, since):
            execute(SQL.undefine, (since, job_id))
            execute(SQL.define, (job_id, digest, path, terms, delay, since))
        case Undefined(job_id, until):
            execute(SQL.undefine, (until, job_id))
        case Owing(job_id, rows):
            execute(SQL.settle, (job_id,))
            for first, last in rows:
                execute(SQL.owe, (job_id, first, last))
        case Paused(job_id, since):
            execute(*((SQL.resume, (job_id,)) if since is None else (SQL.pause, (job_id, since))))
        case Booted() | Alive() | TakenBack() | Doubted():
            _put_time(execute, entry)
    return True


def _claim(execute: Execute, claimed: Claimed, host: str) -> bool:
    run = claimed.run
    values = (
        *_head(run)[:3],
        run.attempt,
        *_head(run)[3:5],
        run.synchronised,
        host,
        run.uid,
        *_texts(run, claimed.variables),
    )
    made = execute(SQL.claim, values).rowcount == 1
    if made and claimed.found:
        execute(SQL.claim_found, (run.run_id,))
    return made


def _end(execute: Execute, entry: Ended, host: str) -> None:
    ending = entry.ending
    usage = (ending.exit_code, ending.signal, ending.cpu_usec, ending.memory_peak)
    values = (entry.outcome, ending.reason or None, entry.ended_at, *usage, entry.run_id)
    if execute(SQL.end, values).rowcount or entry.run is None or not put(execute, Claimed(entry.run), host):
        return  # mostly; or it has ended before
    if entry.began is not None:
        put(execute, entry.began, host)
    execute(SQL.end, values)


def _put_time(execute: Execute, entry: Booted | Alive | TakenBack | Doubted) -> None:
    match entry:
        case Doubted(noted, presumed):
            for row in noted:
                execute(SQL.doubt, (*row, False))
            for row in presumed:
                execute(SQL.doubt, (*row, True))
        case Booted(boot_id, instant):
            execute(SQL.boot, (boot_id, instant))
        case Alive(now):
            execute(SQL.see, (now,))
        case TakenBack(now):
            facts = back_to(now)
            for statement in (
                SQL.take_back, SQL.take_back_end, SQL.take_back_runs, SQL.take_back_passed, SQL.take_back_versions,
                SQL.take_back_owing, SQL.take_back_owing_end, SQL.take_back_seen, SQL.take_back_doubted,
            ):  # fmt: skip
                execute(statement, facts)


def back_to(now: Instant) -> dict[str, Any]:
    """What the statements are told that look for what was written later than `now`."""
    # Claims are written a little ahead of their instants.
    return {"now": now, "oldest": make_run_id(now - SECOND, 0)}


def _texts(run: Run, variables: tuple[tuple[str, str], ...] = ()) -> tuple[str | None, str | None]:
    """Its labels and these, as JSON."""
    return json.dumps(dict(run.labels)) if run.labels else None, json.dumps(variables) if variables else None


def _head(run: Run) -> tuple[str, str, Instant, str, str]:
    return run.run_id, run.job_id, run.scheduled_at, run.definition, run.cause
