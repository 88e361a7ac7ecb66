"""Which instants a schedule names."""

from __future__ import annotations

import random
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from jobschedd.model.run import SECOND
from jobschedd.model.schedule import Schedule, parse_schedule
from tests.conftest import at, local


def instants(schedule: Any, after: str, count: int, zone: str = "UTC") -> list[str]:
    made = parse_schedule(schedule, ZoneInfo(zone))
    found, moment = [], at(after, zone)
    for _ in range(count):
        following = made.next(moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(local(moment, zone))
    return found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("*/5 * * * *", "2026-11-23 08:05:00"),
        ("0 1 * * *", "2026-11-24 01:00:00"),
        ("15,45 9-17/4 * * mon-fri", "2026-11-23 09:15:00"),
        ("0 0 1 JAN *", "2027-01-01 00:00:00"),
        ("0 0 L * *", "2026-11-30 00:00:00"),
        ("0 0 * * fri#2", "2026-12-11 00:00:00"),
        ("0 0 * * L5", "2026-11-27 00:00:00"),
        ("0 0 ? * 7", "2026-11-29 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
        ("* * * * * */20", "2026-11-23 08:00:20"),
        ("@hourly", "2026-11-23 09:00:00"),
        ("@daily", "2026-11-24 00:00:00"),
        ("@midnight", "2026-11-24 00:00:00"),
        ("@weekly", "2026-11-29 00:00:00"),
        ("@monthly", "2026-12-01 00:00:00"),
        ("@yearly", "2027-01-01 00:00:00"),
        ("@annually", "2027-01-01 00:00:00"),
        ("2026-12-24T18:00:00Z", "2026-12-24 18:00:00"),
        ("2026-12-24T18:00+02:00", "2026-12-24 16:00:00"),
        ({"cron": "0 0 2 * * *", "seconds": "first"}, "2026-11-24 02:00:00"),
        ({"cron": "0 2 * * * 0"}, "2026-11-24 02:00:00"),
    ],
)
def test_each_form_names_its_first_instant(text: Any, first: str) -> None:
    assert instants(text, "2026-11-23 08:00:00", 1)[0][:19] == first


def test_day_of_month_and_day_of_week_are_either_when_neither_begins_with_a_star() -> None:
    assert [day[8:10] for day in instants("0 0 13 * fri", "2026-11-01 00:00", 5)] == ["06", "13", "20", "27", "04"]


def test_day_of_month_and_day_of_week_are_both_when_one_begins_with_a_star() -> None:
    assert [day[8:10] for day in instants("0 0 */2 * fri", "2026-11-01 00:00", 3)] == ["13", "27", "11"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("0 5-5 * * *", "0 5 * * *"),  # everything, to croniter
        ("3 * * * 2-2", "3 * * * 2"),
        ("59-5/6 6 * * *", "59,5 6 * * *"),  # wraps in step
        ("0 0 * * 6-1/2", "0 0 * * 6,1"),
        ("0 22-3 * * *", "0 22,23,0,1,2,3 * * *"),
        ("0 0 * * sat-sun", "0 0 * * 0,6"),
        ("0 0 * * 5-7", "0 0 * * 5,6,0"),
        ("0 0 * * 7-2", "0 0 * * 0,1,2"),
    ],
)
def test_what_croniter_reads_in_its_own_way_is_spelled_out_before(text: str, plain: str) -> None:
    assert instants(text, "2026-11-01 00:00", 20) == instants(plain, "2026-11-01 00:00", 20)


def test_a_fixed_time_that_the_jump_forward_skips_runs_right_after_it() -> None:
    assert instants("30 2 * * *", "2026-03-28 12:00", 2, "Europe/Berlin") == [
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:30:00+02:00",
    ]


def test_a_fixed_time_in_the_hour_that_comes_twice_runs_once() -> None:
    assert instants("30 2 * * *", "2026-10-24 12:00", 2, "Europe/Berlin") == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-26 02:30:00+01:00",
    ]


def test_a_fixed_time_has_had_its_turn_when_its_hour_comes_again() -> None:
    made = parse_schedule("45 2 * * *", ZoneInfo("Europe/Berlin"))
    in_the_second_pass = at("2026-10-25 01:10")  # UTC: 02:10 for the second time
    assert local(made.next(in_the_second_pass), "Europe/Berlin") == "2026-10-26 02:45:00+01:00"


def test_a_job_whose_hour_begins_with_a_star_follows_the_clock() -> None:
    assert instants("0 * * * *", "2026-10-25 01:30", 3, "Europe/Berlin") == [
        "2026-10-25 02:00:00+02:00",
        "2026-10-25 02:00:00+01:00",
        "2026-10-25 03:00:00+01:00",
    ]
    assert instants("0 * * * *", "2026-03-29 01:30", 1, "Europe/Berlin") == ["2026-03-29 03:00:00+02:00"]


def test_a_timestamp_without_an_offset_is_read_in_the_zone() -> None:
    assert instants("2026-07-01T12:00:00", "2026-06-30 00:00", 1, "Europe/Berlin") == ["2026-07-01 12:00:00+02:00"]


def test_a_timestamp_is_due_once() -> None:
    once = parse_schedule("2026-07-01T12:00:00.25Z", ZoneInfo("UTC"))
    assert once.next(0) == at("2026-07-01 12:00") + 250_000
    assert once.next(at("2026-07-01 12:00") + 250_000) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "foo", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * * 8", "5-1-2 * * * *", "*/0 * * * *", "*/99999999999 * * * *", "1-b * * * *", "a * * * *", ", * * * *",
        "1, * * * *", "-1 * * * *", "1- * * * *", "1/ * * * *", "? * * * *", "* * W * *", "* * 15W * *", "* * LW * *",
        "* * L-3 * *", "* * * * 5L", "* * * * mon#6", "* * * * mon#0", "* * * * monday", "007 * * * *", "٣ * * * *",
        "R * * * *", "R(1-5) * * * *", "@fortnightly", "@daily 5", "@reboot@reboot", "2026-13-01T00:00:00Z",
        "2026-01-01", "1969-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "1," * 200 + "1 * * * *",
        ["@daily"], None, 5, {}, {"cron": 5}, {"cron": "* * * * *", "seconds": "middle"},
        {"cron": "* * * * *", "seconds": "first"}, "* * * * mon#1,tue",
    ],
)  # fmt: skip
@pytest.mark.fault("A19")
def test_what_is_not_a_schedule_is_refused_in_a_sentence(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^(cannot|a list)"):
        parse_schedule(text, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "text", ["@reboot", "@every 90s", "H * * * *", "H(1-4) 2 * * *", "R5/2026-01-01T00:00:00Z/P1D"]
)
def test_forms_of_later_versions_are_refused_not_misread(text: str) -> None:
    with pytest.raises(ValueError, match="not supported yet"):
        parse_schedule(text, ZoneInfo("UTC"))


@pytest.mark.fault("A19")
@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 *"])
def test_an_expression_that_never_fires_is_an_error_found_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="never fires"):
        parse_schedule(text, ZoneInfo("UTC"))
    assert time.process_time() - began < 0.1


def random_field(draw: random.Random, low: int, high: int) -> str:
    first = draw.randint(low, high)
    last = draw.randint(first, high)
    return draw.choice(
        [
            "*", "*", "*", str(first), f"*/{draw.randint(1, high)}", f"{first}-{last}" if first < last else str(first),
            f"{first}-{high}/{draw.randint(1, 7)}" if first < high else str(first),
            ",".join(str(draw.randint(low, high)) for _ in range(3)),
        ]
    )  # fmt: skip


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Africa/Casablanca", "Asia/Kolkata"]


@pytest.mark.parametrize("seed", range(20))
def test_we_agree_with_cronsim(seed: int) -> None:
    """cronsim follows Debian cron through clock changes. Five-field expressions at random moments."""
    draw = random.Random(seed)
    for _ in range(100):
        text = " ".join(random_field(draw, *bounds) for bounds in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6)))
        zone = ZoneInfo(draw.choice(ZONES))
        begin = draw.randint(1_400_000_000, 2_200_000_000)
        ours: Schedule = parse_schedule(text, zone)
        theirs = CronSim(text, datetime.fromtimestamp(begin, zone))
        moment = begin * SECOND
        for _ in range(5):
            following = ours.next(moment)
            expected = round(next(theirs).timestamp()) * SECOND
            assert following == expected, f"{text} in {zone.key} after {local(moment, zone.key)}"
            moment = following
