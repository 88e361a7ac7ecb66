"""What the timetable answers: what becomes of instants that have come, and what a job that comes changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.policy import Stretch
    from jobschedd.model.record import Known
    from jobschedd.model.rows import Rows
    from jobschedd.model.run import Instant


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the instants of one job that have come."""

    start: Instant | None = None
    """Runs now."""
    coalesced: tuple[Stretch, ...] = ()
    missed: Stretch | None = None
    doubted: Stretch | None = None
    """What of these may have been started is not."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a job that has come, or has come in a new version, changes."""

    since: Instant | None = None
    """This version is in force from here on; None: it was in force already when the last daemon ended."""
    withdrawn: tuple[Stretch, ...] = ()
    """Was owed by the version before, and is owed no more."""
    before: Known | None = None
    """What the job was when the last daemon ended, where that was something else."""
    withdrawn_before: Rows = ()
    """What that had to catch up, and does no more."""
    doubted: tuple[Stretch, ...] = ()
    """What of these may have been started is not."""
