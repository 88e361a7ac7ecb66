"""What became of an instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jobschedd.model.event.kind import DEBUG, ERROR, INFO, NOTICE, WARNING, Plain
from jobschedd.model.run import Instant, Outcome, Run, show_instant
from jobschedd.model.span import show_duration

if TYPE_CHECKING:
    from jobschedd.model.run import Ending


def _run_fields(run: Run, outcome: Outcome) -> dict[str, str]:
    fields = {
        "JOBSCHEDD_JOB": run.job_id,
        "JOBSCHEDD_RUN": run.run_id,
        "JOBSCHEDD_SCHEDULED_AT": show_instant(run.scheduled_at),
        "JOBSCHEDD_CAUSE": run.cause,
        "JOBSCHEDD_OUTCOME": outcome,
    }
    if not run.synchronised:
        fields["JOBSCHEDD_CLOCK"] = "unsynchronised"
    fields.update((f"JOBSCHEDD_LABEL_{name.upper()}", value) for name, value in run.labels)
    return fields


@dataclass(frozen=True, slots=True)
class RunDue(Plain):
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
class RunBegan(Plain):
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
        if self.ending.reason and self.ending.reason != how:
            how += f": {self.ending.reason}"
        took = f" after {show_duration(max(0, self.ended_at - self.started_at))}" if self.started_at is not None else ""
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
        if self.ending.exit_code is not None or self.ending.signal is not None:
            fields["JOBSCHEDD_CPU_USEC"] = str(self.ending.cpu_usec)
        if self.ending.memory_peak is not None:
            fields["JOBSCHEDD_MEMORY_PEAK"] = str(self.ending.memory_peak)
        if self.ending.reason:
            fields["JOBSCHEDD_REASON"] = self.ending.reason
        return fields


@dataclass(frozen=True, slots=True)
class RunWaits(Plain):
    """Claimed, and not started yet."""

    NAME: ClassVar[str] = "run_waits"
    MESSAGE_ID: ClassVar[str] = "f61db98a2f254f34b85852b33674a145"
    run: Run
    reason: str

    @property
    def priority(self) -> int:
        return NOTICE

    def line(self) -> str:
        return f"{self.run.job_id}: waits: {self.reason}"

    def fields(self) -> dict[str, str]:
        return _run_fields(self.run, Outcome.WAITING) | {"JOBSCHEDD_REASON": self.reason}


@dataclass(frozen=True, slots=True)
class RunUnkillable(Plain):
    """SIGKILL has not ended it."""

    NAME: ClassVar[str] = "run_unkillable"
    MESSAGE_ID: ClassVar[str] = "bf645b76bb9940b087837e8c98b92251"
    run: Run
    started_at: Instant | None

    @property
    def priority(self) -> int:
        return ERROR

    def line(self) -> str:
        since = f", started {show_instant(self.started_at)}," if self.started_at is not None else ""
        return (
            f"{self.run.job_id}: cannot be killed: run {self.run.run_id}{since} has not ended after SIGKILL;"
            " a process of it hangs in the kernel, on a file server that does not answer for example"
        )

    def fields(self) -> dict[str, str]:
        return _run_fields(self.run, Outcome.RUNNING)


@dataclass(frozen=True, slots=True)
class InstantPassed:
    """An instant, or several in a row, that did not become a run, and why."""

    NAME: ClassVar[str] = "instant_passed"
    MESSAGE_ID: ClassVar[str] = "1f10fe4763034bccabb7e7da2c5cf5f9"
    run: Run
    """Of the last one of them."""
    outcome: Outcome
    reason: str
    first: Instant
    count: int | None
    """How many they are; None: too many to be counted."""

    @property
    def priority(self) -> int:
        return NOTICE if self.outcome is Outcome.COALESCED else WARNING

    def line(self) -> str:
        instants = show_instant(self.run.scheduled_at)
        if self.count != 1:
            number = "very many" if self.count is None else self.count
            instants = f"{number} instants from {show_instant(self.first)} to {instants}"
        return f"{self.run.job_id}: {instants} {self.outcome}: {self.reason}"

    def fields(self) -> dict[str, str]:
        fields = _run_fields(self.run, self.outcome) | {"JOBSCHEDD_REASON": self.reason}
        if self.count != 1:
            fields["JOBSCHEDD_FIRST_SCHEDULED_AT"] = show_instant(self.first)
        if self.count is not None:
            fields["JOBSCHEDD_COUNT"] = str(self.count)
        return fields
