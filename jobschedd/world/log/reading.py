"""The journal, read for people: what runs wrote and what happened to them, in one order.

Anybody may write what looks like an entry of ours. Believed is what journald says itself of where an entry came from:
output of a run from below our cgroup, all else from us.
"""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from jobschedd.model.event.kind import INFO
from jobschedd.model.run import SECOND, show_instant
from systemd import journal

if TYPE_CHECKING:
    from jobschedd.model.run import Instant

MOST_LOOKED_AT = 10
"""Entries that are looked at for each that is shown."""

REMEMBERED = 200
"""Entries, the newest, that are not shown again when it is looked for what was overlooked."""

_RUN = re.compile(r"/run-([0-9A-Z]{26})(?:/|$)|/jobschedd-run-([0-9A-Z]{26})\.service(?:/|$)")


@dataclass(frozen=True, slots=True)
class Line:
    at: Instant
    job_id: str
    run_id: str | None
    event: str
    """`output`, or the name of what happened."""
    priority: int
    text: str

    def told(self) -> dict[str, Any]:
        return {
            "at": show_instant(self.at),
            "job_id": self.job_id,
            "run_id": self.run_id,
            "event": self.event,
            "priority": self.priority,
            "text": self.text,
        }


class Runs(Protocol):
    """What the record knows of runs."""

    def job_of(self, run_id: str) -> str | None: ...

    def run_at(self, job_id: str, pid: int, at: Instant) -> str | None: ...


class JournalReader:
    def __init__(self, service: str, runs: Runs) -> None:
        """`service`: the cgroup of the daemon's unit, as /proc/PID/cgroup has it. Raises OSError."""
        self._service = service
        self._runs = runs
        self._reader = journal.Reader()
        self._job = ""
        self._run: str | None = None
        self._jobs: dict[str, str | None] = {}
        """By run."""
        self._since: Instant = 0
        self._seen: deque[str] = deque(maxlen=REMEMBERED)
        """Cursors."""
        self.stirred = False
        """Something had been added when this was last asked: more of it may be found in a moment."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def match(self, job_id: str, run_id: str | None) -> None:
        """Show what belongs to this job, or to this run of it."""
        self._job, self._run = job_id, run_id
        self._reader.add_match(SYSLOG_IDENTIFIER=job_id, _TRANSPORT="stdout")
        self._reader.add_disjunction()
        if run_id is None:
            self._reader.add_match(JOBSCHEDD_JOB=job_id)
        else:
            self._reader.add_match(JOBSCHEDD_RUN=run_id)

    def newest(self, most: int) -> list[Line]:
        """The newest that there are, the oldest of them first. What comes later is new."""
        self._reader.seek_tail()
        found: list[Line] = []
        for _ in range(most * MOST_LOOKED_AT):
            if len(found) == most or not (entry := self._reader.get_previous()):
                break
            if (line := self._line(entry)) is not None:
                found.append(line)
        self._reader.seek_tail()
        if entry := self._reader.get_previous():
            self._seen.append(entry["__CURSOR"])
        return found[::-1]

    def seek(self, moment: Instant) -> None:
        """What comes from then on is new."""
        self._since = moment
        self._reader.seek_realtime(moment / SECOND)

    def fileno(self) -> int:
        """Readable when there is something new."""
        return int(self._reader.fileno())

    def new(self) -> list[Line]:
        self.stirred = self._reader.process() != journal.NOP
        seen, lines = set(self._seen), list[Line]()
        for entry in self._reader:
            if (cursor := entry["__CURSOR"]) in seen:
                continue
            self._seen.append(cursor)
            if (line := self._line(entry)) is not None:
                lines.append(line)
        return lines

    def overlooked(self) -> list[Line]:
        """What was not seen when it was new.

        An entry is counted before it is found by its fields. libsystemd 252, asked in between, takes it for the end of
        the file, and looks there again only when another one is counted: the last of a run's lines would stay away.
        """
        if self._seen:
            self._reader.seek_cursor(self._seen[0])
        else:
            self._reader.seek_realtime(self._since / SECOND)
        return self.new()

    def _whose(self, run_id: str) -> str | None:
        if run_id not in self._jobs:
            self._jobs[run_id] = self._runs.job_of(run_id) or self._whose_in_journal(run_id)
        return self._jobs[run_id]

    def _whose_in_journal(self, run_id: str) -> str | None:
        """What we have said of a run that is no longer on the record."""
        with journal.Reader() as reader:
            reader.add_match(JOBSCHEDD_RUN=run_id)
            for entry in reader:
                cgroup = str(entry.get("_SYSTEMD_CGROUP", ""))
                if cgroup.startswith(self._service) and not _RUN.search(cgroup):
                    return str(entry.get("JOBSCHEDD_JOB"))
        return None

    def _line(self, entry: dict[str, Any]) -> Line | None:
        cgroup = str(entry.get("_SYSTEMD_CGROUP", ""))
        found = _RUN.search(cgroup)
        run_id = found and (found[1] or found[2])
        if entry.get("_TRANSPORT") == "stdout":
            # A job may take any name to write under; its cgroup it cannot choose. A process that was gone before journald
            # looked has none, but the unit for which the runner, as root, has opened the stream.
            if cgroup:
                ours = self._whose(run_id) == self._job if run_id else cgroup.startswith(self._service)
            else:
                ours = entry.get("_SYSTEMD_UNIT") == os.path.basename(self._service)
                run_id = self._runs.run_at(self._job, int(entry.get("_PID", 0)), _moment(entry)) if ours else None
            event = "output"
        else:
            # From us, and not from a job of ours, which may write to journald too.
            ours = cgroup.startswith(self._service) and found is None
            event, run_id = str(entry.get("JOBSCHEDD_EVENT", "")), entry.get("JOBSCHEDD_RUN")
        if not ours or (self._run is not None and run_id != self._run):
            return None
        text = entry.get("MESSAGE", "")
        if isinstance(text, bytes):
            text = text.decode("utf-8", "backslashreplace")
        return Line(_moment(entry), self._job, run_id, event, int(entry.get("PRIORITY", INFO)), str(text))


def _moment(entry: dict[str, Any]) -> Instant:
    return int(entry["__REALTIME_TIMESTAMP"].timestamp() * SECOND)


def our_service() -> str:
    """The cgroup of the unit that this process belongs to. Raises OSError."""
    with open("/proc/self/cgroup") as file:
        lines = file.read().splitlines()
    # The unified hierarchy, or systemd's own where they are mixed.
    path = next((line.split(":", 2)[2] for line in lines if line.startswith(("0::", "1:name=systemd:"))), "")
    return os.path.dirname(path) if os.path.basename(path) == "supervisor" else path
