"""Instants that come and do not run: why, and on the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.record import Passed
from jobschedd.model.run import Cause, Instant, Outcome
from jobschedd.model.span import show_span

if TYPE_CHECKING:
    from jobschedd.dispatch import Dispatch
    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.model.policy import Stretch
    from jobschedd.model.record import Past
    from jobschedd.model.verdict import Verdict

HELD_UP = "nobody could start it in time"
SET_ASIDE = "set aside: jobschedd has met a bug of its own"
CHANGED = "withdrawn: the job changed"
GONE = "withdrawn: the job was removed"
NOT_WRITTEN = "not known: starts could not be written down"
NOT_KEPT = "not known: it could not be written down, and was too much to be kept"
NOT_READ = "not known: the record could not be read"


class Passing:
    """Used by the scheduler's thread alone."""

    def __init__(self, dispatch: Dispatch, host: Host, past: Past) -> None:
        self._dispatch = dispatch
        self._host = host
        self._down_since = past.seen_at

    def tell(
        self, definition: Definition, verdict: Verdict, now: Instant, why_missed: str, *, blocked: str = ""
    ) -> None:
        """Say what of a verdict does not run. `blocked`: why its start does not either."""
        if verdict.doubted:
            self.pass_doubted(definition, verdict.doubted, now)
        for row in verdict.coalesced:
            if blocked and verdict.start is not None:
                self._pass(definition, row, Outcome.SKIPPED, blocked, now)
            else:
                self._pass(definition, row, Outcome.COALESCED, "a newer instant is owed", now)
        if verdict.missed:
            if self._down_since is not None and verdict.missed.first <= self._host.since:
                why_missed = f"down {show_span(self._down_since, self._host.since, self._host.zone)}"
            self._pass(definition, verdict.missed, Outcome.MISSED, why_missed, now)

    def pass_all(self, definition: Definition, row: Stretch, outcome: Outcome, reason: str, now: Instant) -> None:
        """Say of all the instants of a row why they do not run; but for those that did."""
        self.pass_doubted(definition, row, now)
        self._pass(definition, row, outcome, reason, now)

    def pass_doubted(self, definition: Definition, row: Stretch, now: Instant) -> None:
        """Say of what may have been started among these that it does not run."""
        for part, span in self._dispatch.timetable.doubted(definition, row):
            self._note(definition, part, Outcome.MISSED, not_written(span, self._host), now)

    def _pass(self, definition: Definition, row: Stretch, outcome: Outcome, reason: str, now: Instant) -> None:
        for part in self._dispatch.timetable.undecided(definition, row):
            self._note(definition, part, outcome, reason, now)

    def _note(self, definition: Definition, row: Stretch, outcome: Outcome, reason: str, now: Instant) -> None:
        run = self._dispatch.make_run(definition, row.last, Cause.SCHEDULE, now)
        self._dispatch.record.passed(Passed(run, outcome, reason, row.first, row.count))


def not_written(span: tuple[Instant, Instant], host: Host) -> str:
    """Why what may have been started does not run."""
    return f"{NOT_WRITTEN} {show_span(*span, host.zone)}"
