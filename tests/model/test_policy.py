"""Decisions as values."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model.policy import catch_up_window, owed
from jobschedd.model.run import HOUR, MINUTE, SECOND
from jobschedd.model.schedule import Schedule, parse_schedule
from tests.conftest import at


def made(text: Any) -> Schedule:
    return parse_schedule(text, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("text", "window"),
    [("* * * * *", MINUTE), ("*/30 * * * *", 3 * MINUTE), ("0 * * * *", 6 * MINUTE), ("@daily", HOUR)],
)
def test_an_instant_may_be_a_tenth_of_its_period_late(text: str, window: int) -> None:
    assert catch_up_window(made(text), at("2026-11-23 00:00"), None) == window


def test_a_timestamp_may_be_an_hour_late() -> None:
    once = made("2026-11-23T00:00:00Z")
    due = at("2026-11-23 00:00")
    assert owed(once, due, due + HOUR).run == due
    assert owed(once, due, due + HOUR + 1).missed == (due,)


def test_an_instant_on_time_runs() -> None:
    due = at("2026-11-23 08:00")
    answer = owed(made("0 * * * *"), due, due + 200)
    assert (answer.run, answer.coalesced, answer.missed) == (due, (), ())


def test_of_several_owed_the_newest_runs() -> None:
    first = at("2026-11-23 08:00")
    answer = owed(made("* * * * *"), first, first + 3 * MINUTE + SECOND)
    assert answer.run == first + 3 * MINUTE
    assert answer.coalesced == (first, first + MINUTE, first + 2 * MINUTE)


def test_what_is_too_old_is_missed() -> None:
    first = at("2026-11-23 08:00")
    answer = owed(made("0 * * * *"), first, first + 30 * MINUTE)
    assert (answer.run, answer.missed) == (None, (first,))


def test_a_gap_of_ten_years_is_bounded_work() -> None:
    first = at("2016-11-23 08:00")
    answer = owed(made("* * * * * *"), first, at("2026-11-23 08:00"))
    assert answer.run == at("2026-11-23 08:00")
    assert answer.coalesced[0] == first
    assert len(answer.coalesced) == 3_600
