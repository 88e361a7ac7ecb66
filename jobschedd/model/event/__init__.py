"""Everything that may be said to have happened.

Each kind has a name (`JOBSCHEDD_EVENT`), a MESSAGE_ID that never changes (systemd/jobschedd.catalog explains
it), a journal priority, one readable line, and fields. The fields are the interface; the line is for people.
"""

from jobschedd.model.event.house import (
    ClockStepped,
    ClockUnsynchronised,
    DaemonReady,
    DaemonReloaded,
    DaemonStarted,
    DaemonStopping,
    DirectoryChanged,
    LinesDropped,
    MachineSlept,
    Remark,
    RunnerDied,
    SettingsRefused,
    StateDumped,
    ThreadFailed,
)
from jobschedd.model.event.jobs import JobLoaded, JobQuarantined, JobRemoved, ProblemCleared, ProblemFound
from jobschedd.model.event.kind import DEBUG, ERROR, INFO, NOTICE, WARNING, Event, show_instant
from jobschedd.model.event.runs import InstantPassed, RunBegan, RunDue, RunFinished

KINDS: tuple[type[Event], ...] = (
    DaemonStarted,
    DaemonReady,
    DaemonReloaded,
    DaemonStopping,
    SettingsRefused,
    JobLoaded,
    JobRemoved,
    ProblemFound,
    ProblemCleared,
    JobQuarantined,
    ThreadFailed,
    RunDue,
    RunBegan,
    RunFinished,
    InstantPassed,
    ClockStepped,
    MachineSlept,
    ClockUnsynchronised,
    RunnerDied,
    DirectoryChanged,
    StateDumped,
    Remark,
    LinesDropped,
)

__all__ = [
    "DEBUG",
    "ERROR",
    "INFO",
    "KINDS",
    "NOTICE",
    "WARNING",
    "ClockStepped",
    "ClockUnsynchronised",
    "DaemonReady",
    "DaemonReloaded",
    "DaemonStarted",
    "DaemonStopping",
    "DirectoryChanged",
    "Event",
    "InstantPassed",
    "JobLoaded",
    "JobQuarantined",
    "JobRemoved",
    "LinesDropped",
    "MachineSlept",
    "ProblemCleared",
    "ProblemFound",
    "Remark",
    "RunBegan",
    "RunDue",
    "RunFinished",
    "RunnerDied",
    "SettingsRefused",
    "StateDumped",
    "ThreadFailed",
    "show_instant",
]
