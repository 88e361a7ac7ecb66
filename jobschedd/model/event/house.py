"""What became of the daemon, its parts and the machine around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jobschedd.model.event.kind import ERROR, INFO, NOTICE, WARNING, Plain
from jobschedd.model.span import show_duration

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class DaemonStarted(Plain):
    NAME: ClassVar[str] = "daemon_started"
    MESSAGE_ID: ClassVar[str] = "5acc5a35467a4ef5a5a9766fe332bf35"
    version: str
    directories: tuple[str, ...]

    def line(self) -> str:
        return f"jobschedd {self.version} starting; job files in {', '.join(self.directories)}"


@dataclass(frozen=True, slots=True)
class DaemonReady(Plain):
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
class DaemonReloaded(Plain):
    NAME: ClassVar[str] = "daemon_reloaded"
    MESSAGE_ID: ClassVar[str] = "2773e40b97784a52ad0c290bb44e77ea"
    jobs: int
    problems: int

    def line(self) -> str:
        return f"reloaded: {self.jobs} jobs, {self.problems} problems"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_JOBS": str(self.jobs), "JOBSCHEDD_PROBLEMS": str(self.problems)}


@dataclass(frozen=True, slots=True)
class DaemonStopping(Plain):
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
class MachineSlept:
    NAME: ClassVar[str] = "machine_slept"
    MESSAGE_ID: ClassVar[str] = "e355a2f8cf5a484cb2ac58e52db49b31"
    for_usec: int

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return f"the machine was suspended for {show_duration(self.for_usec)}; what is due was computed again"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_SLEPT_USEC": str(self.for_usec)}


@dataclass(frozen=True, slots=True)
class ClockUnsynchronised:
    """At the start: the kernel does not hold the wall clock for right."""

    NAME: ClassVar[str] = "clock_unsynchronised"
    MESSAGE_ID: ClassVar[str] = "955b64be92fd43e299535c2162caeec9"

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return "the clock has not been synchronised; runs that are started before it is are marked"

    def fields(self) -> dict[str, str]:
        return {}


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
class ControlAsked:
    """Somebody who may has asked for something through the socket."""

    NAME: ClassVar[str] = "control_asked"
    MESSAGE_ID: ClassVar[str] = "c4706a9fde9e42dabf2fb8308a249be2"
    what: str
    job_id: str
    uid: int
    pid: int

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return f"uid {self.uid} (process {self.pid}) asks: {self.what}"

    def fields(self) -> dict[str, str]:
        job = {"JOBSCHEDD_JOB": self.job_id} if self.job_id else {}
        return job | {"JOBSCHEDD_UID": str(self.uid)}


@dataclass(frozen=True, slots=True)
class ControlRefused:
    NAME: ClassVar[str] = "control_refused"
    MESSAGE_ID: ClassVar[str] = "21e19327ca394366a483dda6611e75c8"
    method: str
    uid: int
    pid: int

    @property
    def priority(self) -> int:
        return WARNING

    def line(self) -> str:
        return f"uid {self.uid} (process {self.pid}) may not call {self.method}: root and the group jobschedd may"

    def fields(self) -> dict[str, str]:
        return {"JOBSCHEDD_UID": str(self.uid)}


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
