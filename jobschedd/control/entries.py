"""What runs write and what happens to them: from the journal where it is there, else as it happens."""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING, Any

from jobschedd.control.asking import House
from jobschedd.control.feed import Following, Written
from jobschedd.control.view import View
from jobschedd.model.event import INFO, WARNING, InstantPassed, RunFinished
from jobschedd.model.run import SECOND
from jobschedd.world.log.reading import Line
from jobschedd.world.varlink import Gone, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from jobschedd.control.callers import Caller
    from jobschedd.control.jobs import Jobs
    from jobschedd.model.event import Event
    from jobschedd.model.run import Instant
    from jobschedd.world.log.reading import JournalReader

    End = RunFinished | InstantPassed

BREATH = 1.0
"""Seconds after which it is looked whether the caller is still there."""

REST = 0.25
"""Seconds without a line after which a run that has ended has said all: its output takes another way than its end."""

PATIENCE = 10.0
"""Seconds for which a journal that is busy or stopped is given to have what a run that has ended wrote."""

LONGEST = 48 * 1024
"""Characters of a line, as journald's own LineMax."""

ENDS = {RunFinished.NAME, InstantPassed.NAME}
"""What is said last of a run, or of one that never began."""

MOST = 10_000
AT_ONCE = 50


class Entries:
    def __init__(self, house: House, jobs: Jobs) -> None:
        self._house = house
        self._jobs = jobs

    def watch(self, caller: Caller, *, glob: str | None = None) -> Generator[dict[str, Any], None, Any]:
        """Until the caller leaves."""
        with self._house.feed.follow() as following:
            view = View(caller, self._house, self._jobs, glob)
            lines = _Lines(self._house.clock.now)
            while True:
                _await(caller.gone, following.bell)
                if following.take_missed():
                    yield {"entry": lines.missed()}
                for told in following.take():
                    view.hear(told)
                    for entry in lines.of(told):
                        if view.shows(entry):
                            yield {"entry": entry}

    def logs(
        self,
        caller: Caller,
        *,
        name: str,
        limit: int | None = None,
        follow: bool | None = None,
    ) -> Generator[dict[str, Any], None, Any]:
        most = min(100 if limit is None else max(0, limit), MOST)
        with self._house.feed.follow() as following:
            view = View(caller, self._house, self._jobs)
            job_id, run_id, is_over = self._named(caller, view, name)

            def check(told: Event | Written) -> None:
                view.hear(told)
                if not view.sees(job_id):
                    raise Refused("io.jobschedd.NothingNamed", name=name)

            if not caller.may_all:
                following.check = check
            if self._house.open_journal is None:
                if not follow:
                    text = "jobschedd's log goes to its standard error: look where that goes, or follow what comes"
                    raise Refused("io.jobschedd.NoJournal", text=text)
                if not is_over:
                    yield from _seen(view, self._live(caller.gone, following, job_id, run_id))
                return {"entries": []}
            with self._house.open_journal(self._house) as journal:
                journal.match(job_id, run_id)
                found = [entry for line in journal.newest(most) if view.shows(entry := line.told())]
                for start in range(0, len(found), AT_ONCE):
                    yield {"entries": found[start : start + AT_ONCE]}
                # The journal may know of an end before it is on the record.
                is_over = is_over or (run_id is not None and any(entry["event"] in ENDS for entry in found))
                if follow and not is_over:
                    yield from _seen(view, self._journal(caller.gone, following, journal, run_id))
        return {"entries": []}

    def _named(self, caller: Caller, view: View, name: str) -> tuple[str, str | None, bool]:
        """The job, and the run where it is one, and whether that is over. Raises Refused."""
        with self._house.record() as reader:
            row = reader.run(name)
            known = row is not None or any(reader.versions(name))
        job_id = name if row is None else row.job_id
        # A job that has just come is not on the record yet; of one that is gone nobody knows whose it was.
        if not (known and caller.may_all):
            try:
                self._jobs.find(caller, job_id)
            except Refused:
                raise Refused("io.jobschedd.NothingNamed", name=name) from None
            if row is not None and not caller.may_all and not view.is_theirs(job_id, row.run_id):
                raise Refused("io.jobschedd.NothingNamed", name=name)
        return (job_id, None, False) if row is None else (job_id, name, row.outcome not in {"running", "waiting"})

    def of_run(
        self, gone: Callable[[], bool], following: Following, job_id: str, run_id: str, since: Instant
    ) -> Generator[dict[str, Any], None, End]:
        """The entries of a run from its start to its end. `following`: since before it began."""
        if self._house.open_journal is None:
            return (yield from self._live(gone, following, job_id, run_id, begins=True))
        with self._house.open_journal(self._house) as journal:
            journal.match(job_id, run_id)
            journal.seek(since - SECOND)
            return (yield from self._journal(gone, following, journal, run_id))

    def _live(
        self, gone: Callable[[], bool], following: Following, job_id: str, run_id: str | None, *, begins: bool = False
    ) -> Generator[dict[str, Any], None, End]:
        """`begins`: the run has not begun yet."""
        lines, end = _Lines(self._house.clock.now), None
        early: list[dict[str, Any]] = []
        while True:
            rang = _await(gone, following.bell, patience=REST if end else None)
            if following.take_missed():
                yield {"entries": [lines.missed()]}
            for told in following.take():
                found = [entry for entry in lines.of(told) if entry["job_id"] == job_id]
                found = [entry for entry in found if run_id in (None, entry["run_id"])]
                if begins and isinstance(told, Written):
                    early += found  # output and what happens come by two threads, either of them first
                    continue
                if found:
                    begins = begins and found[0]["event"] == "run_due"
                    yield {"entries": found if begins else [*found[:1], *early, *found[1:]]}
                    early = early if begins else []
                end = end or _end(told, run_id)
            if end and not rang:
                return end

    def _journal(
        self, gone: Callable[[], bool], following: Following, journal: JournalReader, run_id: str | None
    ) -> Generator[dict[str, Any], None, End]:
        end: End | None = None
        rang, is_told, ended_at = True, False, 0.0
        while True:
            found = [line.told() for line in (journal.new() if rang else journal.overlooked())]
            following.look()
            for start in range(0, len(found), AT_ONCE):
                yield {"entries": found[start : start + AT_ONCE]}
            # What is said of the end is in the journal about when what was written before it is.
            is_told = is_told or any(entry["event"] in ENDS for entry in found)
            if end and not rang and (is_told or monotonic() - ended_at > PATIENCE):
                return end
            # journald rings a quarter of a second late where it has rung before; after the end it is not waited for. Nor
            # where looking for what was overlooked has used up a ring.
            is_quiet = not (rang or end or journal.stirred)
            rang = _await(gone, following.bell, journal.fileno(), patience=None if is_quiet else REST)
            for told in following.take():
                if end is None and (end := _end(told, run_id)):
                    ended_at = monotonic()
                    is_told = is_told or not self._house.is_logged(end)


def _seen(view: View, replies: Generator[dict[str, Any], None, End]) -> Generator[dict[str, Any], None, None]:
    """Of these entries those that may be seen."""
    for reply in replies:
        if entries := [entry for entry in reply["entries"] if not entry["job_id"] or view.shows(entry)]:
            yield {"entries": entries}


def _await(gone: Callable[[], bool], *bells: int, patience: float | None = None) -> bool:
    """Wait until one of these rings; False: `patience` is over. Raises Gone."""
    poll = select.poll()
    for bell in bells:
        poll.register(bell, select.POLLIN)
    while True:
        rang = poll.poll((BREATH if patience is None else patience) * 1_000)
        if gone():
            raise Gone
        if rang or patience is not None:
            return bool(rang)


def _end(told: Event | Written, run_id: str | None) -> End | None:
    """What ends a run, or says that it has not begun."""
    if run_id is not None and isinstance(told, RunFinished | InstantPassed) and told.run.run_id == run_id:
        return told
    return None


class _Lines:
    """Entries of what the feed tells: pieces of output become lines."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._begun: dict[str, str] = {}
        """By run: a line that has not ended yet."""

    def missed(self) -> dict[str, Any]:
        """Said to a follower who took too long."""
        text = "you were too slow: some of what happened here is left out"
        return Line(self._now(), "", None, "missed", WARNING, text).told()

    def of(self, told: Event | Written) -> list[dict[str, Any]]:
        at = self._now()
        if isinstance(told, Written):
            *lines, rest = (self._begun.pop(told.run_id, "") + told.text).split("\n")
            while len(rest) > LONGEST:
                lines.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            if rest:
                self._begun[told.run_id] = rest
            return [Line(at, told.job_id, told.run_id, "output", INFO, line[:LONGEST]).told() for line in lines]
        fields = told.fields()
        job_id, run_id = fields.get("JOBSCHEDD_JOB", ""), fields.get("JOBSCHEDD_RUN")
        entries = [Line(at, job_id, run_id, told.NAME, told.priority, told.line()).told()]
        if isinstance(told, RunFinished) and (rest := self._begun.pop(told.run.run_id, "")):
            entries.insert(0, Line(at, job_id, run_id, "output", INFO, rest).told())
        return entries
