"""The lines of a crontab as jobs that do what cron did."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobschedd.ctl.imports.crontab import Bad, Entry, Variable, WholeTable, read_crontab, which
from jobschedd.ctl.imports.fields import Cron
from jobschedd.ctl.imports.naming import of_command
from jobschedd.ctl.imports.proof import INSTANTS, cron_instants, prove
from jobschedd.ctl.imports.report import Place, Wanted, ignored, noted, refused
from jobschedd.model.span import show_value
from jobschedd.model.timing import open_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from jobschedd.ctl.imports.fields import Times
    from jobschedd.ctl.imports.report import Answer, Prove
    from jobschedd.ctl.imports.tables import Table
    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

_PATHS = {Cron.DEBIAN: "/usr/bin:/bin", Cron.CRONIE: "/usr/bin:/bin:/usr/sbin:/sbin"}
"""What PATH is where a crontab does not set it: pathnames.h."""

AS_CRON = {"overlap": "allow", "leave_children": True}
"""cron starts a job whose last run still goes on, and does not end what a job leaves behind."""

_PACKAGE = re.compile(r"/etc/cron\.d/(?P<file>[^/]+)")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a translation depends on beside the line."""

    cron: Cron | None
    zone: ZoneInfo
    """The machine's, which cron goes by."""
    zones: Callable[[str], ZoneInfo]
    now: Instant
    known_user: Callable[[str], bool]


def read_table(table: Table, given: Circumstances) -> Iterator[tuple[Answer, Entry | None]]:
    """What becomes of each line, with the line where it runs something. A table that cron ignores gives no job."""
    if table.user is not None and not table.named and not given.known_user(table.user):
        yield ignored(Place(table.source), f"cron ignores it too: there is no user {table.user}"), None
        return

    def check_user(name: str) -> None:
        if not given.known_user(name):
            raise ValueError(_nobody(name, table, given))

    try:
        lines = read_crontab(table.data, check_user=check_user if table.system else None, cron=given.cron)
    except WholeTable as error:
        yield refused(Place(table.source), str(error)), None
        return
    bad = (line for line in lines if isinstance(line, Bad) and line.ruins_all)
    ruin = None if given.cron is Cron.CRONIE else next(bad, None)
    for line in lines:
        place = Place(table.source, line.number)
        if isinstance(line, Bad):
            yield refused(place, line.reason), None
        elif ruin is not None:
            yield refused(place, _ruined_by(ruin, given)), None
        elif isinstance(line, Variable):
            yield noted(place, _about(line)), None
        else:
            yield _job(line, place, table, given), line


def _ruined_by(line: Bad, given: Circumstances) -> str:
    whole = f"Debian's cron ignores the whole crontab because of line {line.number}"
    if given.cron is None:
        return which(f"{whole}, and cronie only that line")
    return f"{whole}, and has run none of its lines"


def _nobody(name: str, table: Table, given: Circumstances) -> str:
    # What stands before a command may be a variable with a secret in it.
    begin, is_variable, _ = name.partition("=")
    found = f"cannot find the user {show_value(f'{begin}=...' if is_variable else name)}"
    if table.named:
        return f"{found}; a crontab of one user's: give --user NAME"
    if given.cron is Cron.DEBIAN:
        found += ", and Debian's cron has run no line of this crontab because of it"
    return f"{found}; add the user, or take the line out"


def _about(line: Variable) -> str:
    match line.name:
        case "MAILTO" | "MAILFROM":
            return f"{line.name} sends no mail any more: the output of the jobs is in the journal, journalctl -t JOB_ID"
        case "LOGNAME":
            return "LOGNAME is left out, as cron does: it is the user's name"
        case "SHELL":
            return "SHELL runs the commands of the jobs below"
        case _:
            return f"{line.name} is in the environment of the jobs below"


def _job(line: Entry, place: Place, table: Table, given: Circumstances) -> Answer:
    try:
        timing, own = _timing(line, given)
        task = {"type": "execute_command", "command": line.command}
        task |= environment(line.variables, line.user or table.user, given.cron)
        if line.stdin is not None:
            task["stdin"] = line.stdin
    except ValueError as error:
        return refused(place, str(error))
    user = task.get("user")
    notes = () if user is None or given.known_user(user) else (f"no user {user} here: runs are refused until there is",)
    return Wanted(
        place,
        _name(table, line),
        {"description": f"Imported from {place}", "schedule": line.schedule} | timing | {"task": task} | AS_CRON,
        by_walking(line.times, given, own),
        private=table.private,
        notes=notes,
    )


def _timing(line: Entry, given: Circumstances) -> tuple[dict[str, Any], ZoneInfo | None]:
    """`timezone` and `jitter`, which only cronie knows, and the zone."""
    special = [name for name in ("CRON_TZ", "RANDOM_DELAY") if line.variables.get(name)]
    if not special or line.times is None or given.cron is Cron.DEBIAN:
        return {}, None
    if given.cron is None:
        raise ValueError(which(f"cronie goes by {special[0]}, and Debian's cron ignores it"))
    timing: dict[str, Any] = {}
    own = None
    if name := line.variables.get("CRON_TZ"):
        own = open_zone(name, given.zones)
        timing["timezone"] = name
    if delay := line.variables.get("RANDOM_DELAY"):
        if not re.fullmatch(r"[0-9]{1,4}", delay) or int(delay) > 24 * 60:
            raise ValueError("cronie cannot read RANDOM_DELAY; write minutes, at most 1440")
        timing["jitter"] = f"{int(delay)}m"
    return timing, own


def environment(variables: Mapping[str, str], user: str | None, cron: Cron | None) -> dict[str, Any]:
    """The keys of a task that say as whom, where, by which shell and with which variables. Raises ValueError."""
    keys: dict[str, Any] = {}
    if user is not None:
        keys["user"] = user
    env = {"PATH": _PATHS[cron or Cron.DEBIAN]}
    env |= {name: value for name, value in variables.items() if name not in ("SHELL", "LOGNAME")}
    shell = variables.get("SHELL", "/bin/sh")
    if not shell.startswith("/"):
        raise ValueError("cannot use a SHELL that is no absolute path; write SHELL=/bin/bash")
    if shell != "/bin/sh":
        keys["shell"] = [shell, "-c"]
    if home := variables.get("HOME"):
        if not home.startswith("/"):
            raise ValueError("cannot use a HOME that is no absolute path, which cron begins in; write HOME=/srv/data")
        keys["cwd"] = home
    keys["env"] = env
    return keys


def by_walking(times: Times | None, given: Circumstances, own: ZoneInfo | None = None) -> Prove:
    def check(definition: Definition) -> str:
        if times is None:
            return "due once a boot"
        assert definition.schedule is not None
        count = _proved(definition.schedule, times, given.zone, own, given.now)
        return f"the next {count:,} instants are the same" + ("" if count == INSTANTS else ", up to the year 2199")

    return check


@lru_cache(maxsize=4_096)
def _proved(schedule: Schedule, times: Times, zone: ZoneInfo, own: ZoneInfo | None, now: Instant) -> int:
    """Many lines say the same few things."""
    return prove(schedule, cron_instants(times, zone, own, now), now, own or zone, "cron")


def _name(table: Table, line: Entry) -> str:
    """A package's file in /etc/cron.d is named after it; other crontabs are about everything."""
    if match := _PACKAGE.fullmatch(table.source):
        return match["file"]
    stem = table.user or os.path.splitext(os.path.basename(table.source))[0]
    return f"{'crontab' if table.source in ('crontab -l', 'standard input') else stem}-{of_command(line.command)}"
