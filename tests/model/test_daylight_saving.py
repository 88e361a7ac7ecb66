"""Debian cron's rule through every kind of change of a clock, case by case.

cron(8): jobs at fixed times that a jump forward skips run right after it, jobs in the time that comes twice run once;
jobs whose minute or hour begins with `*` follow the clock; more than three hours are a correction.
"""

from __future__ import annotations

from struct import pack
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model.run import SECOND
from jobschedd.model.schedule import parse_schedule, read_zone
from jobschedd.model.schedule.zone import _piece
from tests.conftest import at, instants, local

CASES = {
    # Europe/Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00
    "a fixed time that the jump forward skips runs right after it": (
        "30 2 * * *", "Europe/Berlin", "2026-03-28 12:00",
        ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"],
    ),
    "the first second that is skipped and the first after the jump are one": (
        "0 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00",
        ["2026-03-29 03:00:00+02:00", "2026-03-30 02:00:00+02:00"],
    ),
    "several skipped times of one job run once": (
        "5,25,45 2 * * *", "Europe/Berlin", "2026-03-28 12:00",
        ["2026-03-29 03:00:00+02:00", "2026-03-30 02:05:00+02:00"],
    ),
    "a fixed time in the hour that comes twice runs in the first": (
        "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00",
        ["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"],
    ),
    "a job of every hour by list runs once in the hour that comes twice": (
        "0 1,2,3 * * *", "Europe/Berlin", "2026-10-25 00:30",
        ["2026-10-25 01:00:00+02:00", "2026-10-25 02:00:00+02:00", "2026-10-25 03:00:00+01:00"],
    ),
    "an hour that begins with a star follows the clock backward": (
        "0 * * * *", "Europe/Berlin", "2026-10-25 01:30",
        ["2026-10-25 02:00:00+02:00", "2026-10-25 02:00:00+01:00", "2026-10-25 03:00:00+01:00"],
    ),
    "an hour that begins with a star follows the clock forward": (
        "30 * * * *", "Europe/Berlin", "2026-03-29 01:00",
        ["2026-03-29 01:30:00+01:00", "2026-03-29 03:30:00+02:00"],
    ),
    "a minute that begins with a star follows the clock too": (
        "*/30 2 * * *", "Europe/Berlin", "2026-10-25 01:00",
        ["2026-10-25 02:00:00+02:00", "2026-10-25 02:30:00+02:00",
         "2026-10-25 02:00:00+01:00", "2026-10-25 02:30:00+01:00"],
    ),
    "a star follows the clock backward on a day whose next one is a week off": (
        "*/30 2 * * sun", "Europe/Berlin", "2026-10-25 02:15",
        ["2026-10-25 02:30:00+02:00", "2026-10-25 02:00:00+01:00", "2026-10-25 02:30:00+01:00",
         "2026-11-01 02:00:00+01:00"],
    ),
    "a minute that begins with a star is not made up for": (
        "*/30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", ["2026-03-30 02:00:00+02:00"],
    ),
    "six fields go by the same rule": (
        "30 2 * * * 15", "Europe/Berlin", "2026-03-28 12:00",
        ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:15+02:00"],
    ),
    "a fixed time is skipped west of Greenwich": (
        "30 2 * * *", "America/New_York", "2026-03-07 12:00",
        ["2026-03-08 03:00:00-04:00", "2026-03-09 02:30:00-04:00"],
    ),
    "the southern summer ends in April": (
        "30 2 * * *", "Australia/Sydney", "2026-04-04 12:00",
        ["2026-04-05 02:30:00+11:00", "2026-04-06 02:30:00+10:00"],
    ),
    # Australia/Lord_Howe: 2026-10-04 02:00 -> 02:30, 2026-04-05 02:00 -> 01:30
    "half an hour is skipped": (
        "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00",
        ["2026-10-04 02:30:00+11:00", "2026-10-05 02:15:00+11:00"],
    ),
    "half an hour comes twice": (
        "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00",
        ["2026-04-05 01:45:00+11:00", "2026-04-06 01:45:00+10:30"],
    ),
    "a star follows a clock that goes back by half an hour": (
        "*/20 * * * *", "Australia/Lord_Howe", "2026-04-05 01:30",
        ["2026-04-05 01:40:00+11:00", "2026-04-05 01:40:00+10:30", "2026-04-05 02:00:00+10:30"],
    ),
    # America/Sao_Paulo: 2018-11-04 00:00 -> 01:00, 2018-02-18 00:00 -> 23:00
    "midnight is skipped": (
        "0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00",
        ["2018-11-04 01:00:00-02:00", "2018-11-05 00:00:00-02:00"],
    ),
    "the last hour of a day comes twice": (
        "30 23 * * *", "America/Sao_Paulo", "2018-02-17 12:00",
        ["2018-02-17 23:30:00-02:00", "2018-02-18 23:30:00-03:00"],
    ),
    "a job of the first of the month whose midnight is skipped runs that day": (
        "0 0 1 * *", "Africa/Cairo", "2010-09-30 12:00",
        ["2010-10-01 00:00:00+02:00", "2010-11-01 00:00:00+02:00"],
    ),
    "midnight is skipped in Beirut": (
        "0 0 * * *", "Asia/Beirut", "2026-03-28 12:00",
        ["2026-03-29 01:00:00+03:00", "2026-03-30 00:00:00+03:00"],
    ),
    "midnight is skipped in Cairo": (
        "10 0 * * *", "Africa/Cairo", "2026-04-23 12:00",
        ["2026-04-24 01:00:00+03:00", "2026-04-25 00:10:00+03:00"],
    ),
    # Africa/Casablanca leaves its summer time for Ramadan: 2026-02-15 03:00 -> 02:00, 2026-03-22 02:00 -> 03:00
    "of two changes a year the first goes back": (
        "30 2 * * *", "Africa/Casablanca", "2026-02-14 12:00",
        ["2026-02-15 02:30:00+01:00", "2026-02-16 02:30:00+00:00"],
    ),
    "of two changes a year the second goes forward": (
        "30 2 * * *", "Africa/Casablanca", "2026-03-21 12:00",
        ["2026-03-22 03:00:00+01:00", "2026-03-23 02:30:00+01:00"],
    ),
    "two hours are skipped": (
        "30 2 * * *", "Antarctica/Troll", "2026-03-28 12:00",
        ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"],
    ),
    "three hours are still daylight saving": (
        "30 1 * * *", "Antarctica/Casey", "2021-10-02 12:00",
        ["2021-10-03 03:01:00+11:00", "2021-10-04 01:30:00+11:00"],
    ),
    "a date that does not exist has no instants": (
        "30 2 * * *", "Pacific/Apia", "2011-12-29 00:00",
        ["2011-12-29 02:30:00-10:00", "2011-12-31 02:30:00+14:00"],
    ),
    "a monthly job of a date that does not exist waits for the next month": (
        "0 12 30 * *", "Pacific/Apia", "2011-12-01 00:00", ["2012-01-30 12:00:00+14:00"],
    ),
    "a star follows the clock over a date that does not exist": (
        "0 */12 * * *", "Pacific/Apia", "2011-12-29 06:00",
        ["2011-12-29 12:00:00-10:00", "2011-12-31 00:00:00+14:00", "2011-12-31 12:00:00+14:00"],
    ),
    # Asia/Pyongyang: 2015-08-15 00:00 -> 2015-08-14 23:30, 2018-05-04 23:30 -> 2018-05-05 00:00
    "an offset that moves back without saving": (
        "45 23 * * *", "Asia/Pyongyang", "2015-08-14 12:00",
        ["2015-08-14 23:45:00+09:00", "2015-08-15 23:45:00+08:30"],
    ),
    "an offset that moves forward without saving": (
        "45 23 * * *", "Asia/Pyongyang", "2018-05-04 12:00",
        ["2018-05-05 00:00:00+09:00", "2018-05-05 23:45:00+09:00"],
    ),
    "summer time that is minus an hour of winter": (
        "30 1 * * *", "Europe/Dublin", "2026-10-24 12:00",
        ["2026-10-25 01:30:00+01:00", "2026-10-26 01:30:00+00:00"],
    ),
    "a change in the year 2099 goes by the rule that holds today": (
        "30 2 * * *", "Europe/Berlin", "2099-03-28 12:00",
        ["2099-03-29 03:00:00+02:00", "2099-03-30 02:30:00+02:00"],
    ),
}  # fmt: skip


@pytest.mark.fault("F31")
@pytest.mark.parametrize("case", CASES)
def test_through_a_change_of_the_clock(case: str) -> None:
    text, zone, after, expected = CASES[case]
    assert instants(text, after, len(expected), zone) == expected


def test_a_fixed_time_has_had_its_turn_when_its_hour_comes_again() -> None:
    made = parse_schedule("45 2 * * *", ZoneInfo("Europe/Berlin"))
    in_the_second_pass = at("2026-10-25 01:10")  # UTC: 02:10 for the second time
    assert local(made.next(in_the_second_pass), "Europe/Berlin") == "2026-10-26 02:45:00+01:00"


def test_a_jump_in_the_first_hour_of_a_utc_year_is_found() -> None:
    """No zone has one."""
    new_year = at("2026-01-01 00:30") // SECOND
    types = pack(">lbb", 0, 0, 0) + pack(">lbb", 3600, 1, 0)
    data = pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 1, 2, 4) + pack(">lB", new_year, 1) + types + b"ABC\0"
    zone = read_zone("Made/Up", data)
    found = parse_schedule("45 0 * * *", zone).next(at("2025-12-31 12:00"))
    assert local(found) == "2026-01-01 00:30:00+00:00"


def test_times_are_not_looked_through_that_nobody_asks_about() -> None:
    zone = ZoneInfo.no_cache("Europe/Berlin")
    before = _piece.cache_info().misses
    found = parse_schedule("* * 29 2 *", zone).next(at("2096-03-01 00:00"))
    assert local(found, "Europe/Berlin")[:10] == "2104-02-29"
    assert _piece.cache_info().misses - before <= 4


def test_a_timestamp_that_is_skipped_is_the_moment_of_the_jump() -> None:
    assert instants("2026-03-29T02:30:00", "2026-03-28 00:00", 1, "Europe/Berlin") == ["2026-03-29 03:00:00+02:00"]


def test_a_timestamp_that_comes_twice_is_the_first() -> None:
    assert instants("2026-10-25T02:30:00", "2026-10-24 00:00", 1, "Europe/Berlin") == ["2026-10-25 02:30:00+02:00"]
