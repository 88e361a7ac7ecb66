"""Runs as the runner is told of them, and tells of them: the order to start one, and the note that comes back with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobschedd.model.event import show_instant
from jobschedd.model.launch import Launch
from jobschedd.model.message import RunFound
from jobschedd.model.run import SECOND, Asked, Cause, Ending, Instant, Run


def found(told: dict[str, Any]) -> RunFound:
    note = told["run"]
    run = Run(
        run_id=note["run_id"],
        job_id=note["job_id"],
        scheduled_at=note["instant"],
        cause=Cause(note["cause"]),
        labels=tuple((name, value) for name, value in note["labels"]),
        success_codes=tuple(note["success_codes"]),
        attempt=note["attempt"],
        definition=note["definition"],
        synchronised=note["synchronised"],
        # What follows an older runner does not tell.
        timeout=note.get("timeout"),
        kill_after=note.get("kill_after", 10 * SECOND),
        uid=note.get("uid"),
    )
    return RunFound(run, told["pid"], told["at"], Asked(told.get("asked", "")))


def ending(told: dict[str, Any]) -> Ending:
    return Ending(
        exit_code=told["exit_code"],
        signal=told["signal"],
        cpu_usec=told["cpu_usec"],
        memory_peak=told["memory_peak"],
        reason=told.get("reason", ""),
        asked=Asked(told.get("asked", "")),
    )


def order(run: Run, launch: Launch, moment: Instant) -> dict[str, Any]:
    return {
        "moment": moment,
        "run": {
            "run_id": run.run_id,
            "job_id": run.job_id,
            "instant": run.scheduled_at,
            "cause": run.cause,
            "labels": run.labels,
            "success_codes": run.success_codes,
            "attempt": run.attempt,
            "definition": run.definition,
            "synchronised": run.synchronised,
            "timeout": run.timeout,
            "kill_after": run.kill_after,
            "uid": run.uid,
        },
        "run_id": run.run_id,
        "job_id": run.job_id,
        "argv": launch.argv,
        "shell": launch.shell,
        "user": launch.user,
        "group": launch.group,
        "groups": launch.groups,
        "pam_session": launch.pam_session,
        "cwd": launch.cwd,
        "umask": launch.umask,
        "env": launch.env,
        "env_file": launch.env_file,
        "limits": limits(launch),
        "leave_children": launch.leave_children,
        "stdin": launch.stdin,
        "timezone": launch.timezone,
        "scheduled_at": show_instant(run.scheduled_at),
        "attempt": run.attempt,
    }


def limits(launch: Launch) -> dict[str, Any]:
    """The limits that a job sets, by their keys."""
    if launch.limits is None:
        return {}
    return {key: value for key, value in asdict(launch.limits).items() if value is not None}
