"""What the scheduler decides and hears, on its way to the store and to whoever listens: written and said as one.

Claims are durable before they are started. All else is gathered for a moment, so that a thousand ends are not a
thousand transactions. While the store fails, everything is kept here and jobs go on: no instant is started twice as
long as this process lives, and a note tells the next one where the instants lie that may have been: unwritten.py.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jobschedd.model import event
from jobschedd.model.record import (
    Alive,
    Began,
    Claimed,
    Doubted,
    Ended,
    Passed,
    RecordFailed,
    TakenBack,
    Waits,
)
from jobschedd.model.run import HOUR, MINUTE, NAMED, SECOND, Instant, Outcome, Run
from jobschedd.unwritten import Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobschedd.model.record import Entry, Keep, Past
    from jobschedd.model.run import Ending
    from jobschedd.ports import Clock, Listener, Store

PATIENCE = 20_000
"""Microseconds for which what is no claim waits for company."""

ENOUGH = 8_192
"""Entries that are company enough: less than a tenth of a second."""

LOADING = 25
"""So many times as long it may wait while the first files are read: versions need only be there before their claims."""

AGAIN = SECOND
"""How long after a failure the store is tried again."""

MOST_KEPT = 200_000
"""Entries that are kept in memory while the store fails; some 100 MB. Beyond, the oldest are dropped and counted."""

HEARTBEAT = 5 * MINUTE
"""How much of the past is not known to have been watched when the machine loses its power."""


TIDY_EVERY = HOUR
TIDY_AFTER = 200
"""Rows that are written while it is put off again and again: as many as a piece deletes. Then it is put off no more."""

TIDY_NEXT = 30_000
"""When there is more to delete than was deleted at once; and as long before the next start nothing is: a piece takes
some 8 milliseconds, and a start is claimed at most 20 ahead.
"""


class Record:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        listen: Listener,
        keep: Keep,
        *,
        patience: int,
    ) -> None:
        """`patience`: how long what is no claim waits for company, microseconds."""
        self.keep = keep
        self._tidy_at = clock.now() + MINUTE
        self._store = store
        self._clock = clock
        self._listen = listen
        self.everything: Callable[[], list[Entry]] = list
        """What a new record has to be told of the present."""
        self._patience = patience
        self.loading = True
        self._entries: list[Entry] = []
        self._flush_at: Instant | None = None
        self._alive: Instant | None = None
        self.decides_until: Instant | None = None
        """The daemon stops: what comes after this moment is for the next one to decide. None: it goes on."""
        self.degraded = ""
        """Why the store fails; empty: it does not."""
        self._failing_since = 0
        self.unwritten = Unwritten(store, clock)
        self._said_noted = True
        self._try_again = 0
        """By elapsed time."""
        self._dropped = 0
        self.takes = 0
        """How long a write has taken of late, microseconds."""
        self._claimed: dict[tuple[str, Instant, int], None] = {}
        """What has been claimed and is not written yet, the oldest first."""
        self._untidied = 0
        """Rows that were written since some were deleted."""
        self._recorded: list[str] = []
        self.unread: Callable[[Past], list[Entry]] | None = None
        """What is to be written once the past can be read; None: it has been."""
        self.see_dropped: Callable[[Past], list[Entry]] = lambda _: []
        """Where entries were dropped: what is to be written of what goes on by the record, and does not."""
        self.doubt: Callable[[Doubted], None] = lambda _: None
        """Where entries were dropped: what in these may have been started is not started again."""

    # -- what happened -------------------------------------------------------------------------------------------

    def note(self, entry: Entry) -> None:
        """Write this down in a moment."""
        self._entries.append(entry)
        if self._flush_at is None:
            self._flush_at = self._clock.now() + self._patience * (LOADING if self.loading else 1)

    def claim(self, claims: Sequence[Claimed]) -> frozenset[str]:
        """Write these starts down before they are made, with all that was noted before.

        The ids of those that must not be made: the record says that their instant was started before.
        """
        runs = [claim.run for claim in claims]
        twice = {run.run_id for run in runs if _key(run) in self._claimed}
        claims = [claim for claim in claims if claim.run.run_id not in twice]
        self._entries += claims
        self._claimed.update((_key(claim.run), None) for claim in claims)
        refused = twice | self._write()
        if self.degraded:
            self.unwritten.note_starts(claims)
        for run in runs:
            if run.run_id in refused:
                self._listen(event.ClaimRefused(run.job_id, event.show_instant(run.scheduled_at)))
        return frozenset(refused)

    def began(self, run: Run, pid: int, started_at: Instant) -> None:
        self.note(Began(run.run_id, pid, started_at))
        self._listen(event.RunBegan(run, pid, started_at))

    def ended(
        self,
        run: Run,
        outcome: Outcome,
        ending: Ending,
        started_at: Instant | None,
        ended_at: Instant,
        *,
        pid: int | None = None,
    ) -> None:
        began = None if started_at is None or pid is None else Began(run.run_id, pid, started_at)
        self.note(Ended(run.run_id, outcome, ended_at, ending, run, began))
        if outcome is Outcome.SKIPPED:
            self._listen(event.InstantPassed(run, outcome, ending.reason, run.scheduled_at, 1))
        else:
            self._listen(event.RunFinished(run, outcome, ending, started_at, ended_at))

    def passed(self, passed: Passed) -> None:
        self.note(passed)
        self._listen(event.InstantPassed(passed.run, passed.outcome, passed.reason, passed.first, passed.count))

    # -- writing -------------------------------------------------------------------------------------------------

    @property
    def next_moment(self) -> Instant:
        """When `flush` or `tidy` wants to be called."""
        return self._tidy_at if self._flush_at is None else min(self._flush_at, self._tidy_at)

    def doubt_the_clock(self, now: Instant) -> None:
        """It was set. What is old by it may not be: nothing is deleted for a while, in which it may be put right."""
        self._tidy_at = now + TIDY_EVERY

    def tidy(self, now: Instant, due: Instant | None) -> None:
        """Delete some of what need not be kept, if it is time for that. `due`: when the next start is."""
        if now < self._tidy_at:
            self._tidy_at = min(self._tidy_at, now + TIDY_EVERY)  # the clock may have been set back
        elif self.degraded or (self._untidied < TIDY_AFTER and due is not None and due - now < TIDY_NEXT):
            self._tidy_at = now + TIDY_NEXT
        else:
            self._untidied = 0
            more = self._store.tidy(max(0, now - self.keep.usec), self.keep.per_job)
            self._tidy_at = now + (TIDY_NEXT if more else TIDY_EVERY)

    def waiting_runs(self) -> set[str]:
        """The runs of which something waits to be written."""
        runs = {entry.run.run_id for entry in self._entries if isinstance(entry, Claimed)}
        return runs | {entry.run_id for entry in self._entries if isinstance(entry, Ended)}

    def take_recorded(self) -> list[str]:
        """The runs whose ends have been written since the last time this was asked."""
        recorded, self._recorded = self._recorded, []
        return recorded

    def flush(self, now: Instant, *, at_once: bool = False) -> None:
        """Write what waits, if it has waited long enough. All that was due at `now` has been decided."""
        due = self._flush_at is not None and (now >= self._flush_at or len(self._entries) >= ENOUGH)
        beat = self._alive is None or not -HEARTBEAT < now - self._alive < HEARTBEAT
        if not (due or beat or (at_once and self._entries)):
            return
        self._alive = now
        if not self.degraded:
            self._entries.append(self._seen(now))
        self._write()

    def _seen(self, now: Instant) -> Alive:
        """Up to where everything has been decided."""
        return Alive(now if self.decides_until is None else min(now, self.decides_until))

    def step_back(self, now: Instant) -> None:
        """The clock was set back."""
        self.note(TakenBack(now))
        self.unwritten.set_back(now)

    def started_ahead(self, now: Instant) -> Mapping[str, Sequence[Instant]]:
        """By job what was claimed of instants later than `now`, as far as the store can say, and we."""
        started: Mapping[str, tuple[Instant, ...]] = {}
        with suppress(RecordFailed):
            started = self._store.ahead(now)
        ahead = {job_id: list(instants) for job_id, instants in started.items()}
        for entry in self._entries:
            run = entry.run if isinstance(entry, Claimed) else entry.held.run if isinstance(entry, Waits) else None
            if run is not None and run.scheduled_at > now and run.attempt == 1 and run.cause in NAMED:
                ahead.setdefault(run.job_id, []).append(run.scheduled_at)
        return ahead

    def close(self, now: Instant) -> int:
        """Write what waits, for the last time; how many entries could not be written."""
        self._try_again = 0
        self._entries.append(self._seen(now))
        self._write()
        self._store.close()
        return len(self._entries) if self.degraded else 0

    def _write(self) -> frozenset[str]:
        self._flush_at = None
        if self.degraded and self._clock.elapsed() < self._try_again:
            self._keep()
            return frozenset()
        began = self._clock.elapsed()
        try:
            if self.unread is not None:
                self._entries += self.unread(self._store.read(self._clock.now()))
                self.unread = None
            instead = self.unwritten.in_place_of_entries() if self._dropped else []
            lost = self.see_dropped(self._store.read(self._clock.now())) if self._dropped else []
            refused = self._store.write([*instead, *self._entries, *lost])
        except RecordFailed as error:
            self._fail(error)
            return frozenset()
        self.unwritten.end()
        if self.degraded:
            self._heal()
        self.takes = max(self._clock.elapsed() - began, self.takes * 9 // 10)
        self._recorded += (entry.run_id for entry in self._entries if isinstance(entry, Ended))
        self._untidied += sum(isinstance(entry, Claimed | Passed) for entry in self._entries)
        self._entries.clear()
        self._claimed.clear()
        for entry in instead:
            if isinstance(entry, Doubted):
                self.doubt(entry)
        return refused

    def _fail(self, error: RecordFailed) -> None:
        now = self._clock.now()
        if not self.degraded:
            self._failing_since = self._clock.elapsed()
            self.unwritten.begin()
        # With what comes up to the next try: most starts are noted before they are thought of.
        self.unwritten.note([(now, now + 2 * AGAIN)])
        noted = self.unwritten.outlives_the_machine
        if not self.degraded or (self._said_noted and not noted):
            self._listen(event.RecordFailing(str(error), noted))
        self._said_noted = noted
        self.degraded = str(error)
        self._try_again = self._clock.elapsed() + AGAIN
        if error.broken:
            try:
                path = self._store.set_aside(now)
            except OSError:
                return  # as long as that cannot be done, nothing can be written
            self._listen(event.RecordSetAside(str(error), path))
            self._entries[:0] = self.everything()
            self._try_again = 0
        self._keep()

    def _keep(self) -> None:
        self._flush_at = self._clock.now() + AGAIN
        excess = len(self._entries) - MOST_KEPT
        if excess > 0:
            del self._entries[:excess]
            self._dropped += excess
        while len(self._claimed) > MOST_KEPT:
            del self._claimed[next(iter(self._claimed))]

    def _heal(self) -> None:
        took = self._clock.elapsed() - self._failing_since
        self._listen(event.RecordHealed(len(self._entries), self._dropped, took))
        self.degraded = ""
        self._dropped = 0


def _key(run: Run) -> tuple[str, Instant, int]:
    """Of one such there is one start, ever."""
    return run.job_id, run.scheduled_at, run.attempt
