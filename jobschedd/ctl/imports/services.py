"""The service that a timer starts, as a task."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobschedd.ctl.imports.units import Systemd, Unit

_KNOWN = {
    "Unit": {"Description", "Documentation", "After", "Before"},
    "Service": {"Type", "ExecStart", "User", "Group", "WorkingDirectory", "Nice"},
}
"""What a job says as well, or what says nothing about a single run."""

_PLAIN_COMMAND = re.compile(r"/[^\s%$\\'\";*?]+(?:[ \t]+[^\s%$\\'\";]+)*")


def start_unit(name: str) -> dict[str, Any]:
    return {"task": {"type": "start_unit", "unit": name}}


def command_of(timer: str, name: str, systemd: Systemd, *, user: bool) -> dict[str, Any]:
    """The keys of a job that runs the service's command by itself. Raises ValueError where that would lose something."""
    path = os.path.join(os.path.dirname(timer), name) if "/" in timer else name
    service = systemd.unit(path)
    form = "leave out --commands, and the job starts the unit"
    if lost := _lost(service):
        raise ValueError(f"cannot take over the command of {name}: it has {lost}=, which would be lost; {form}")
    keys = {key: values[-1] for key, values in service.get("Service", {}).items()}
    commands = service.get("Service", {}).get("ExecStart", [])
    if len(commands) != 1 or not _PLAIN_COMMAND.fullmatch(commands[0]):
        raise ValueError(f"cannot take over the command of {name}: it is not one command of plain words; {form}")
    if keys.get("Type", "simple") not in ("simple", "exec", "oneshot"):
        raise ValueError(f"cannot take over the command of {name}: it is of Type={keys['Type']}; {form}")
    task: dict[str, Any] = {"type": "execute_command", "command": commands[0].split()}
    if not user:
        task["user"] = keys.get("User", "root")
    if "Group" in keys:
        task["group"] = keys["Group"]
    task["cwd"] = keys.get("WorkingDirectory", "/")
    made: dict[str, Any] = {"task": task}
    if "Nice" in keys:
        made["limits"] = {"nice": int(keys["Nice"])}
    return made


def _lost(service: Unit) -> str | None:
    """The first setting that a job would not have."""
    keys = ((section, key) for section in ("Unit", "Service") for key in service.get(section, {}))
    return next((key for section, key in keys if key not in _KNOWN[section]), None)
