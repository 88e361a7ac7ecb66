"""What may have been started does not come again, and a wrong clock silences nobody: from one daemon to the next."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model import message
from jobschedd.model.record import RecordFailed
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND
from tests.conftest import World, at, change, local
from tests.test_record import first, following, outcomes

FULL = RecordFailed("database or disk is full")
EVERY_TEN = "*/10 * * * *"


def killed(world: World, now: str, *changes: message.FileChange, **keys: Any) -> World:
    """The daemon after it, whose record can be written."""
    world.store.failing = None
    return following(world, now, *changes, **keys)


def later(world: World, usec: int = SECOND) -> str:
    return local(world.clock.wall + usec)[:19]


def live(world: World, times: int, usec: int) -> None:
    for _ in range(times):
        world.pass_time(usec)


def run_ahead_unwritten(world: World, by: int, minutes: int) -> None:
    """Nothing can be written; the clock is set forward, jobs run for a while, and it is set back to where it was."""
    world.store.failing = FULL
    world.pass_time(SECOND)
    world.step_clock(by)
    live(world, minutes, MINUTE)
    world.step_clock(-by - minutes * MINUTE)


def twice(*worlds: World) -> list[tuple[str, str]]:
    """What was started in more than one life."""
    runs = [run for world in worlds for run in set(world.runs)]
    return sorted({run for run in runs if runs.count(run) > 1})


@pytest.mark.fault("F08")
def test_a_daemon_that_finds_the_clock_earlier_than_its_degraded_predecessor_saw_it_starts_nothing_twice() -> None:
    a = change("a.json", "a", EVERY_TEN, catch_up="1h", overlap="allow")
    before = first(a)
    before.store.failing = FULL
    live(before, 5, 10 * MINUTE)
    after = killed(before, "2026-11-23 08:17:00", a)  # a machine without a clock of its own
    live(after, 5, 10 * MINUTE)
    assert len(before.runs) == 5
    assert twice(before, after) == []
    assert after.runs == [("a", "2026-11-23 09:00:00")]


@pytest.mark.fault("F08")
def test_a_second_daemon_that_cannot_write_either_keeps_what_the_first_has_noted() -> None:
    a = change("a.json", "a", overlap="allow")
    one = first(a)
    run_ahead_unwritten(one, 2 * HOUR, 5)
    two = following(one, later(one), a)
    two.pass_time(SECOND)
    three = killed(two, later(two), a)
    live(three, 130, MINUTE)
    assert twice(one, two, three) == []
    assert len(three.runs) > 1


@pytest.mark.fault("F08")
def test_what_is_in_doubt_is_so_for_another_schedule_too() -> None:
    a = change("a.json", "a", overlap="allow")
    before = first(a)
    run_ahead_unwritten(before, 10 * MINUTE, 180)
    after = killed(before, later(before), a)
    after.load(change("a.json", "a", "@every 30s", overlap="allow"))
    live(after, 400, 30 * SECOND)
    assert twice(before, after) == []


@pytest.mark.fault("F28")
def test_however_many_runs_a_clock_that_was_ahead_had_their_instants_have_one_outcome(world: World) -> None:
    world.load(change("a.json", "a", "* * * * *", overlap="skip"))
    world.step_clock(10 * HOUR)
    for number in range(200):
        world.pass_time(MINUTE)
        if number % 2:
            world.end(world.runner.started[-1][0])
    ahead = len(world.runs)
    assert ahead > 64
    world.step_clock(-200 * MINUTE - 5 * SECOND)
    live(world, 205, MINUTE)
    seen = [instant for instant, _ in outcomes(world.store)]
    assert sorted(set(seen)) == sorted(seen)


@pytest.mark.parametrize("gone", [True, False])
def test_a_clock_that_stood_far_ahead_when_the_daemon_was_killed_silences_nobody(gone: bool) -> None:
    before = first(change("a.json", "a", EVERY_TEN))
    before.pass_time(SECOND)
    before.step_clock(72 * 365 * DAY)
    before.pass_time(SECOND)
    changed = change("a.json", "a", "*/5 * * * *")
    after = following(before, "2026-11-23 08:12:00", *([] if gone else [changed]))
    after.pass_time(SECOND)
    if gone:
        after.load(changed)
    assert local(after.next_due("a"))[:16] == "2026-11-23 08:15"
    (latest,) = after.store.rows("SELECT max(since) FROM definition")[0]
    assert latest <= at("2026-11-23 08:13")


def test_of_a_row_that_reaches_past_the_clock_what_is_behind_stands() -> None:
    a = change("a.json", "a", EVERY_TEN, catch_up="1h")
    before = first(a)
    before.say(message.Pause("a", SimpleQueue()))
    before.sleep(5 * HOUR)
    before.say(message.Resume("a", SimpleQueue()))
    before.pass_time(SECOND)
    after = following(before, "2026-11-23 10:05:00", a)
    after.pass_time(SECOND)
    assert after.runs == []
    assert [outcome for _, outcome in outcomes(after.store)] == ["skipped"]


def by_another_job(world: World) -> None:
    world.say(message.Start("a", 0, SimpleQueue()))
    world.end(world.runner.started[-1][0])


def by_a_person_in_vain(world: World) -> None:
    world.say(message.Start("b", 0, SimpleQueue()))
    world.say(message.Start("b", 0, SimpleQueue()))
    world.end(world.runner.started[-1][0])


@pytest.mark.parametrize("start", [by_another_job, by_a_person_in_vain])
def test_what_no_schedule_has_named_accounts_for_no_instant(start: Callable[[World], None]) -> None:
    a = change("a.json", "a", "0 0 1 1 *")
    b = change("b.json", "b", "0 9 * * *", jitter="5m", catch_up="1h", overlap="skip", after=["a"])
    before = first(a, b, machine="m2")
    before.pass_time(HOUR - 20 * SECOND)  # 09:00:10, and jitter holds it back
    start(before)
    before.pass_time(SECOND)
    assert ("b", "2026-11-23 09:00:00") not in before.runs
    for run, _ in before.runner.started:
        before.end(run)
    before.pass_time(SECOND)
    after = following(before, "2026-11-23 09:01:00", a, b, machine="m2")
    after.pass_time(10 * MINUTE)
    assert ("b", "2026-11-23 09:00:00") in after.runs


def test_nothing_follows_before_what_is_in_doubt_is_told() -> None:
    files = change("a.json", "a", EVERY_TEN, catch_up="1d"), change("b.json", "b", "0 0 1 1 *", after=["a"])
    before = first(*files)
    before.pass_time(10 * MINUTE)
    run = before.runner.started[0][0]
    before.store.failing = FULL
    before.pass_time(10 * MINUTE)
    before.store.failing = None
    after = World(at("2026-11-23 08:45:00"), store=before.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 1, run.scheduled_at),)))
    after.load(*files)
    after.end(run)
    assert after.runs == []
    after.say(message.FirstLoadDone())
    after.pass_time(SECOND)
    assert [job for job, _ in after.runs] == ["b"]


def test_a_run_that_is_lost_is_tried_again_though_the_daemon_dies_before_that_is_noted() -> None:
    files = (
        change("a.json", "a", EVERY_TEN, catch_up="1d", on_lost="rerun"),
        change("b.json", "b", None, after=[{"job": "a", "on": "failure"}]),
    )
    before = first(*files)
    before.pass_time(10 * MINUTE)

    def die(*_: Any) -> None:
        raise SystemExit

    before.scheduler._dispatch.admission.hold = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        before.say(message.RunnerLost("killed", (before.runner.started[0][0].run_id,)))
    after = following(before, "2026-11-23 08:12:00", *files)
    after.pass_time(SECOND)
    assert ("a", 2) in [(run.job_id, run.attempt) for run, _ in after.runner.started]


def test_a_daemon_that_found_a_doubt_tries_again_what_is_lost_later() -> None:
    a = change("a.json", "a", EVERY_TEN, on_lost="rerun", catch_up="1h")
    before = first(a)
    before.store.failing = FULL
    before.pass_time(10 * MINUTE)
    after = killed(before, "2026-11-23 08:45:00", a)
    after.pass_time(10 * MINUTE)
    run = after.runner.started[-1][0]
    after.say(message.RunnerLost("killed", (run.run_id,)))
    assert [run.attempt for run, _ in after.runner.started] == [1, 2]


def test_a_further_attempt_waits_no_longer_because_the_clock_was_set_back() -> None:
    a = change("a.json", "a", "0 8 * * *", retry={"attempts": 3, "delay": "30m"}, catch_up="1d")
    before = first(a, now="2026-11-23 07:59:30")
    before.pass_time(MINUTE)
    before.end(before.runner.started[0][0], exit_code=1)
    before.step_clock(-30 * DAY)
    before.pass_time(MINUTE)
    after = following(before, later(before), a)
    (held,) = after.scheduler._dispatch.admission.waiting
    assert held.since - after.clock.wall < 35 * MINUTE


def test_what_is_kept_in_memory_while_nothing_can_be_written_is_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobschedd.record.MOST_KEPT", 50)
    world.load(change("a.json", "a", "@every 1s", overlap="allow"))
    world.store.failing = FULL
    live(world, 300, SECOND)
    record = world.scheduler._record
    assert (len(record._entries) <= 51, len(record._claimed) <= 51) == (True, True)


def test_a_job_that_is_set_aside_stays_on_the_record_when_the_clock_is_set_back(world: World) -> None:
    world.load(change("a.json", "a", EVERY_TEN, catch_up="1h", overlap="allow"))
    dispatch, definition = world.scheduler._dispatch, world.scheduler._catalog.get("a")
    assert definition is not None
    dispatch.quarantine(definition, "a trace")
    world.step_clock(5 * HOUR)
    world.pass_time(MINUTE)
    world.step_clock(-5 * HOUR)
    live(world, 3, 10 * MINUTE)
    assert [outcome for _, outcome in outcomes(world.store)] == ["skipped"] * 3
