"""What the scheduler decides and hears, on its way to the store and to whoever listens: written and said as one.

Claims are durable before they are started. All else is gathered for a moment, so that a thousand ends are not a
thousand transactions. While the store fails, everything is kept here and jobs go on: no instant is started twice as
long as this process lives, and the store's marker tells the next one from when on it cannot know.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from jobschedd.model import event
from jobschedd.model.record import Alive, Began, Claimed, Doubt, Ended, Passed, RecordFailed, TakenBack
from jobschedd.model.run import HOUR, MINUTE, SECOND, Instant, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobschedd.model.record import Entry, Keep, Past, Rows
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
        self._doubt = Doubt(0)
        self._try_again = 0
        """By elapsed time."""
        self._dropped = 0
        self.takes = 0
        """How long a write has taken of late, microseconds."""
        self.found: Doubt | None = None
        """What the last daemon could not write down, until all of that is told."""
        self._back: Doubt | None = None
        """The clock was set back, from where and to where, and that is not written yet."""
        self._claimed: dict[tuple[str, Instant, int], None] = {}
        """What has been claimed and is not written yet, the oldest first."""
        self._untidied = 0
        """Rows that were written since some were deleted."""
        self._recorded: list[str] = []
        self.in_doubt = False
        """The last daemon could not write for a time. What became of that time is written in one piece or not at all:
        nothing is written, and nothing started, until all of it is told.
        """
        self.doubt_is_told = False
        """Among the entries is what the last daemon could not write down: once they are written nothing is in doubt."""
        self.unread: Callable[[Past], list[Entry]] | None = None
        """What is to be written once the past can be read; None: it has been."""

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
        refused = twice if self.in_doubt else twice | self._write()
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
        return self._tidy_at if self._flush_at is None or self.in_doubt else min(self._flush_at, self._tidy_at)

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
            more = self._store.tidy(now - self.keep.usec, self.keep.per_job)
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
        if self.in_doubt:
            return
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

    def step_back(self, before: Instant, now: Instant) -> None:
        """The clock, which stood at `before`, was set back."""
        self.note(TakenBack(now))
        self._back = Doubt(now, before).over(self._back)
        if self.degraded:
            self._doubt = self._doubt.over(self._back)
            self._store.doubt(self._doubt)

    def started_ahead(self, now: Instant) -> Mapping[str, Rows]:
        """By job what was started of instants later than `now`, or may have been, as far as the store can say."""
        with suppress(RecordFailed):
            return self._store.ahead(now)
        return {}

    def close(self, now: Instant) -> int:
        """Write what waits, for the last time; how many entries could not be written."""
        if self.in_doubt:
            self._store.close()
            return 0  # the next daemon finds what we found
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
            refused = self._store.write(self._entries)
        except RecordFailed as error:
            self._fail(error)
            return frozenset()
        if self.degraded:
            self._heal()
        elif self.doubt_is_told:
            self._store.doubt(None)
            self.doubt_is_told = False
        self.found = None
        self.takes = max(self._clock.elapsed() - began, self.takes * 9 // 10)
        self._recorded += (entry.run_id for entry in self._entries if isinstance(entry, Ended))
        self._untidied += sum(isinstance(entry, Claimed | Passed) for entry in self._entries)
        self._entries.clear()
        self._claimed.clear()
        self._back = None
        return refused

    def _fail(self, error: RecordFailed) -> None:
        now = self._clock.now()
        if not self.degraded:
            self._failing_since = self._clock.elapsed()
            self._doubt = Doubt(now).over(self._back).over(self.found)
        # At each try: should the next daemon find the clock earlier, it knows how far this one has come.
        self._doubt = replace(self._doubt, seen=now + 2 * AGAIN)
        noted = self._store.doubt(self._doubt)
        if not self.degraded:
            self._listen(event.RecordFailing(str(error), noted))
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
        self._store.doubt(None)
        took = self._clock.elapsed() - self._failing_since
        self._listen(event.RecordHealed(len(self._entries), self._dropped, took))
        self.degraded = ""
        self._dropped = 0


def _key(run: Run) -> tuple[str, Instant, int]:
    """Of one such there is one start, ever."""
    return run.job_id, run.scheduled_at, run.attempt
