"""Rows of the record as what a starting daemon goes by. ValueError, TypeError or AttributeError: nobody of ours wrote that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobschedd.model.record import Open
from jobschedd.model.run import Cause, Outcome, Run
from jobschedd.model.waiting import Held


def open_claim(row: tuple[Any, ...]) -> Open:
    *run, pid, started_at, variables = row
    return Open(_run(run), pid, started_at, _pairs(variables))


def held(row: tuple[Any, ...]) -> Held:
    *run, since, until, reason, variables, failed = row
    return Held(_run(run), since, until, reason or "", _pairs(variables), Outcome(failed) if failed else None)


def _pairs(variables: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(variables or "[]"))


def _run(row: Sequence[Any]) -> Run:
    run_id, job_id, scheduled_at, attempt, definition, cause, synchronised, uid, labels = row
    details = {"attempt": attempt, "definition": definition, "synchronised": bool(synchronised), "uid": uid}
    details["labels"] = tuple(json.loads(labels or "{}").items())
    return Run(run_id, job_id, scheduled_at, Cause(cause), **details)
