"""Why a job did or did not run, in the words a person would use: from the record, and the versions a job has had."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobschedd.model.job import read_terms
from jobschedd.model.policy import before
from jobschedd.model.run import SECOND
from jobschedd.model.span import show_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant
    from jobschedd.world.store.reading import Happening, Reader, Version
    from jobschedd.world.zones import ZoneDatabase


_ENDED = {
    "lost": "was lost",
    "stopped": "was stopped",
    "timed_out": "was timed out",
    "skipped": "was skipped",
}
"""How to say of a run what became of it."""


class Explanation:
    """What is known of the newest instant of a job that is not later than a moment."""

    def __init__(
        self,
        reader: Reader,
        versions: Sequence[Version],
        moment: Instant,
        *,
        now: Instant,
        zones: ZoneDatabase,
        digest: str | None = None,
        degraded: str = "",
    ) -> None:
        """`versions`: of the job, the oldest first, at least one. `digest`: of one alone, and of its runs, is spoken.

        `degraded`: why the record cannot be written just now.
        """
        self._reader = reader
        self._digest = digest
        self._degraded = degraded
        self._versions = versions
        self._job = versions[0].job_id
        # To a time of whole seconds belongs what falls within its second.
        self._moment = moment + SECOND - 1 if moment % SECOND == 0 else moment
        self._now = now
        self._zones = zones
        self.rows: list[Happening] = []
        """What it is told from."""

    def words(self) -> str:
        return self._words().rstrip()

    def _words(self) -> str:
        job, show = self._job, self._show
        held = [version for version in self._versions if version.since <= self._moment]
        if not held:
            return f"{job} was not there yet: its file was first read at {show(self._versions[0].since)}."
        version = held[-1]
        if version.until is not None and version.until < self._moment:
            gone = f"{job} was not in force at {show(self._moment)}: it was removed at {show(version.until)}."
            return f"{gone} {self._of_instants(version)}"
        return self._of_instants(version)

    def _of_instants(self, version: Version) -> str:
        job, show = self._job, self._show
        definition = read_terms(job, version.terms, self._zones)
        schedule = definition.schedule
        if not definition.job.enabled:
            return (
                f'{job} has not been due since {show(version.since)}: its file ({version.path}) says "enabled": false.'
            )
        if schedule is None:
            return self._of_the_last()
        due = self._newest(definition, version)
        if due is None:
            return f"{job} ({schedule.text}) had no instant from {show(version.since)} on, when this version of it was loaded. {self._coming()}"
        self.rows = [
            row
            for row in self._history(1_000, since=due, until=due)
            if row.first_at is not None or row.scheduled_at == due
        ]
        is_ahead = due > self._now
        began = f"{job} ({self._called(schedule.text)}) {'will be' if is_ahead else 'was'} due at {show(due)}"
        if self.rows and (asked := self._asked(self.rows[0])):
            began = f"{job} {asked} at {show(due)}"
        runs = [row for row in self.rows if row.first_at is None]
        if runs:
            return f"{began}. {' '.join(self._of_run(row) for row in runs)} {self._coming()}"
        if self.rows:
            row = self.rows[-1]
            many = ""
            if row.first_at is not None and row.count != 1:
                number = "more than a hundred" if row.count is None else str(row.count)
                many = f" It is one of {number} instants from {show(row.first_at)} to {show(row.scheduled_at)}."
            return f"{began}, and was {row.outcome}: {row.reason}.{many} {self._coming()}"
        if is_ahead and not version.delay:
            return f"{began}. {self._coming()}"
        return f"{began}, and {self._open(due, version)} {self._coming()}"

    def _called(self, text: str) -> str:
        """The schedule of the version that named the instant."""
        digests = {row.definition for row in self.rows}
        for version in self._versions:
            if version.digest in digests:
                schedule = read_terms(self._job, version.terms, self._zones).schedule
                return text if schedule is None else schedule.text
        return text

    @staticmethod
    def _asked(row: Happening) -> str:
        """What had it run, where that was not its schedule."""
        match row.cause:
            case "manual":
                return f"was asked for by uid {row.uid}"
            case "after":
                return "was to run after another job, which ended"
            case "watch":
                return "was to run for files, which arrived"
        return ""

    def _history(self, most: int, *, since: Instant = 0, until: Instant) -> list[Happening]:
        rows = self._reader.history(self._job, most if self._digest is None else 1_000, since=since, until=until)
        return [row for row in rows if self._digest in (None, row.definition)][-most:]

    def _of_the_last(self) -> str:
        """A job that runs after others, or when files arrive."""
        job, show = self._job, self._show
        self.rows = self._history(1, until=self._moment)
        began = f"{job} has no schedule: it runs after other jobs, or when files arrive"
        if not self.rows:
            return f"{began}. Neither has happened up to {show(min(self._moment, self._now))}."
        row = self.rows[-1]
        text = f"It was {row.outcome}: {row.reason}." if row.first_at is not None else self._of_run(row)
        return f"{began}. The last time was {show(row.scheduled_at)}. {text}"

    def _newest(self, definition: Definition, version: Version) -> Instant | None:
        """The newest instant up to the moment; what the versions before this one named is their own."""
        schedule = definition.schedule
        assert schedule is not None
        boots = [boot[-1] for boot in self._reader.boots() if version.since < boot[-1] <= self._moment]
        boot = boots[-1] if boots else None
        end = self._moment if version.until is None else min(self._moment, version.until)
        first = schedule.next(version.since, boot)
        due = None if first is None or first > end else before(schedule, first, end + 1, boot).last
        if due is not None and version.until is None:
            return due
        # A start is claimed a little ahead of its instant: the job may have been removed in between.
        happened = [row.scheduled_at for row in self._history(1, until=self._moment)]
        return max((instant for instant in [*happened, due] if instant and instant <= self._moment), default=None)

    def _of_run(self, row: Happening) -> str:
        attempt = f"Attempt {row.attempt} of it" if row.attempt > 1 else "It"
        if row.started_at is None:
            if row.outcome == "running":
                return f"{attempt} is claimed and about to start."
            if row.outcome == "waiting":
                return f"{attempt} waits: {row.reason}."
            outcome = _ENDED.get(row.outcome, row.outcome)
            return f"{attempt} {outcome}: {row.reason}." if row.reason else f"{attempt} {outcome}."
        late = show_duration(max(0, row.started_at - row.scheduled_at))
        cause = ", caught up" if row.cause == "catch_up" else ", tried again" if row.cause == "retry" else ""
        began = f"{attempt} was started {late} later{cause}, as process {row.pid}"
        if row.outcome == "running":
            return f"{began}, and is running."
        how = ""
        if row.signal is not None:
            how = f" with signal {row.signal}"
        elif row.exit_code is not None:
            how = f" with exit code {row.exit_code}"
        ended = _ENDED.get(row.outcome, row.outcome)
        why = f", {row.reason}" if row.reason else ""
        return f"{began}, and {ended} after {took(row)}{how}{why}."

    def _open(self, due: Instant, version: Version) -> str:
        show = self._show
        if due <= version.forgotten:
            return "what became of it is no longer on the record: rows are kept for a time, and so many a job."
        for row in self._reader.owing(self._job):
            if row.first <= due <= row.last:
                return "waits for its turn to be caught up."
        if due + version.delay > self._now:
            return f"starts at {show(due + version.delay)}: jitter holds it back until then."
        if self._degraded:
            return (
                f"nothing is on the record yet, which cannot be written just now: {self._degraded}. jobctl logs tells."
            )
        seen = self._reader.seen_at()
        if seen is None or seen < due + version.delay:
            return (
                f"nothing is on the record yet: the daemon last wrote at {show(seen or version.since)}."
                " If it runs, ask again in a moment; if not, it decides about this when it is started:"
                " systemctl status jobschedd."
            )
        return "nothing on the record says what became of it. That must not be: please report it, with jobctl audit."

    def _coming(self) -> str:
        newest = self._versions[-1]
        definition = read_terms(self._job, newest.terms, self._zones)
        if newest.until is not None or definition.schedule is None or not definition.job.enabled:
            return ""
        if (paused := self._reader.paused_since(self._job)) is not None:
            return f"The job has been paused since {self._show(paused)}."
        following = definition.schedule.next(max(self._now, self._moment))
        return "It is not due again." if following is None else f"It is due again at {self._show(following)}."

    def _show(self, instant: Instant) -> str:
        """On the clock of this place, to the second."""
        return f"{datetime.fromtimestamp(instant // SECOND, UTC).astimezone(self._zones.local()):%Y-%m-%d %H:%M:%S}"


def took(row: Happening) -> str:
    if row.started_at is None or row.ended_at is None:
        return "-"
    return show_duration(max(0, row.ended_at - row.started_at))
