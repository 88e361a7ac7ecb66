"""The walk that proves an import, held against two oracles that know nothing of it: cronsim and brute_force.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from jobschedd.ctl.imports.fields import read_times
from jobschedd.ctl.imports.proof import Differs, cron_instants, prove
from jobschedd.ctl.imports.walk import Walk
from jobschedd.model.schedule import parse_schedule
from tests.conftest import at, at_most, local
from tests.model import brute_force
from tests.model.test_oracles import drawn, field

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Casablanca",
    "America/Havana", "Antarctica/Troll",
)  # fmt: skip
AT_CHANGES = (
    "2026-03-07", "2026-03-28", "2026-10-03", "2026-10-24", "2026-10-31", "2027-02-06", "2027-03-13", "2027-03-27",
    "2027-04-03", "2027-10-30", "2027-11-06",
)  # fmt: skip
LINES = st.builds(
    "{} {} {} {} {}".format,
    field(0, 59, [], open_steps=False),
    field(0, 23, [], open_steps=False),
    field(1, 31, [], open_steps=False),
    st.one_of(st.just("*"), field(1, 12, [], open_steps=False)),
    field(0, 7, [], open_steps=False),
)


def walk(line: str, begin: str, count: int, zone: str, own: str | None = None) -> list[str]:
    times = read_times(line.split(), None)
    instants = cron_instants(times, ZoneInfo(zone), ZoneInfo(own) if own else None, at(begin, zone) - 1)
    return [local(instant, zone) for instant in islice(instants, count)]


@drawn(150)
@given(line=LINES, zone=st.sampled_from(ZONES), day=st.sampled_from(AT_CHANGES))
def test_around_a_change_of_the_clock_it_goes_where_a_look_at_every_minute_goes(line: str, zone: str, day: str) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    end = begin + timedelta(days=3)
    seen = list(brute_force.instants(line, ZoneInfo(zone), begin, end))
    first, last = (int(moment.timestamp()) // 60 + 1 for moment in (begin, end))
    made = Walk(read_times(line.split(), None), ZoneInfo(zone)).minutes(first, last)
    assert [datetime.fromtimestamp(minute * 60, UTC) for minute in made] == seen


@drawn(100)
@given(line=LINES, zone=st.sampled_from(("UTC", "Europe/Berlin", "America/New_York")), days=st.integers(0, 5_000))
def test_over_the_years_it_goes_where_cronsim_goes(line: str, zone: str, days: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
    minutes = Walk(read_times(line.split(), None), ZoneInfo(zone)).minutes(int(begin.timestamp()) // 60 + 1, 10**9)
    made = [datetime.fromtimestamp(minute * 60, UTC) for minute in islice(minutes, 50)]
    # cronsim gives up after fifty years, and days that no year has are none of the walk's either.
    if made and made[-1].year < begin.year + 45:
        assert made == [
            moment.astimezone(UTC) for moment in islice(CronSim(line, begin.astimezone(ZoneInfo(zone))), 50)
        ]


@pytest.mark.parametrize(
    ("line", "begin", "expected"),
    [
        ("30 2 * * *", "2027-03-28 00:00", ["2027-03-28 03:00:00+02:00", "2027-03-29 02:30:00+02:00"]),
        ("5,25 2 * * *", "2027-03-28 00:00", ["2027-03-28 03:00:00+02:00", "2027-03-29 02:05:00+02:00"]),
        ("*/30 2 * * *", "2027-03-28 00:00", ["2027-03-29 02:00:00+02:00", "2027-03-29 02:30:00+02:00"]),
        ("30 2 * * *", "2026-10-25 00:00", ["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"]),
        ("0 * * * *", "2026-10-25 02:00", ["2026-10-25 02:00:00+02:00", "2026-10-25 02:00:00+01:00"]),
    ],
)
def test_daylight_saving_is_debians(line: str, begin: str, expected: list[str]) -> None:
    assert walk(line, begin, 2, "Europe/Berlin") == expected


def test_a_zone_of_a_lines_own_skips_and_repeats_as_cronie_says() -> None:
    assert walk("30 2 * * *", "2027-03-14 00:00", 1, "UTC", "America/New_York") == ["2027-03-15 06:30:00+00:00"]
    assert walk("30 1 * * *", "2026-11-01 00:00", 2, "UTC", "America/New_York") == [
        "2026-11-01 05:30:00+00:00",
        "2026-11-01 06:30:00+00:00",
    ]


def test_cronie_leaves_such_a_line_out_while_its_own_clock_changes() -> None:
    # 10:30 in Tokyo is 02:30 in Berlin for the second time, and cron waits for its clock to come back to 03:00.
    assert walk("30 10 * * *", "2026-10-25 00:00", 1, "Europe/Berlin", "Asia/Tokyo") == ["2026-10-26 02:30:00+01:00"]
    assert walk("0 10 * * *", "2027-03-28 00:00", 1, "Europe/Berlin", "Asia/Tokyo") == ["2027-03-29 03:00:00+02:00"]
    assert walk("30 2 * * *", "2027-03-28 00:00", 1, "Europe/Berlin", "Asia/Tokyo") == ["2027-03-28 19:30:00+02:00"]
    assert walk("*/30 10 * * *", "2026-10-25 00:00", 1, "Europe/Berlin", "Asia/Tokyo") == ["2026-10-25 02:00:00+01:00"]


def test_a_difference_is_told_with_its_instant() -> None:
    zone, now = ZoneInfo("Europe/Berlin"), at("2026-11-23 00:00")
    truth = cron_instants(read_times(["0", "3", "*", "*", "*"], None), zone, None, now)
    with pytest.raises(Differs, match=r"cron runs it at 2026-11-23T03:00:00\+01:00, .* at 2026-11-23T04:00:00\+01:00"):
        prove(parse_schedule("0 4 * * *", zone), truth, now, zone, "cron")
    few = [at("2026-11-23 02:00"), at("2026-11-24 02:00")]
    with pytest.raises(Differs, match="does not run it at 2026-11-25T03:00"):
        prove(parse_schedule("0 3 * * *", zone), few, now, zone, "cron")


@pytest.mark.parametrize("line", ["* * * * *", "30 2 * * *", "0 3 1 * *", "0 0 29 2 *", "10 2 1-7 * */7"])
def test_a_line_is_proved_in_a_moment(line: str) -> None:
    zone, now = ZoneInfo("Europe/Berlin"), at("2026-11-23 00:00")
    with at_most(1.5):
        truth = cron_instants(read_times(line.split(), None), zone, None, now)
        assert prove(parse_schedule(line, zone), truth, now, zone, "cron")


def test_the_walk_ends_where_no_day_is_named() -> None:
    times = read_times(["0", "0", "31", "2", "*"], None)
    assert list(Walk(times, ZoneInfo("UTC")).minutes(0, 100 * 366 * 1440)) == []
