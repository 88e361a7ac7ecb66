"""Decisions as values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model.policy import MOST_COUNTED, Owed, Stretch, catch_up_window, owed, start_delay
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND
from jobschedd.model.schedule import Schedule, parse_schedule
from tests.conftest import at, at_most


def made(text: Any) -> Schedule:
    return parse_schedule(text, ZoneInfo("UTC"))


EIGHT = at("2026-11-23 08:00")


@pytest.mark.parametrize(
    ("text", "window"),
    [("* * * * *", MINUTE), ("*/30 * * * *", 3 * MINUTE), ("0 * * * *", 6 * MINUTE), ("@daily", HOUR)],
)
def test_an_instant_may_be_a_tenth_of_its_period_late(text: str, window: int) -> None:
    assert catch_up_window(made(text), at("2026-11-23 00:00"), None) == window


def test_what_the_job_says_is_how_late_an_instant_may_be() -> None:
    assert catch_up_window(made("@daily"), EIGHT, 7 * DAY) == 7 * DAY
    assert catch_up_window(made("@daily"), EIGHT, 1_000) == SECOND  # no start takes no time


def test_a_timestamp_may_be_an_hour_late() -> None:
    once = made("2026-11-23T08:00:00Z")
    assert owed(once, EIGHT, EIGHT + HOUR) == Owed(runs=Stretch(EIGHT, EIGHT, 1))
    assert owed(once, EIGHT, EIGHT + HOUR + 1) == Owed(missed=Stretch(EIGHT, EIGHT, 1))


def test_an_instant_on_time_runs() -> None:
    assert owed(made("0 * * * *"), EIGHT, EIGHT + 200) == Owed(runs=Stretch(EIGHT, EIGHT, 1))


def test_of_several_owed_the_newest_runs_and_those_too_old_are_missed() -> None:
    answer = owed(made("* * * * *"), EIGHT, EIGHT + 5 * MINUTE + SECOND, catch_up=3 * MINUTE)
    assert answer == Owed(
        runs=Stretch(EIGHT + 5 * MINUTE, EIGHT + 5 * MINUTE, 1),
        coalesced=Stretch(EIGHT + 3 * MINUTE, EIGHT + 4 * MINUTE, 2),
        missed=Stretch(EIGHT, EIGHT + 2 * MINUTE, 3),
    )


def test_an_instant_exactly_as_old_as_it_may_be_still_runs() -> None:
    answer = owed(made("* * * * *"), EIGHT, EIGHT + 3 * MINUTE, catch_up=2 * MINUTE, coalesce=False)
    assert answer.runs == Stretch(EIGHT + MINUTE, EIGHT + 3 * MINUTE, 3)


def test_without_coalescing_each_runs() -> None:
    answer = owed(made("* * * * *"), EIGHT, EIGHT + 5 * MINUTE + SECOND, catch_up=3 * MINUTE, coalesce=False)
    assert answer == Owed(
        runs=Stretch(EIGHT + 3 * MINUTE, EIGHT + 5 * MINUTE, 3),
        missed=Stretch(EIGHT, EIGHT + 2 * MINUTE, 3),
    )


def test_a_backlog_is_asked_about_up_to_its_last_instant() -> None:
    answer = owed(
        made("* * * * *"), EIGHT, EIGHT + 9 * MINUTE, last=EIGHT + 4 * MINUTE, catch_up=6 * MINUTE, coalesce=False
    )
    assert answer == Owed(
        runs=Stretch(EIGHT + 3 * MINUTE, EIGHT + 4 * MINUTE, 2), missed=Stretch(EIGHT, EIGHT + 2 * MINUTE, 3)
    )
    gone = owed(made("* * * * *"), EIGHT, EIGHT + HOUR, last=EIGHT + 4 * MINUTE, catch_up=MINUTE, coalesce=False)
    assert gone == Owed(missed=Stretch(EIGHT, EIGHT + 4 * MINUTE, 5))


def test_what_is_too_old_is_missed() -> None:
    assert owed(made("0 * * * *"), EIGHT, EIGHT + 30 * MINUTE) == Owed(missed=Stretch(EIGHT, EIGHT, 1))


def test_a_week_of_grace_is_anacron() -> None:
    answer = owed(made("0 8 * * *"), EIGHT, EIGHT + 5 * DAY + 3 * HOUR, catch_up=7 * DAY)
    assert answer == Owed(
        runs=Stretch(EIGHT + 5 * DAY, EIGHT + 5 * DAY, 1), coalesced=Stretch(EIGHT, EIGHT + 4 * DAY, 5)
    )


@pytest.mark.fault("A20")
@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("catch_up", [None, 365 * DAY])
def test_a_year_of_every_second_is_bounded_work(coalesce: bool, catch_up: int | None) -> None:
    now = EIGHT + 364 * DAY
    with at_most(0.010):
        answer = owed(made("* * * * * *"), EIGHT, now, catch_up=catch_up, coalesce=coalesce)
    assert answer.runs is not None
    assert answer.runs.last == now
    everything = [stretch for stretch in (answer.missed, answer.coalesced, answer.runs) if stretch]
    assert everything[0].first == EIGHT
    # Nothing is left out between them.
    for earlier, later in pairwise(everything):
        assert earlier.last + SECOND == later.first
    assert everything[0].count is None


def test_instants_are_counted_as_far_as_somebody_reads_the_number() -> None:
    def missed(minutes: int) -> int | None:
        answer = owed(made("* * * * *"), EIGHT, EIGHT + minutes * MINUTE, coalesce=False)
        assert answer.missed
        return answer.missed.count

    assert missed(50) == 49
    assert missed(MOST_COUNTED + 1) == MOST_COUNTED
    assert missed(MOST_COUNTED + 2) is None


def test_instants_in_bursts_are_found_too() -> None:
    """The newest is searched by halving; most halves of this schedule are empty."""
    burst = made("* 0 1 1 * *")
    first = at("2020-01-01 00:00")
    answer = owed(burst, first, at("2026-11-23 08:00"), catch_up=365 * DAY)
    assert answer.runs is not None
    assert answer.runs.last == at("2026-01-01 00:59:59")


def test_a_start_delay_lies_within_the_jitter_and_stays_where_it_is() -> None:
    delays = [start_delay("machine", f"job-{n}", 10 * MINUTE) for n in range(1_000)]
    assert all(0 <= delay < 10 * MINUTE for delay in delays)
    assert delays == [start_delay("machine", f"job-{n}", 10 * MINUTE) for n in range(1_000)]
    assert abs(sum(delays) / len(delays) - 5 * MINUTE) < MINUTE / 2  # eight standard deviations
    assert start_delay("machine", "job", 10 * MINUTE) != start_delay("another", "job", 10 * MINUTE)
    assert start_delay("machine", "job", 0) == 0
