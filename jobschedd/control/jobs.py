"""What there is: jobs, the files they come from, and what is due."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from fnmatch import translate
from heapq import heapify, heappop, heappush
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from jobschedd.control.asking import AT_ONCE, House, no_such_job
from jobschedd.control.callers import Caller, user_of
from jobschedd.model import message
from jobschedd.model.event import show_instant
from jobschedd.model.run import DAY
from jobschedd.model.telling import tell
from jobschedd.world.store.reading import UnreadableRecord
from jobschedd.world.varlink import Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from jobschedd.model.catalog import Troubled
    from jobschedd.model.job import Job
    from jobschedd.model.message import JobNow
    from jobschedd.world.store.reading import Happening, Reader

LONGEST_TEXT = 400
"""Characters of a description or a schedule in a list; `Show` gives all."""

LONGEST_PROBLEMS = 2_000
"""Characters of what is wrong with a file, in a list; `jobctl check` tells all."""

LONGEST_GLOB = 256
"""Characters: the expressions that are made of patterns are remembered, several hundred of them."""

MOST_DUE = 10_000
DUE_AT_ONCE = 400
COMING = 5
"""Instants, and rows of the record, that `Show` gives."""


class Jobs:
    def __init__(self, house: House) -> None:
        self._house = house

    def overview(self, caller: Caller, *, glob: str | None = None) -> Generator[dict[str, Any], None, dict[str, Any]]:
        with ExitStack() as stack:
            reader: Reader | None = None
            with suppress(UnreadableRecord):
                reader = stack.enter_context(self._house.open_record())
            for page in self.pages(caller, glob):
                last = _last(reader, [job.definition.job.job_id for job in page])
                yield {"jobs": [_values(job, last) for job in page]}
        troubles: tuple[Troubled, ...] = ()
        if caller.may_all:
            reply: SimpleQueue[tuple[Troubled, ...]] = SimpleQueue()
            troubles = self._house.ask(message.AskTroubles(reply), reply)
        wanted = pattern(glob)
        found = [
            {
                "file": trouble.path,
                "text": _short("; ".join(map(str, trouble.problems)), LONGEST_PROBLEMS),
                "keeps": trouble.kept,
            }
            for trouble in troubles
            if wanted(trouble.kept or os.path.basename(trouble.path))
        ]
        for start in range(0, len(found), AT_ONCE):
            yield {"problems": found[start : start + AT_ONCE]}
        return {"jobs": [], "problems": []}

    def show(self, caller: Caller, *, job_id: str) -> dict[str, Any]:
        job = self.find(caller, job_id)
        definition = job.definition
        coming: list[str] = []
        instant = job.next_due
        while instant is not None and len(coming) < COMING:
            coming.append(show_instant(instant))
            instant = definition.schedule.next(instant) if definition.schedule else None
        try:
            with self._house.open_record() as reader:
                runs = reader.history(job_id, COMING)
            if not caller.may_all:
                runs = [row for row in runs if row.definition == definition.digest]
        except UnreadableRecord:
            runs = []
        return {
            "job": _values(job, {row.job_id: row for row in runs}, longest=None),
            "definition": tell(definition),
            "files": self._files(job),
            "coming": coming,
            "runs": [row.told() for row in runs],
        }

    def next(
        self, caller: Caller, *, glob: str | None = None, limit: int | None = None, until: str | None = None
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        end = self._house.clock.now() + DAY if until is None else self._house.moment("until", until)
        left = min(100 if limit is None else max(0, limit), MOST_DUE)
        jobs = [job for page in self.pages(caller, glob) for job in page if not job.paused]
        # Jobs of one instant by id. The number keeps definitions from being compared.
        heap = [
            (job.next_due, job.definition.job.job_id, number)
            for number, job in enumerate(jobs)
            if job.next_due is not None and job.next_due < end
        ]
        heapify(heap)
        found: list[dict[str, Any]] = []
        while heap and left:
            instant, job_id, number = heappop(heap)
            left -= 1
            starts_at = show_instant(instant + jobs[number].delay)
            found.append({"job_id": job_id, "scheduled_at": show_instant(instant), "starts_at": starts_at})
            schedule = jobs[number].definition.schedule
            following = schedule.next(instant) if schedule else None
            if following is not None and following < end:
                heappush(heap, (following, job_id, number))
            if len(found) == DUE_AT_ONCE:
                yield {"instants": found}
                found = []
        return {"instants": found}

    def pages(self, caller: Caller, glob: str | None) -> Iterator[list[JobNow]]:
        """The jobs that the caller sees and that match, by id, a few at a time: the scheduler waits for nobody."""
        wanted = pattern(glob)
        ids_reply: SimpleQueue[tuple[str, ...]] = SimpleQueue()
        there = self._house.ask(message.AskJobIds(ids_reply), ids_reply)
        job_ids = sorted(job_id for job_id in there if wanted(job_id))
        for start in range(0, len(job_ids), AT_ONCE):
            jobs = self._now(*job_ids[start : start + AT_ONCE])
            if seen := [job for job in jobs if caller.sees(job.definition)]:
                yield seen

    def find(self, caller: Caller, job_id: str) -> JobNow:
        """Raises Refused."""
        for job in self._now(job_id):
            if caller.sees(job.definition):
                return job
        raise no_such_job(job_id)

    def _now(self, *job_ids: str) -> tuple[JobNow, ...]:
        reply: SimpleQueue[tuple[JobNow, ...]] = SimpleQueue()
        return self._house.ask(message.AskJobs(job_ids, reply), reply)

    def _files(self, job: JobNow) -> list[dict[str, str]]:
        path = job.definition.path
        files = [{"path": path, "standing": "in_force" if os.path.lexists(path) else "gone"}]
        standing = "broken"  # the one that would win has no good version, or this one would not be in force
        for directory in self._house.jobs_dirs():
            other = os.path.join(directory, os.path.basename(path))
            if other == path:
                standing = "shadowed"
            elif os.path.lexists(other):
                files.append({"path": other, "standing": standing})
        return files + [{"path": rival, "standing": "rival"} for rival in job.rivals]


def _last(reader: Reader | None, job_ids: list[str]) -> Mapping[str, Happening]:
    """What the record has newest of each job; a list without that is better than none."""
    try:
        return reader.last(job_ids) if reader else {}
    except UnreadableRecord:
        return {}


def pattern(glob: str | None) -> Any:
    """Whether an id matches. Raises Refused."""
    if glob is None:
        return lambda _: True
    if len(glob) > LONGEST_GLOB:
        text = f"cannot use a pattern of {len(glob)} characters; at most {LONGEST_GLOB}"
        raise Refused("io.jobschedd.CannotRead", parameter="glob", text=text)
    return re.compile(translate(glob)).match


def _short(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _trigger(job: Job) -> str:
    """What beside its schedule starts a job, in words."""
    after = ", ".join(link.job if link.on == "success" else f"{link.job} ({link.on})" for link in job.after)
    return "; ".join([*([f"after {after}"] if after else []), *([f"watch {job.watch.path}"] if job.watch else [])])


def _values(job: JobNow, last: Mapping[str, Happening], *, longest: int | None = LONGEST_TEXT) -> dict[str, Any]:
    definition = job.definition
    row = last.get(definition.job.job_id)
    return {
        "job_id": definition.job.job_id,
        "description": _short(definition.job.description, longest),
        "file": definition.path,
        "schedule": _short(definition.schedule.text, longest) if definition.schedule else None,
        "trigger": _short(_trigger(definition.job), longest) or None,
        "user": user_of(definition),
        "enabled": definition.job.enabled,
        "paused": job.paused,
        "next_due": None if job.next_due is None else show_instant(job.next_due),
        "running": job.running,
        "waiting": job.waiting,
        "last": None if row is None else row.told(),
        "problem": _short("; ".join(map(str, job.problems)), longest and LONGEST_PROBLEMS) or None,
    }
