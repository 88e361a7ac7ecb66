"""What the next daemon has to know of what this one cannot write down: a note that needs no room, made before each start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.model.record import Doubt, Doubted, TakenBack
from jobschedd.model.rows import lies_in
from jobschedd.model.run import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobschedd.model.record import Claimed
    from jobschedd.model.run import Instant
    from jobschedd.ports import Clock, Store


class Unwritten:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.found: Doubt | None = None
        """What the last daemon could not write down, until this one has."""
        self._doubt: Doubt | None = None
        """What this one cannot; None: nothing."""
        self._back_to: Instant | None = None
        """The clock was set back to here, and that is not written yet."""
        self.outlives_the_machine = True
        """The note does."""
        self._right = 0
        """What added to the elapsed time makes a clock that nobody has set forward since the failure."""

    def begin(self) -> None:
        """From now on nothing is written."""
        self._doubt = Doubt(self._clock.now()).over(self.found)
        self._right = self._clock.now() - self._clock.elapsed()
        if self._back_to is not None:
            self._doubt = self._doubt.set_back(self._back_to)

    def note(self, spans: Iterable[tuple[Instant, Instant]]) -> None:
        """What lies in these may be started."""
        assert self._doubt is not None, "else it is written"
        self._set(self._doubt.of(spans))

    def note_starts(self, claims: Sequence[Claimed]) -> None:
        """The same for these, where it is not noted yet. What is no instant of a schedule does not come again."""
        assert self._doubt is not None, "else they are written"
        named = [claim.run.scheduled_at for claim in claims if claim.run.cause in NAMED]
        new = [(instant, instant) for instant in named if not lies_in(self._doubt.spans, instant)]
        if new or not self.outlives_the_machine:
            self.note(new)

    def set_back(self, now: Instant) -> None:
        """The clock was set back to `now`."""
        self._back_to = now if self._back_to is None else min(now, self._back_to)
        if self._doubt is not None:
            self._right = min(self._right, now - self._clock.elapsed())
            self._set(self._doubt.set_back(now))

    def end(self) -> None:
        """All is written."""
        if self._doubt is not None or self.found is not None:
            self._store.doubt(None)
        self.found = self._doubt = self._back_to = None

    def in_place_of_entries(self) -> list[TakenBack | Doubted]:
        """For the record, where what should be written has been dropped."""
        if self._doubt is None:
            return []
        back = [TakenBack(self._doubt.back_to)] if self._doubt.back_to else []
        return [*back, Doubted(self._doubt.spans)]

    def _set(self, doubt: Doubt) -> None:
        self._doubt = doubt.short(min(self._clock.now(), self._right + self._clock.elapsed()))
        self.outlives_the_machine = self._store.doubt(self._doubt)
