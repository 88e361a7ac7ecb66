"""Our instants held against three oracles, at random expressions, zones and moments.

cronsim follows Debian cron through clock changes; croniter is the dialect, away from them; brute_force.py is slow and
plain. Each run of the tests draws anew.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim, CronSimError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobschedd.model.run import SECOND
from jobschedd.model.schedule import Schedule, parse_schedule
from tests.conftest import at, local
from tests.model import brute_force

DAY = 86_400
STEPS = 5

SPECIAL = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo",
    "Africa/Casablanca", "Pacific/Apia", "Asia/Pyongyang", "Antarctica/Troll", "Antarctica/Casey", "America/Havana",
    "Europe/Dublin", "America/Caracas", "Africa/El_Aaiun", "Pacific/Kwajalein", "America/Scoresbysund",
)  # fmt: skip
ZONES = sorted(
    name
    for name in zoneinfo.available_timezones()
    if not name.startswith(("posix/", "right/")) and name not in ("localtime", "posixrules", "Factory")
)
MONTHS = brute_force.MONTHS[1:]
WEEKDAYS = brute_force.DAYS


def drawn(times: int) -> settings:
    return settings(
        max_examples=times, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
    )


# -- what is drawn -------------------------------------------------------------------------------------------------


def field(
    low: int, high: int, names: list[str], *, open_steps: bool = True, wraps: bool = False
) -> st.SearchStrategy[str]:
    """A field as everybody reads it; with `wraps` also as only we do."""
    number = st.integers(low, high)
    value = st.one_of(number.map(str), st.sampled_from(names)) if names else number.map(str)
    step = st.integers(1, high - low + 1)
    # Never a range of one value: croniter takes it for all.
    ends = st.tuples(number, number).filter(lambda pair: pair[0] != pair[1] if wraps else pair[0] < pair[1])
    span = ends.map(lambda pair: f"{pair[0]}-{pair[1]}")
    kinds = [
        st.just("*"), st.just("*"), st.builds("*/{}".format, step), value, value, span,
        st.builds("{}/{}".format, span, step), st.lists(st.one_of(value, span), min_size=2, max_size=4).map(",".join),
    ]  # fmt: skip
    if open_steps:
        kinds.append(st.builds("{}/{}".format, number, step))
    return st.one_of(kinds)


def five_fields(*, for_croniter: bool = False, wraps: bool = False) -> st.SearchStrategy[str]:
    date = field(1, 31, [], wraps=wraps)
    # croniter steps to Saturday and not to Sunday.
    week = field(0, 7, WEEKDAYS, open_steps=not for_croniter, wraps=wraps)
    nth = st.builds("{}#{}".format, st.integers(0, 6), st.integers(1, 5))
    star = st.just("*")
    days = st.one_of(
        st.tuples(star, star),
        st.tuples(date, star),
        st.tuples(star, week),
        st.tuples(date, week),
        st.tuples(st.just("L"), star),
        # croniter wants both days to match where one is an n-th weekday.
        st.tuples(star if for_croniter else date, nth),
    )
    minute, hour = field(0, 59, [], wraps=wraps), field(0, 23, [], wraps=wraps)
    month = st.one_of(star, star, field(1, 12, MONTHS, wraps=wraps))
    return st.builds(
        lambda minute, hour, day, month: f"{minute} {hour} {day[0]} {month} {day[1]}", minute, hour, days, month
    )


class Moment(NamedTuple):
    zone: ZoneInfo
    second: int
    """UTC, a whole minute."""


def offset(zone: ZoneInfo, second: int) -> int:
    return int(datetime.fromtimestamp(second, zone).utcoffset().total_seconds())  # type: ignore[union-attr]


class Change(NamedTuple):
    second: int
    before: int
    after: int


@cache
def changes(zone: ZoneInfo, year: int) -> list[Change]:
    """When the zone changes its offset in a year, found with zoneinfo alone."""
    begin = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    found = []
    for sample in range(begin, begin + 366 * DAY, DAY):
        before, after = offset(zone, sample), offset(zone, sample + DAY)
        if before != after:
            low, high = sample, sample + DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            found.append(Change(high, before, after))
    return found


def changes_between(zone: ZoneInfo, begin: int, end: int) -> list[Change]:
    years = range(datetime.fromtimestamp(begin, UTC).year, datetime.fromtimestamp(end, UTC).year + 1)
    return [change for year in years for change in changes(zone, year) if begin <= change.second <= end]


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Half of them near a change of the clock, where there is one that year."""
    zone = ZoneInfo(draw(st.one_of(st.sampled_from(SPECIAL), st.sampled_from(ZONES))))
    # Until 1972 Liberia was 44 and a half minutes from everybody's minutes.
    year = draw(st.integers(1973, 2098))
    if draw(st.booleans()) and (found := changes(zone, year)):
        second = draw(st.sampled_from(found)).second + draw(st.integers(-36 * 60, 36 * 60)) * 60
    else:
        second = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) + draw(st.integers(0, 365 * 24 * 60)) * 60
    return Moment(zone, second - second % 60)


def parse(text: str, zone: ZoneInfo) -> Schedule | None:
    """None: it never fires. Nothing else that is drawn may be refused."""
    try:
        return parse_schedule(text, zone)
    except ValueError as error:
        if "never fires" in str(error):
            return None
        raise


# -- cronsim -------------------------------------------------------------------------------------------------------


def cronsim_goes_wrong(text: str, zone: ZoneInfo, begin: int, end: int) -> bool:
    """Whether a change in between is one of those that cronsim does not follow; a test below shows each."""
    minute, hour, *_ = text.split()
    fixed = minute[0] != "*" and hour[0] != "*"
    for change in changes_between(zone, begin, end):
        moved = change.after - change.before
        from_local, to_local = change.second + change.before, change.second + change.after
        if fixed:
            wrong = moved > 3 * 3600
        else:
            # In America/St_Johns, one minute after midnight, it never comes to an end.
            off_the_hour = moved % 3600 != 0 or from_local % 3600 != 0
            skips_midnight = moved > 0 and -from_local % DAY < to_local - from_local
            wrong = off_the_hour or skips_midnight
        if wrong:
            return True
    return False


@drawn(20_000)
@given(five_fields(), moments())
def test_we_agree_with_cronsim_through_clock_changes(text: str, moment: Moment) -> None:
    zone, second = moment
    begin = datetime.fromtimestamp(second, zone)
    if begin.fold:
        return  # cronsim forgets that and names a time that has passed; the slow oracle does not
    ours = parse(text, zone)
    if ours is None:
        with pytest.raises((CronSimError, StopIteration)):
            next(CronSim(text, begin))
        return
    theirs = CronSim(text, begin)
    after = second
    for _ in range(STEPS):
        found = ours.next(after * SECOND)
        assert found is not None
        following = found // SECOND
        if cronsim_goes_wrong(text, zone, after - DAY, following + DAY):
            if following - after < 5 * DAY:
                assert brute(text, zone, after, following) == [following]
            return
        assert following == round(next(theirs).timestamp()), f"{text} after {datetime.fromtimestamp(after, zone)}"
        after = following


def brute(text: str, zone: ZoneInfo, begin: int, end: int) -> list[int]:
    found = brute_force.instants(text, zone, datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))
    return [round(instant.timestamp()) for instant in found]


DIFFERENCES = {
    "it steps hour by hour over a change of half an hour": (
        "* 6 * * *", "Australia/Lord_Howe", "2026-04-04 19:15", ("2026-04-05 06:00", "2026-04-05 06:30"),
    ),
    "it loses its way at a change that is off the hour": (
        "* 3 * * *", "Antarctica/Casey", "2020-10-03 09:44", ("2020-10-04 03:01", "2020-10-05 03:00"),
    ),
    "it begins a day at a midnight that does not exist": (
        "* */11 L * *", "Africa/Cairo", "2032-04-29 13:02", ("2032-04-30 11:00", "2032-04-30 01:00"),
    ),
    "it makes up for a date that does not exist": (
        "30 2 * * *", "Pacific/Apia", "2011-12-29 12:00", ("2011-12-31 02:30", "2011-12-31 00:00"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", DIFFERENCES)
def test_where_we_differ_from_cronsim(why: str) -> None:
    text, zone, after, both = DIFFERENCES[why]
    begin = at(after, zone)
    found = parse_schedule(text, ZoneInfo(zone)).next(begin)
    expected = next(CronSim(text, datetime.fromtimestamp(begin // SECOND, ZoneInfo(zone))))
    # As the moment is, and not as cronsim writes a time that does not exist.
    assert (local(found, zone)[:16], local(round(expected.timestamp()) * SECOND, zone)[:16]) == both


def test_cronsim_begun_in_the_second_pass_of_an_hour_names_a_time_that_has_passed() -> None:
    begin, zone = at("2026-10-25 01:05"), ZoneInfo("Europe/Berlin")  # 02:05 for the second time
    ours = parse_schedule("30 2 * * *", zone).next(begin)
    assert local(ours, "Europe/Berlin") == "2026-10-26 02:30:00+01:00"
    theirs = next(CronSim("30 2 * * *", datetime.fromtimestamp(begin // SECOND, zone)))
    assert theirs.timestamp() < begin // SECOND


def test_six_fields_go_by_debian_s_rule_and_cronsim_s_do_not() -> None:
    begin, zone = at("2026-10-25 02:45", "Europe/Berlin"), ZoneInfo("Europe/Berlin")
    ours = parse_schedule({"cron": "0 30 2 * * *", "seconds": "first"}, zone).next(begin)
    assert local(ours, "Europe/Berlin") == "2026-10-26 02:30:00+01:00"
    theirs = next(CronSim("0 30 2 * * *", datetime.fromtimestamp(begin // SECOND, zone)))
    assert theirs.isoformat(sep=" ") == "2026-10-25 02:30:00+01:00"


# -- croniter ------------------------------------------------------------------------------------------------------


@drawn(3_000)
@given(five_fields(for_croniter=True), moments())
def test_we_agree_with_croniter_away_from_clock_changes(text: str, moment: Moment) -> None:
    zone, second = moment
    ours = parse(text, zone)
    if ours is None:
        return  # held against cronsim
    # The rule of the day fields is a bug to croniter, and its name for it.
    theirs = croniter(text, datetime.fromtimestamp(second, zone).replace(tzinfo=None), implement_cron_bug=True)
    after = second
    for _ in range(STEPS):
        expected = theirs.get_next(datetime)
        found = ours.next(after * SECOND)
        assert found is not None
        following = found // SECOND
        if following - after > 400 * DAY or changes_between(zone, after - 2 * DAY, following + 2 * DAY):
            return
        assert datetime.fromtimestamp(following, zone).replace(tzinfo=None) == expected, text
        after = following


# -- brute force ---------------------------------------------------------------------------------------------------


@drawn(1_500)
@given(five_fields(wraps=True), moments())
def test_we_agree_with_a_walk_over_every_minute(text: str, moment: Moment) -> None:
    zone, begin = moment
    end = begin + 3 * DAY
    ours = parse(text, zone)
    if ours is None:
        assert brute(text, zone, begin, end) == []
        return
    found, after = [], begin * SECOND
    while (following := ours.next(after)) is not None and following <= end * SECOND:
        found.append(following // SECOND)
        after = following
    assert found == brute(text, zone, begin, end)


@drawn(500)
@given(five_fields(wraps=True), field(0, 59, [], wraps=True), moments(), st.integers(-90, 30))
def test_we_agree_with_a_walk_over_every_second(text: str, seconds: str, moment: Moment, shift: int) -> None:
    zone, second = moment
    near = changes_between(zone, second - 40 * 3600, second + 40 * 3600)
    begin = (near[0].second if near else second) + shift * 60
    text = f"{text} {seconds}"
    ours = parse(text, zone)
    if ours is None:
        return
    end = begin + 3600
    found, after = [], begin * SECOND
    while (following := ours.next(after)) is not None and following <= end * SECOND:
        found.append(following // SECOND)
        after = following
    assert found == brute(text, zone, begin, end)


# -- what the walk relies on ---------------------------------------------------------------------------------------


def test_no_zone_changes_its_offset_twice_within_two_days() -> None:
    # Only the version in Python shows its table. The rest of time is a rule of two changes a year.
    from zoneinfo._zoneinfo import ZoneInfo as Table  # type: ignore[import-not-found, unused-ignore]

    for name in ZONES:
        zone = Table.no_cache(name)
        offsets = [int(info.utcoff.total_seconds()) for info in zone._ttinfos]
        moved = [
            second
            for second, (before, after) in zip(zone._trans_utc[1:], pairwise(offsets), strict=False)
            if before != after and second >= 0
        ]
        ends = datetime.fromtimestamp(max(moved, default=0), UTC).year + 1
        for year in range(ends, 2101):
            if hasattr(zone._tz_after, "transitions"):
                moved += zone._tz_after.transitions(year)
        assert all(later - earlier > 2 * DAY for earlier, later in pairwise(sorted(moved))), name
