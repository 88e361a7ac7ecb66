"""Everything that may be put into the scheduler's inbox. Frozen: it crosses threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from jobschedd.model.record import Keep
from jobschedd.model.run import Asked

if TYPE_CHECKING:
    from jobschedd.model.catalog import Troubled
    from jobschedd.model.error import Problem
    from jobschedd.model.job import Definition
    from jobschedd.model.run import Ending, Instant, Run


Answer_contra = TypeVar("Answer_contra", contravariant=True)


class Reply(Protocol[Answer_contra]):
    """Where an answer goes: a queue of whoever asks."""

    def put(self, item: Answer_contra) -> None: ...


@dataclass(frozen=True, slots=True)
class FileChange:
    """What one file name now says. Neither definition nor problems: it is gone, or masked."""

    name: str
    path: str
    definition: Definition | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsChanged:
    changes: tuple[FileChange, ...]
    taken: Reply[None] | None = None
    """Told when all of them have been taken in."""


@dataclass(frozen=True, slots=True)
class FirstLoadDone:
    """Every job that was there at the start has been told."""


@dataclass(frozen=True, slots=True)
class Configure:
    """The settings that the scheduler goes by."""

    catch_up_parallel: int
    max_running: int | None = None
    keep: Keep = field(default_factory=Keep)


@dataclass(frozen=True, slots=True)
class RunFound:
    """A run that the runner has, or whose end it has kept for us."""

    run: Run
    pid: int | None
    started_at: Instant | None
    asked: Asked = Asked.NOT
    """It has been asked to end."""


@dataclass(frozen=True, slots=True)
class RunnerFound:
    """The runner is there: a new one, without runs, or the one of the daemon before us."""

    runs: tuple[RunFound, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStarted:
    run_id: str
    pid: int
    started_at: Instant


@dataclass(frozen=True, slots=True)
class RunRefused:
    """The runner could not start it. `reason` is the end of `cannot_start: …`."""

    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    run_id: str
    ended_at: Instant
    ending: Ending


@dataclass(frozen=True, slots=True)
class RunnerLost:
    """The runner process died. The ends of these runs will not be seen."""

    reason: str
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """A copy of what the scheduler knows, for whoever asked."""

    jobs: int
    problems: int
    running: int
    waiting: int
    """Runs that are claimed and wait for their turn."""
    agenda: int
    next_due: Instant | None
    in_arrears: int
    """Jobs that wait for their turn to catch up."""
    stopping: bool
    degraded: str
    """Why the record cannot be written just now; empty: it can."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Answered once everything that was put in before it has been handled."""

    reply: Reply[Status]


@dataclass(frozen=True, slots=True)
class AskNext:
    """The next instant of one job, None when there is no such job or it is never due again."""

    job_id: str
    reply: Reply[Instant | None]


@dataclass(frozen=True, slots=True)
class Pause:
    """Let the instants of a job pass until `Resume`, over restarts too.

    The reply says whether that is anything new; None: there is no such job.
    """

    job_id: str
    reply: Reply[bool | None]


@dataclass(frozen=True, slots=True)
class Resume:
    job_id: str
    reply: Reply[bool | None]


@dataclass(frozen=True, slots=True)
class JobNow:
    """A job as it stands."""

    definition: Definition
    next_due: Instant | None
    paused: bool
    running: int
    waiting: int
    problems: tuple[Problem, ...]
    """What is wrong with its file now."""
    delay: int
    """By how much its starts come after their instants."""
    rivals: tuple[str, ...]
    """Files that want its id and do not get it."""


@dataclass(frozen=True, slots=True)
class AskJobIds:
    """Which jobs there are, in no order."""

    reply: Reply[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AskJobs:
    """Some jobs; few at a time, so that nothing is late for it. Those that are not there are left out."""

    job_ids: tuple[str, ...]
    reply: Reply[tuple[JobNow, ...]]


@dataclass(frozen=True, slots=True)
class AskTroubles:
    """The files that cannot be used as they stand."""

    reply: Reply[tuple[Troubled, ...]]


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a `Start`."""

    run_id: str = ""
    waits: str = ""
    """Why it does not start at once."""
    refusal: str = ""
    """Why it does not start."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a job now, whatever its schedule says, enabled or not, paused or not. None: there is no such job."""

    job_id: str
    uid: int
    reply: Reply[Started | None]


@dataclass(frozen=True, slots=True)
class End:
    """End a run, or all runs of a job, and start none of those that wait.

    The reply names the runs that are asked to end; None: there is neither a job nor a run of that name.
    """

    name: str
    reason: str
    reply: Reply[tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class Stop:
    """Start nothing any more. The reply comes when it is so, and again when nothing runs."""

    reply: Reply[Status]


@dataclass(frozen=True, slots=True)
class EndRuns:
    """Send a signal to everything that every run has started."""

    signal: int


@dataclass(frozen=True, slots=True)
class Close:
    """Write down what is still to be written; the reply comes when that is done, or cannot be."""

    reply: Reply[Closed]


@dataclass(frozen=True, slots=True)
class Closed:
    """The record is closed. `unwritten`: how many entries could not be written."""

    unwritten: int


@dataclass(frozen=True, slots=True)
class WriteDown:
    """Put what has been said so far on the record now, not in a moment. The reply comes when that is done."""

    reply: Reply[None]


@dataclass(frozen=True, slots=True)
class FilesArrived:
    """A batch of the files that a job watches for has come to rest; sorted, few enough for one run's environment."""

    job_id: str
    paths: tuple[str, ...]


FromRunner = RunnerFound | RunStarted | RunRefused | RunEnded | RunnerLost
Question = AskStatus | AskNext | AskJobIds | AskJobs | AskTroubles | Pause | Resume | Start | End
Leaving = Stop | EndRuns | Close
Message = JobsChanged | FirstLoadDone | Configure | FilesArrived | FromRunner | Question | Leaving | WriteDown
