"""No step of the clock brings back what was decided."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

from jobschedd.model.decided import Decided
from jobschedd.model.run import DAY, MINUTE
from jobschedd.model.schedule import Schedule, parse_schedule
from tests.conftest import at

EIGHT = at("2026-11-23 08:00")
MINUTELY = parse_schedule("* * * * *", ZoneInfo("UTC"))


def following(decided: Decided, after: int) -> int:
    """Minutes after eight of the next instant."""
    moment = EIGHT + after * MINUTE
    found = decided.undecided("a", MINUTELY, moment).next(moment)
    assert found is not None
    return (found - EIGHT) // MINUTE


def add(decided: Decided, *minutes: int) -> None:
    for minute in minutes:
        decided.add("a", MINUTELY, EIGHT + minute * MINUTE, None)


def test_what_was_decided_does_not_come_again_and_the_rest_does() -> None:
    decided = Decided()
    add(decided, 3, 4, 5)
    assert [following(decided, after) for after in (0, 1, 2, 3, 4, 5, 6)] == [1, 2, 6, 6, 6, 6, 7]
    assert decided.undecided("another", MINUTELY, EIGHT) is MINUTELY
    assert decided.undecided("a", MINUTELY, EIGHT + 5 * MINUTE) is MINUTELY  # nothing lies ahead


def test_a_clock_that_stood_far_ahead_silences_nobody_when_it_is_put_right() -> None:
    decided = Decided()
    add(decided, 1, 2, 37_000_000, 37_000_001)
    assert following(decided, 0) == 3
    assert following(decided, 5) == 6
    assert following(decided, 36_999_999) == 37_000_002


def test_decided_in_any_order_is_decided() -> None:
    for seed in range(50):
        draw = random.Random(seed)
        decided, wanted = Decided(), set()
        for begin in draw.sample((10, 40, 70, 100, 130), 5):
            minutes = list(range(begin, begin + draw.randint(1, 30)))
            draw.shuffle(minutes)
            for minute in minutes[:6]:
                decided.add("a", MINUTELY, EIGHT + minute * MINUTE, None)
                wanted.add(minute)
        for minute in wanted:
            assert following(decided, minute - 1) not in wanted


def test_memory_is_bounded_and_the_newest_are_kept() -> None:
    decided = Decided()
    add(decided, *range(0, 1_000, 10))
    assert len(decided.spans("a", MINUTELY)) == 64
    assert following(decided, 989) == 991


def test_what_one_schedule_named_says_nothing_about_another() -> None:
    decided = Decided()
    hourly: Schedule = parse_schedule("@hourly", ZoneInfo("UTC"))
    decided.add("a", hourly, EIGHT, None)
    decided.add("a", hourly, EIGHT + 60 * MINUTE, None)
    assert following(decided, 0) == 1
    add(decided, 1)
    assert decided.undecided("a", hourly, EIGHT - 1) is hourly


def test_an_instant_joins_both_sides() -> None:
    decided = Decided()
    add(decided, 1, 3, 2, 2)
    assert following(decided, 0) == 4
    assert len(decided.spans("a", MINUTELY)) == 1


def test_any_number_in_a_row_is_one_span_and_the_hole_before_it_stays() -> None:
    decided = Decided()
    add(decided, *range(1, 51), *range(1_000, 1_050))
    assert following(decided, 50) == 51
    assert following(decided, 998) == 999
    assert following(decided, 999) == 1_050


def test_jobs_that_are_gone_are_forgotten_after_a_while() -> None:
    decided = Decided()
    hourly: Schedule = parse_schedule("@hourly", ZoneInfo("UTC"))
    for name, instant in (("old", EIGHT - 2 * DAY), ("kept", EIGHT - 2 * DAY), ("new", EIGHT)):
        decided.add(name, hourly, instant, None)
    decided.forget(EIGHT - DAY, {"kept"})
    assert len(decided) == 2
    before = EIGHT - 2 * DAY - 1
    assert decided.undecided("kept", hourly, before).next(before) != EIGHT - 2 * DAY
    assert decided.undecided("old", hourly, before).next(before) == EIGHT - 2 * DAY
