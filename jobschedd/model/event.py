"""Everything that may be said to have happened.

Each kind has a name (`JOBSCHEDD_EVENT`), a MESSAGE_ID that never changes (systemd/jobschedd.catalog explains
it), a journal priority, one readable line, and fields. The fields are the interface; the line is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from jobschedd.model.run import SECOND, Instant, Outcome, Run
from jobschedd.model.span import show_duration

if TYPE_CHECKING:
    from jobschedd.model.error import Problem
    from jobschedd.model.run import Ending

ERROR, WARNING, NOTICE, INFO, DEBUG = 3, 4, 5, 6, 7
"""Journal priorities, syslog(3)."""


def show_instant(instant: Instant) -> str:
    """RFC 3339 in UTC, with as many digits as the instant has."""
    moment = datetime.fromtimestamp(instant // SECOND, UTC).replace(microsecond=instant % SECOND, tzinfo=None)
    return moment.isoformat() + "Z"


class Event(Protocol):
    """What all kinds have in common."""

    NAME: ClassVar[str]
    MESSAGE_ID: ClassVar[str]

    @property
    def priority(self) -> int: ...

    def line(self) -> str:
        """One line for people; never parsed."""

    def fields(self) -> dict[str, str]:
        """Journal fields without MESSAGE, MESSAGE_ID, PRIORITY and JOBSCHEDD_EVENT."""
        ...


class _Plain:
    """An event that is said at INFO and has no fields of its own."""

    __slots__ = ()

    @property
    def priority(self) -> int:
        return INFO

    def fields(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class DaemonStarted(_Plain):
    NAME: ClassVar[str] = "daemon_started"
    MESSAGE_ID: ClassVar[str] = "5acc5a35467a4ef5a5a9766fe332bf35"
    version: str
    directories: tuple[str, ...]

    def line(self) -> str:
        return f"jobschedd {self.version} starting; job files in {', '.join(self.directories)}"


@dataclass(frozen=True, slots=True)
class DaemonReady(_Plain):
    NAME: ClassVar[str] = "daemon_ready"
    MESSAGE_ID: ClassVar[str] = "b6ec1d060a8c42daa07d0de52ae5765d"
    jobs: int
    problems: int
    took_usec: int

    def line(self) -> str:
        return f"ready: {self.jobs} jobs, {self.problems} problems, loaded in {show_duration(self.took_usec)}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOBS": str(self.jobs), "JOBSCHEDD_PROBLEMS": str(self.problems)}


@dataclass(frozen=True, slots=True)
class DaemonReloaded(_Plain):
    NAME: ClassVar[str] = "daemon_reloaded"
    MESSAGE_ID: ClassVar[str] = "2773e40b97784a52ad0c290bb44e77ea"
    jobs: int
    problems: int

    def line(self) -> str:
        return f"reloaded: {self.jobs} jobs, {self.problems} problems"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOBS": str(self.jobs), "JOBSCHEDD_PROBLEMS": str(self.problems)}


@dataclass(frozen=True, slots=True)
class DaemonStopping(_Plain):
    NAME: ClassVar[str] = "daemon_stopping"
    MESSAGE_ID: ClassVar[str] = "e2b661e9d9d14bc599afb5a731007b18"
    why: str
    running: int

    def line(self) -> str:
        return f"stopping ({self.why}); {self.running} running"


@dataclass(frozen=True, slots=True)
class SettingsRefused:
    """A bad settings file at reload; the settings in force stay."""

    NAME: ClassVar[str] = "settings_refused"
    MESSAGE_ID: ClassVar[str] = "d06af756c8e3408d892bb1646fd31524"
    text: str

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"settings kept as they were: {self.text}"

    def fields(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class JobLoaded(_Plain):
    """A job came, or came in a new version."""

    NAME: ClassVar[str] = "job_loaded"
    MESSAGE_ID: ClassVar[str] = "e7e55d35d2e343e8b3635e0d023b8610"
    job_id: str
    path: str
    digest: str
    replaced: bool
    next_due: Instant | None
    enabled: bool
    bulk: bool = False
    """One of very many at once: the sum is said, each one only at debug level."""

    @property
    def priority(self) -> int:
        return DEBUG if self.bulk else INFO

    def line(self) -> str:
        verb = "replaced" if self.replaced else "loaded"
        if not self.enabled:
            due = "not enabled"
        elif self.next_due is None:
            due = "its time has passed: never due"
        else:
            due = f"next due {show_instant(self.next_due)}"
        return f"{self.job_id}: {verb} from {self.path}; {due}"

    def fields(self) -> dict[str, str]:
        fields = {
            "JOBSCHEDD_JOB": self.job_id,
            "JOBSCHEDD_FILE": self.path,
            "JOBSCHEDD_DEFINITION": self.digest,
        }
        if self.next_due is not None:
            fields["JOBSCHEDD_NEXT_DUE"] = show_instant(self.next_due)
        return fields


@dataclass(frozen=True, slots=True)
class JobRemoved(_Plain):
    NAME: ClassVar[str] = "job_removed"
    MESSAGE_ID: ClassVar[str] = "1c7ac9fa08e64620b12bae869f8bb030"
    job_id: str
    path: str

    def line(self) -> str:
        return f"{self.job_id}: removed, {self.path} does not describe it any more"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id, "JOBSCHEDD_FILE": self.path}


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """A file that cannot be used as it is."""

    NAME: ClassVar[str] = "problem_found"
    MESSAGE_ID: ClassVar[str] = "22ed015b28324a3a926d42a8b5f004ae"
    path: str
    problems: tuple[Problem, ...]
    kept: str | None
    """The job whose last good version stays in force."""

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        kept = f"; the last good version of {self.kept} stays in force" if self.kept else ""
        return "; ".join(f"{self.path}: {problem}" for problem in self.problems) + kept

    def fields(self) -> dict[str, str]:
        fields = {"JOBSCHEDD_FILE": self.path}
        if self.kept:
            fields["JOBSCHEDD_JOB"] = self.kept
        return fields


@dataclass(frozen=True, slots=True)
class ProblemCleared(_Plain):
    NAME: ClassVar[str] = "problem_cleared"
    MESSAGE_ID: ClassVar[str] = "39db513912ef4349bfc85a0bbe70fc52"
    path: str

    def line(self) -> str:
        return f"{self.path}: no problem any more"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_FILE": self.path}


@dataclass(frozen=True, slots=True)
class JobQuarantined:
    """A bug of ours met this job; it is set aside until its file changes, the others go on."""

    NAME: ClassVar[str] = "job_quarantined"
    MESSAGE_ID: ClassVar[str] = "bdd70cfa2bd44175ac1f071905048d8e"
    job_id: str
    trace: str

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"{self.job_id}: set aside until its file changes, jobschedd failed on it: {self.trace}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOB": self.job_id}


@dataclass(frozen=True, slots=True)
class ThreadFailed:
    """A bug of ours, with its trace, in a place that must go on or that ends the daemon."""

    NAME: ClassVar[str] = "thread_failed"
    MESSAGE_ID: ClassVar[str] = "79d6bc55ff524725853276cd9b5f8853"
    thread: str
    trace: str

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"{self.thread} failed: {self.trace}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_THREAD": self.thread}


def _run_fields(run: Run, outcome: Outcome) -> dict[str, str]:
    fields = {
        "JOBSCHEDD_JOB": run.job_id,
        "JOBSCHEDD_RUN": run.run_id,
        "JOBSCHEDD_SCHEDULED_AT": show_instant(run.scheduled_at),
        "JOBSCHEDD_CAUSE": run.cause,
        "JOBSCHEDD_OUTCOME": outcome,
    }
    fields.update((f"JOBSCHEDD_LABEL_{name.upper()}", value) for name, value in run.labels)
    return fields


@dataclass(frozen=True, slots=True)
class RunDue(_Plain):
    """Decided and handed to the runner; the claim of the instant."""

    NAME: ClassVar[str] = "run_due"
    MESSAGE_ID: ClassVar[str] = "352ac3b53779441d85c2efdf31d5e2a4"
    run: Run

    @property
    def priority(self) -> int:
        return DEBUG

    def line(self) -> str:
        return f"{self.run.job_id}: due {show_instant(self.run.scheduled_at)}"

    def fields(self) -> dict[str, str]:
        return _run_fields(self.run, Outcome.RUNNING)


@dataclass(frozen=True, slots=True)
class RunBegan(_Plain):
    NAME: ClassVar[str] = "run_started"
    MESSAGE_ID: ClassVar[str] = "b1a08e1eae5f45b08a27b51f4b4de62f"
    run: Run
    pid: int
    started_at: Instant

    def line(self) -> str:
        late = show_duration(max(0, self.started_at - self.run.scheduled_at))
        return (
            f"{self.run.job_id}: started as process {self.pid}, due {show_instant(self.run.scheduled_at)}, {late} late"
        )

    def fields(self) -> dict[str, str]:
        return _run_fields(self.run, Outcome.RUNNING) | {
            "JOBSCHEDD_PID": str(self.pid),
            "JOBSCHEDD_STARTED_AT": show_instant(self.started_at),
            "JOBSCHEDD_LATENESS_USEC": str(self.started_at - self.run.scheduled_at),
        }


@dataclass(frozen=True, slots=True)
class RunFinished:
    NAME: ClassVar[str] = "run_ended"
    MESSAGE_ID: ClassVar[str] = "91be1712bbbb465f95a798858952aa3f"
    run: Run
    outcome: Outcome
    ending: Ending
    started_at: Instant | None
    ended_at: Instant

    @property
    def priority(self) -> int:
        return INFO if self.outcome is Outcome.SUCCEEDED else WARNING

    def line(self) -> str:
        if self.ending.signal is not None:
            how = f"signal {self.ending.signal}"
        elif self.ending.exit_code is not None:
            how = f"exit code {self.ending.exit_code}"
        else:
            how = self.ending.reason
        took = f" after {show_duration(self.ended_at - self.started_at)}" if self.started_at is not None else ""
        return f"{self.run.job_id}: {self.outcome}{took}, {how}"

    def fields(self) -> dict[str, str]:
        fields = _run_fields(self.run, self.outcome)
        if self.started_at is not None:
            fields["JOBSCHEDD_STARTED_AT"] = show_instant(self.started_at)
            fields["JOBSCHEDD_DURATION_USEC"] = str(self.ended_at - self.started_at)
        if self.ending.exit_code is not None:
            fields["JOBSCHEDD_EXIT_CODE"] = str(self.ending.exit_code)
        if self.ending.signal is not None:
            fields["JOBSCHEDD_SIGNAL"] = str(self.ending.signal)
        if self.ending.memory_peak is not None:
            fields["JOBSCHEDD_CPU_USEC"] = str(self.ending.cpu_usec)
            fields["JOBSCHEDD_MEMORY_PEAK"] = str(self.ending.memory_peak)
        if self.ending.reason:
            fields["JOBSCHEDD_REASON"] = self.ending.reason
        return fields


@dataclass(frozen=True, slots=True)
class InstantPassed:
    """An instant, or several, that did not become a run, and why."""

    NAME: ClassVar[str] = "instant_passed"
    MESSAGE_ID: ClassVar[str] = "1f10fe4763034bccabb7e7da2c5cf5f9"
    run: Run
    outcome: Outcome
    reason: str
    count: int = 1
    """How many instants end so, the last of them being the run's."""

    @property
    def priority(self) -> int:
        return NOTICE if self.outcome is Outcome.COALESCED else WARNING

    def line(self) -> str:
        several = f" and {self.count - 1} before it" if self.count > 1 else ""
        return f"{self.run.job_id}: {show_instant(self.run.scheduled_at)}{several} {self.outcome}: {self.reason}"

    def fields(self) -> dict[str, str]:
        return _run_fields(self.run, self.outcome) | {
            "JOBSCHEDD_REASON": self.reason,
            "JOBSCHEDD_COUNT": str(self.count),
        }


@dataclass(frozen=True, slots=True)
class ClockStepped:
    NAME: ClassVar[str] = "clock_stepped"
    MESSAGE_ID: ClassVar[str] = "7826adda53444ae9a2bf1c452b5be02e"
    by_usec: int

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        direction = "forward" if self.by_usec > 0 else "back"
        return f"the clock was set {direction} by {show_duration(abs(self.by_usec))}; what is due was computed again"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_STEP_USEC": str(self.by_usec)}


@dataclass(frozen=True, slots=True)
class RunnerDied:
    NAME: ClassVar[str] = "runner_died"
    MESSAGE_ID: ClassVar[str] = "4cbf5b27a4c64985a3bbffeb02a8abba"
    reason: str
    running: int

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"the runner process died ({self.reason}) with {self.running} runs; started again"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_REASON": self.reason}


@dataclass(frozen=True, slots=True)
class DirectoryChanged:
    """A job directory that cannot be seen as it should, or can be seen again."""

    NAME: ClassVar[str] = "directory_changed"
    MESSAGE_ID: ClassVar[str] = "bc87081887d54767ac59dab3aa1f84f4"
    path: str
    text: str
    good: bool

    @property
    def priority(self) -> int:
        return INFO if self.good else WARNING

    def line(self) -> str:
        return f"{self.path}: {self.text}"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_FILE": self.path}


@dataclass(frozen=True, slots=True)
class StateDumped:
    """What SIGUSR1 asks for: counts, and where each thread is."""

    NAME: ClassVar[str] = "state_dumped"
    MESSAGE_ID: ClassVar[str] = "f1245c17f2f14091b82abeca69d6a19b"
    text: str

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return self.text

    def fields(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Remark:
    """What a library had to say through Python's logging."""

    NAME: ClassVar[str] = "remark"
    MESSAGE_ID: ClassVar[str] = "7d5b0f9a86e14f2c9f0c1b7ad3c84e5b"
    priority: int
    text: str

    def line(self) -> str:
        return self.text

    def fields(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class LinesDropped:
    """The journal, or whoever reads our stderr, was too slow."""

    NAME: ClassVar[str] = "lines_dropped"
    MESSAGE_ID: ClassVar[str] = "fa4667a1ad9f42e8a87f61928f148384"
    count: int

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        return f"{self.count} lines of this log were dropped: they were not taken fast enough"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_COUNT": str(self.count)}


KINDS: tuple[type[Event], ...] = (
    DaemonStarted, DaemonReady, DaemonReloaded, DaemonStopping, SettingsRefused,
    JobLoaded, JobRemoved, ProblemFound, ProblemCleared, JobQuarantined, ThreadFailed,
    RunDue, RunBegan, RunFinished, InstantPassed, ClockStepped,
    RunnerDied, DirectoryChanged, StateDumped, Remark, LinesDropped,
)  # fmt: skip
