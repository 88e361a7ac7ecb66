"""What systemd says of its units: their files with all drop-ins, and when a calendar event elapses."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.tables import read_table
from jobschedd.model.run import SECOND
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from jobschedd.model.run import Instant

Unit = dict[str, dict[str, list[str]]]
"""Sections, their keys, and what these are set to, in order."""

_UTC = re.compile(r"[A-Z][a-z]{2} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC$")
_PATIENCE = 60
"""Seconds that a call may take."""


def read_unit(text: str) -> Unit:
    """systemd.syntax(7), with drop-ins behind the file: an empty value forgets what was set before."""
    sections: Unit = {}
    keys: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n(?:[ \t]*[#;].*\n)*", " ", text).splitlines():
        row = line.strip()
        if row.startswith("[") and row.endswith("]"):
            keys = sections.setdefault(row[1:-1], {})
        elif row and row[0] not in "#;" and "=" in row:
            key, value = (part.strip() for part in row.split("=", 1))
            if value:
                keys.setdefault(key, []).append(value)
            else:
                keys.pop(key, None)
    return sections


class Systemd:
    """The machine's, or the caller's own."""

    def __init__(self, *, user: bool) -> None:
        self._systemctl = ["systemctl", "--user"] if user else ["systemctl"]

    def timers(self) -> list[str]:
        """The names of those that are active. Raises ValueError."""
        text = self._ask([*self._systemctl, "list-timers", "--no-pager", "--output=json"])
        try:
            return sorted(row["unit"] for row in json.loads(text))
        except (ValueError, TypeError, KeyError):
            raise ValueError("cannot read the answer of systemctl list-timers; name the timers") from None

    def unit(self, name: str) -> Unit:
        """One by its name, or by the path of its file with the drop-ins beside it. Raises ValueError, OSError."""
        if "/" in name:
            return read_unit(_with_drop_ins(name))
        if not re.fullmatch(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,254}", name):
            raise ValueError(f"cannot use {show_value(name)} as the name of a unit; write backup.timer")
        return read_unit(self._ask([*self._systemctl, "cat", "--no-pager", "--", name]))

    def elapses(self, calendar: str, zone: str | None, begin: Instant, count: int) -> list[Instant]:
        """The next instants of OnCalendar= after `begin`, in a zone where it names none. Raises ValueError."""
        command = [
            "systemd-analyze",
            "calendar",
            f"--iterations={count}",
            f"--base-time=@{begin // SECOND}",
            "--",
            calendar,
        ]
        found = (_UTC.search(line) for line in self._ask(command, zone).splitlines())
        moments = [datetime.fromisoformat(match[1]).replace(tzinfo=UTC) for match in found if match]
        return [int(moment.timestamp()) * SECOND for moment in moments]

    @staticmethod
    def _ask(command: list[str], zone: str | None = None) -> str:
        env = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"} | ({"TZ": zone} if zone else {})
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, env=env, check=False
            )
        except FileNotFoundError:
            raise ValueError(f"cannot ask systemd: there is no {command[0]} here") from None
        except subprocess.TimeoutExpired:
            raise ValueError(f"cannot ask systemd: {command[0]} does not answer") from None
        if done.returncode:
            raise ValueError(
                f"cannot ask systemd: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'it failed'}"
            )
        return done.stdout


def _with_drop_ins(path: str) -> str:
    paths = [path]
    if os.path.isdir(f"{path}.d"):
        paths += sorted(os.path.join(f"{path}.d", name) for name in os.listdir(f"{path}.d") if name.endswith(".conf"))
    return "\n".join(read_table(name)[0].decode(errors="replace") for name in paths)
