"""The unit that a run in a sandbox is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jobschedd.model.event import show_instant
from jobschedd.world.units.identity import CannotStart, Identity
from jobschedd.world.units.settings import Property, properties

if TYPE_CHECKING:
    from jobschedd.model.launch import Launch
    from jobschedd.model.limits import Limits
    from jobschedd.model.run import Run

GRACE = 10_000_000
"""Microseconds from SIGTERM to SIGKILL for what the main process leaves behind."""

PAM_SERVICES = ("jobschedd", "cron")
"""The first that is there. Not login: its pam_systemd would move the run out of the unit, into a session of its own."""

_PAM = ("/etc/pam.d", "/usr/lib/pam.d")
_IONICE = {"realtime": 1, "best-effort": 2, "idle": 3}
_ROOTS = ("RootDirectory", "RootImage")


def unit_name(run_id: str) -> str:
    return f"jobschedd-run-{run_id}.service"


def object_path(unit: str) -> str:
    """Where systemd has the object of a unit: bytes that are no letters or digits stand as `_` and hexadecimal."""
    name = "".join(
        letter if letter.isalnum() and not (letter.isdigit() and place == 0) else f"_{ord(letter):02x}"
        for place, letter in enumerate(unit)
    )
    return f"/org/freedesktop/systemd1/unit/{name}"


def unit_properties(
    run: Run,
    launch: Launch,
    identity: Identity | None,
    *,
    environment: dict[str, str],
    environment_files: list[str],
    stdin: int | None,
    daemon_unit: str,
) -> list[Property]:
    """Raises CannotStart for what cannot be a unit. `stdin`: a descriptor to read from."""
    program = launch.argv[0]
    if "/" in program and not program.startswith("/"):
        raise CannotStart(f"cannot run {program} in a sandbox; write its absolute path")
    unit: list[Property] = [
        ("Description", ("s", f"{run.job_id}, due {show_instant(run.scheduled_at)}")),
        # It stays, with its status, until that is on the record: over a restart of ours too.
        ("RemainAfterExit", ("b", True)),
        ("CollectMode", ("s", "inactive")),
        # The start is over when the program runs, so what fails before is told from what the program exits with.
        ("Type", ("s", "exec")),
        ("ExecStartEx", ("a(sasas)", [(program, list(launch.argv), ["no-env-expand"])])),
        ("KillMode", ("s", "process" if launch.leave_children else "control-group")),
        ("TimeoutStopUSec", ("t", GRACE)),
        ("OOMPolicy", ("s", "stop")),
        ("UMask", ("u", launch.umask)),
        ("WorkingDirectory", ("s", _directory(launch, identity))),
        ("Environment", ("as", [f"{name}={value}" for name, value in environment.items()])),
        ("EnvironmentFiles", ("a(sb)", [(path, False) for path in environment_files])),
        ("StandardOutput", ("s", "journal")),
        ("StandardError", ("s", "inherit")),
        ("SyslogIdentifier", ("s", run.job_id)),
        ("SyslogLevelPrefix", ("b", True)),
        ("LogExtraFields", ("aay", [field.encode() for field in _fields(run, daemon_unit)])),
        ("LogRateLimitIntervalUSec", ("t", 0)),
        *((f"{what}Accounting", ("b", True)) for what in ("CPU", "Memory", "Tasks")),
    ]
    if stdin is not None:
        unit.append(("StandardInputFileDescriptor", ("h", stdin)))
    unit += _person(launch)
    if launch.limits is not None:
        unit += _limits(launch.limits)
    for name, value in launch.sandbox:
        unit += properties(name, value)
    return unit


def _directory(launch: Launch, identity: Identity | None) -> str:
    if launch.cwd is not None:
        return launch.cwd
    if launch.user is None or identity is None or any(name in _ROOTS for name, _ in launch.sandbox):
        return "/"
    return identity.home if os.path.isdir(identity.home) else "/"


def _fields(run: Run, daemon_unit: str) -> list[str]:
    """`journalctl -u` believes the last of them of root's processes alone."""
    return [f"JOBSCHEDD_JOB={run.job_id}", f"JOBSCHEDD_RUN={run.run_id}", f"OBJECT_SYSTEMD_UNIT={daemon_unit}"]


def _person(launch: Launch) -> list[Property]:
    # A user's own systemd runs everything as that user, and would refuse to be told so.
    if os.geteuid() != 0:
        return []
    made: list[Property] = []
    if launch.user is not None:
        made.append(("User", ("s", launch.user)))
    if launch.group is not None:
        made.append(("Group", ("s", launch.group)))
    if launch.groups:
        made.append(("SupplementaryGroups", ("as", list(launch.groups))))
    if launch.pam_session:
        made.append(("PAMName", ("s", _pam_service())))
    return made


def _pam_service() -> str:
    for name in PAM_SERVICES:
        if any(os.path.exists(os.path.join(directory, name)) for directory in _PAM):
            return name
    raise CannotStart("cannot open a PAM session: write /etc/pam.d/jobschedd, which says what one is")


def _limits(limits: Limits) -> list[Property]:
    whole = {
        "MemoryMax": limits.memory,
        "MemoryHigh": limits.memory_high,
        "CPUQuotaPerSecUSec": None if limits.cpu is None else limits.cpu * 10_000,
        "TasksMax": limits.tasks,
        "IOWeight": limits.io_weight,
        "LimitNOFILE": limits.nofile,
        "LimitNOFILESoft": limits.nofile,
        "LimitCORE": limits.core,
        "LimitCORESoft": limits.core,
    }
    small = {
        "Nice": limits.nice,
        "IOSchedulingClass": None if limits.ionice is None else _IONICE[limits.ionice],
        "OOMScoreAdjust": limits.oom_score_adj,
    }
    made: list[Property] = [(name, ("t", value)) for name, value in whole.items() if value is not None]
    return made + [(name, ("i", value)) for name, value in small.items() if value is not None]
