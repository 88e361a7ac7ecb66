"""When each job is due, and what it owes. Most of it is tried through the scheduler."""

from __future__ import annotations

from jobschedd.model.host import Host
from jobschedd.model.record import Past
from jobschedd.model.run import DAY, HOUR
from jobschedd.model.timetable import Timetable
from tests.conftest import at, definition

EIGHT = at("2026-11-23 08:00")


def test_a_job_that_is_set_aside_owes_nothing_any_more() -> None:
    timetable = Timetable(Host(since=EIGHT), Past())
    timetable.open()
    job = definition("a", "0 * * * *", catch_up="1d", coalesce=False)
    timetable.load(job, None, EIGHT)
    ((first, job_id, delay),) = timetable.take(EIGHT + 5 * HOUR)
    assert (first, job_id, delay) == (EIGHT + HOUR, "a", 0)
    verdict = timetable.decide(job, first, delay, EIGHT + 5 * HOUR + HOUR // 2, blocked=False)
    assert (verdict.start, len(timetable.arrears)) == (None, 1)
    timetable.set_aside("a")
    assert (timetable.arrears.take(), len(timetable.arrears), timetable.first()) == (None, 0, None)


def test_what_was_decided_for_jobs_that_are_gone_is_let_go_of() -> None:
    timetable = Timetable(Host(since=EIGHT), Past())
    timetable.open()
    for number in range(150):
        job = definition(f"j{number}", "0 9 * * *")
        timetable.load(job, None, EIGHT)
        ((first, _, delay),) = timetable.take(EIGHT + HOUR)
        timetable.decide(job, first, delay, EIGHT + HOUR, blocked=False)
        timetable.withdraw(job, EIGHT + HOUR)
    timetable.forget(EIGHT + 2 * HOUR, (), 0)
    assert len(timetable._decided) == 150
    timetable.forget(EIGHT + 3 * DAY, (), 0)
    assert len(timetable._decided) == 0
