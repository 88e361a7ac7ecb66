"""/etc/cron.daily and its like: the scripts that a crontab's run-parts line, or anacron, runs one after the other."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobschedd.ctl.imports.anacron import Period, read_anacrontab
from jobschedd.ctl.imports.cron_jobs import AS_CRON, by_walking, environment
from jobschedd.ctl.imports.crontab import Bad, WholeTable
from jobschedd.ctl.imports.report import Place, Wanted, ignored, noted, refused, replaced
from jobschedd.ctl.imports.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobschedd.ctl.imports.cron_jobs import Circumstances
    from jobschedd.ctl.imports.crontab import Entry
    from jobschedd.ctl.imports.report import Answer
    from jobschedd.ctl.imports.tables import Machine

_ANACRON = "/usr/sbin/anacron"
_ANACRONTAB = "/etc/anacrontab"
_GUARD = rf"(?:(?:test -x|\[ -x) {_ANACRON}(?: \])? \|\| )"
_RUN_PARTS = re.compile(
    rf"(?P<guard>{_GUARD})?(?P<open>[({{] ?)?(?:cd / && )?(?:nice )?run-parts(?: --report)? (?P<directory>/[\w./-]+?)/? ?;?(?(open) ?[)}}])"
)
_BOOKKEEPING = "0anacron"
"""Tells anacron that the directory has been run."""


@dataclass(frozen=True, slots=True)
class RunParts:
    """A line that runs a directory."""

    place: Place
    entry: Entry
    directory: str
    unless_anacron: bool


def run_parts(place: Place, entry: Entry) -> RunParts | None:
    """What a line says of a directory, where that is all it says and in a way that packages do."""
    match = _RUN_PARTS.fullmatch(" ".join(entry.command.split()))
    if match is None or entry.user != "root" or entry.stdin is not None or entry.times is None:
        return None
    return RunParts(place, entry, match["directory"], unless_anacron=bool(match["guard"]))


def take_apart(lines: list[RunParts], machine: Machine, given: Circumstances) -> Iterator[Answer]:
    """Each line, and the scripts of its directory as a job each; then what anacron runs beside."""
    has_anacron = os.path.exists(machine.path(_ANACRON))
    periods, said = _anacrontab(machine) if has_anacron else ({}, [])
    yield from said
    for line in lines:
        period = periods.pop(line.directory, None)
        if not (line.unless_anacron and has_anacron):
            yield replaced(line.place, f"the jobs of {line.directory} take its place, which begin together")
            yield from _jobs(line, None, machine, given)
        elif period is None:
            yield ignored(line.place, f"it runs nothing where anacron is, and {_ANACRONTAB} has no {line.directory}")
        else:
            yield noted(line.place, f"it runs nothing where anacron is; the jobs of {line.directory} have its time")
            yield replaced(
                Place(_ANACRONTAB, period.number),
                f"the jobs of {line.directory} take its place; anacron runs them at its first chance, the jobs are due"
                f" as {line.place} has it and are caught up for {period.days}d",
            )
            yield from _jobs(line, period, machine, given)
    for directory, period in periods.items():
        yield _no_time_of_day(period, f"for {directory} " if directory.startswith("/") else "")


def _anacrontab(machine: Machine) -> tuple[dict[str, Period], list[Answer]]:
    """The directories that anacron runs, other commands by their line; and what there is to say."""
    said: list[Answer] = []
    periods: dict[str, Period] = {}
    try:
        lines = read_anacrontab(read_table(machine.path(_ANACRONTAB))[0])
    except FileNotFoundError:
        return {}, []
    except (OSError, WholeTable, ValueError) as error:
        return {}, [refused(Place(_ANACRONTAB), f"cannot read it: {error}")]
    for line in lines:
        if isinstance(line, Bad):
            said.append(refused(Place(_ANACRONTAB, line.number), line.reason))
        elif isinstance(line, Period):
            match = _RUN_PARTS.fullmatch(" ".join(line.command.split()))
            periods[match["directory"] if match else f"line {line.number}"] = line
    return periods, said


def _no_time_of_day(period: Period, of_what: str) -> Answer:
    schedule = "0 7 * * *" if period.days == 1 else f"R/2027-01-01T07:00/P{period.days}D"
    return refused(
        Place(_ANACRONTAB, period.number),
        f"it names no time of day {of_what}and no crontab does; write a job with the time that is meant,"
        f' "schedule": "{schedule}" and "catch_up": "{period.days}d"',
    )


def _jobs(line: RunParts, period: Period | None, machine: Machine, given: Circumstances) -> Iterator[Answer]:
    entry = line.entry
    for path, finding in machine.scripts(line.directory):
        if finding is not None:
            yield finding
            continue
        if os.path.basename(path) == _BOOKKEEPING:
            yield ignored(Place(path), "it only tells anacron that the directory was run; jobschedd keeps a record")
            continue
        try:
            keys = environment(period.variables if period else entry.variables, "root", given.cron)
        except ValueError as error:
            yield refused(Place(path), str(error))
            continue
        # run-parts executes them: no shell, whatever SHELL is.
        task: dict[str, Any] = {"type": "execute_command", "command": [path]} | keys | {"cwd": "/"}
        if "shell" in task:
            task["env"]["SHELL"] = task.pop("shell")[0]
        values = {"description": f"Imported from {path}", "schedule": entry.schedule}
        values |= {"catch_up": f"{period.days}d"} if period else {}
        every = line.directory.rpartition(".")[2] if "." in line.directory else os.path.basename(line.directory)
        yield Wanted(
            Place(path),
            f"{os.path.basename(path)}-{every}",
            values | {"task": task} | AS_CRON,
            by_walking(entry.times, given),
        )
