"""What may have been started does not come again, and a wrong clock silences nobody: from one daemon to the next."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model import event, message
from jobschedd.model.policy import start_delay
from jobschedd.model.record import RecordFailed
from jobschedd.model.rows import lies_in
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND, Run
from tests.conftest import MemoryStore, World, at, change, local
from tests.test_record import audited, first, following, outcomes

FULL = RecordFailed("database or disk is full")
EVERY_TEN = "*/10 * * * *"


def killed(world: World, now: str, *changes: message.FileChange, **keys: Any) -> World:
    """The daemon after it, whose record can be written."""
    world.store.failing = None
    return following(world, now, *changes, **keys)


def killed_while_it_goes(world: World, run: Run, *changes: message.FileChange) -> World:
    """The same, and the runner still has this run."""
    world.store.failing = None
    after = World(world.clock.wall + SECOND, store=world.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 1, run.scheduled_at),)))
    after.load(*changes)
    after.say(message.FirstLoadDone())
    return after


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


AHEAD = [10 * MINUTE, 30 * HOUR, 72 * 365 * DAY]


def twice(*worlds: World) -> list[tuple[str, str]]:
    """What was started more than once."""
    runs = [run for world in worlds for run in world.runs]
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
@pytest.mark.fault("F28")
@pytest.mark.parametrize("by", AHEAD)
def test_however_far_an_unwritten_clock_was_ahead_nothing_starts_twice_and_nobody_is_silenced(by: int) -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="allow")
    before = first(a)
    run_ahead_unwritten(before, by, 45)
    ahead = [run for run in before.runner.started if run[0].scheduled_at > before.clock.wall]
    assert len(ahead) > 3
    after = killed(before, later(before), a)
    live(after, 12, 5 * MINUTE)
    assert len(after.runs) == (1 if by == AHEAD[0] else 6)  # up to 08:55 all may have been started
    after.step_clock(by - 15 * MINUTE)  # time comes to it
    live(after, 12, 5 * MINUTE)
    assert twice(before, after) == []
    assert len(after.runs) > 6 or by == AHEAD[0]
    after.say(message.Close(SimpleQueue()))
    assert audited(after.store).clean


@pytest.mark.fault("F08")
def test_what_may_have_been_started_ahead_of_its_time_is_told_when_its_time_comes() -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="allow", catch_up="1m")
    before = first(a)
    run_ahead_unwritten(before, HOUR, 25)
    after = killed(before, later(before), a)
    assert after.said(event.InstantPassed) == []
    assert local(after.next_due("a"))[11:16] == "08:10"
    live(after, 10, 5 * MINUTE)
    assert local(after.next_due("a"))[11:16] == "09:30"
    live(after, 8, 5 * MINUTE)
    (passed,) = [said for said in after.said(event.InstantPassed) if local(said.first)[11:13] == "09"][:1]
    assert (passed.outcome, local(passed.first)[11:16]) == ("missed", "09:00")
    assert passed.reason.startswith("not known: starts could not be written down 09:0")


@pytest.mark.fault("F08")
def test_each_start_is_noted_before_it_is_made_where_it_cannot_be_written(world: World) -> None:
    files = [
        change("a.json", "a", EVERY_TEN, overlap="allow", jitter="1h", catch_up="1d"),
        change("b.json", "b", "@every 1s", overlap="allow"),
        change("c.json", "c", "13 * * * *", catch_up="7d", coalesce=False, overlap="allow"),
    ]
    world.load(*files)
    marker, start = world.store._marker, world.runner.start
    seen: list[int] = []

    def look(runs: Any) -> None:
        noted = marker.read()
        assert noted is not None
        seen.extend(run.scheduled_at for run, _, _ in runs if not lies_in(noted.spans, run.scheduled_at))
        start(runs)

    world.store.failing = FULL
    world.runner.start = look  # type: ignore[method-assign]
    live(world, 30, SECOND)
    world.step_clock(3 * DAY)
    for _ in range(60):
        world.pass_time(MINUTE)
        for run, _ in world.runner.started[-4:]:
            world.end(run)
    assert {job for job, _ in world.runs} == {"a", "b", "c"}
    assert seen == []


@pytest.mark.fault("F08")
def test_what_was_to_be_caught_up_and_may_have_been_is_told_once() -> None:
    a = change("a.json", "a", "0 * * * *", catch_up="7d", coalesce=False, overlap="skip")
    before = first(a)
    before.sleep(2 * HOUR)
    before.pass_time(SECOND)
    assert before.runs == [("a", "2026-11-23 10:00:00")]
    before.store.failing = FULL
    before.end(before.runner.started[0][0])
    before.pass_time(SECOND)
    assert len(before.runs) == 2
    after = killed(before, later(before), a)
    after.pass_time(SECOND)
    again = following(after, later(after), a)
    again.pass_time(SECOND)
    told = [said for world in (after, again) for said in world.said(event.InstantPassed)]
    assert [(local(said.first)[11:16], said.count) for said in told] == [("09:00", 1)]
    assert twice(before, after, again) == []


@pytest.mark.fault("F08")
def test_what_somebody_had_started_by_hand_is_no_instant_of_a_schedule() -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="allow", catch_up="1m")
    before = first(a)
    before.store.failing = FULL
    before.pass_time(9 * MINUTE + 30 * SECOND - 1)
    before.say(message.Pause("a", SimpleQueue()))
    before.pass_time(1)
    before.say(message.Start("a", 0, SimpleQueue()))
    (start,) = before.runner.started
    assert local(start[0].scheduled_at)[11:19] == "08:10:00"
    before.store.failing = None
    after = World(at("2026-11-23 08:12:00"), store=before.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(start[0], 1, start[0].scheduled_at),)))
    after.load(a)
    after.say(message.FirstLoadDone())
    after.pass_time(SECOND)
    assert [said.outcome for said in after.said(event.InstantPassed)] == ["missed"]


@pytest.mark.fault("F28")
@pytest.mark.parametrize("in_its_life", [True, False])
def test_a_daemon_that_started_with_its_clock_far_ahead_silences_nobody_once_that_is_put_right(
    in_its_life: bool,
) -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="allow")
    before = first(a)
    before.store.failing = FULL
    live(before, 3, 10 * MINUTE)
    after = killed(before, "2098-01-01 00:00:30", a)
    after.pass_time(SECOND)
    if in_its_life:
        after.step_clock(at("2026-11-23 08:35:00") - after.clock.wall)
    else:
        after = following(after, "2026-11-23 08:35:00", a)
    live(after, 12, 5 * MINUTE)
    assert after.store.rows("SELECT max(last_at) FROM doubted") == [(at("2026-11-23 08:35:00"),)]
    assert [instant[11:16] for _, instant in after.runs] == ["08:40", "08:50", "09:00", "09:10", "09:20", "09:30"]
    third = following(after, later(after), a)
    live(third, 2, 5 * MINUTE)
    assert [instant[11:16] for _, instant in third.runs] == ["09:40"]
    third.say(message.Close(SimpleQueue()))
    assert audited(third.store).clean


@pytest.mark.fault("F28")
def test_a_clock_that_was_set_back_between_two_lives_is_known_where_the_second_could_not_write() -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="skip")
    one = first(a)
    live(one, 3, 10 * MINUTE)
    one.store.failing = FULL
    two = following(one, "2026-11-23 08:12:00", a)
    two.pass_time(8 * MINUTE + SECOND)
    (run,) = [run for run, _ in two.runner.started]
    three = killed_while_it_goes(two, run, a)
    three.pass_time(20 * MINUTE)
    three.say(message.Close(SimpleQueue()))
    assert audited(three.store).clean


@pytest.mark.parametrize("ahead_when_it_fails", [False, True])
def test_of_many_spans_those_that_are_behind_become_one_first(ahead_when_it_fails: bool) -> None:
    daily = change("a.json", "a", "0 3 * * *", overlap="allow", catch_up="30d", coalesce=False)
    often = change("b.json", "b", EVERY_TEN, overlap="allow")
    before = first(daily, often)
    before.sleep(20 * DAY)

    def be_ahead(by: int) -> None:
        before.step_clock(by)
        before.store.failing = FULL
        before.pass_time(MINUTE)
        before.step_clock(-by)

    if ahead_when_it_fails:
        be_ahead(8 * HOUR)
    before.store.failing = FULL
    for _ in range(20):
        before.pass_time(SECOND)
        for run, _ in before.runner.started:
            before.end(run)
    assert len({instant for job, instant in before.runs if job == "a"}) == 20
    for by in [20 * HOUR, 16 * HOUR] if ahead_when_it_fails else [8 * HOUR]:
        be_ahead(by)
    after = killed(before, later(before), daily, often)
    after.pass_time(at("2026-12-13 08:10:10") - after.clock.wall)
    live(after, 29, 10 * MINUTE)
    assert len([job for job, _ in after.runs if job == "b"]) == 30
    assert twice(before, after) == []


def drop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has happened until now is dropped before it can be written, and the record heals."""
    monkeypatch.setattr("jobschedd.record.MOST_KEPT", 20)
    world.load(change("z.json", "z", "@every 1s", overlap="allow"))
    live(world, 100, SECOND)
    world.store.failing = None
    live(world, 3, SECOND)
    assert world.said(event.RecordHealed)[0].dropped > 50


def test_what_waited_and_was_dropped_from_memory_does_not_wait_on(monkeypatch: pytest.MonkeyPatch) -> None:
    a = change("a.json", "a", "0 * * * *", overlap="queue", catch_up="1d")
    before = first(a, now="2026-11-23 08:59:30")
    before.pass_time(MINUTE)
    before.pass_time(HOUR)
    assert [outcome for _, outcome in outcomes(before.store)] == ["running", "waiting"]
    before.store.failing = FULL
    for _ in range(2):
        before.end(before.runner.started[-1][0])
        before.pass_time(SECOND)
    assert len(before.runs) == 2
    drop(before, monkeypatch)
    after = following(before, later(before, MINUTE), a)
    live(after, 3, SECOND)
    assert after.runs == []
    assert [outcome for _, outcome in outcomes(after.store)] == ["lost", "lost"]


def test_what_goes_on_and_was_dropped_from_memory_is_on_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    a = change("a.json", "a", "0 * * * *", overlap="queue", catch_up="1d")
    before = first(a, now="2026-11-23 08:59:30")
    before.pass_time(MINUTE)
    before.pass_time(HOUR)
    before.store.failing = FULL
    before.end(before.runner.started[-1][0])
    before.pass_time(SECOND)
    run = before.runner.started[-1][0]
    before.say(message.RunStarted(run.run_id, 4711, before.clock.wall))
    drop(before, monkeypatch)
    assert before.store.rows("SELECT outcome, pid FROM run WHERE run_id = ?", run.run_id) == [("running", 4711)]


def test_a_retry_that_was_dropped_from_memory_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    a = change("a.json", "a", "0 9 * * *", on_lost="rerun")
    before = first(a, now="2026-11-23 08:59:30")
    before.pass_time(30 * SECOND)
    before.store.failing = FULL
    before.say(message.RunnerLost("killed", (before.runner.started[0][0].run_id,)))
    before.pass_time(SECOND)
    assert [run.attempt for run, _ in before.runner.started] == [1, 2]
    before.end(before.runner.started[-1][0])
    drop(before, monkeypatch)
    after = following(before, later(before, MINUTE), a)
    live(after, 3, SECOND)
    assert after.runs == []


def test_what_was_dropped_from_memory_is_not_started_again_by_the_same_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    world = first(change("a.json", "a", overlap="allow"))
    world.store.failing = FULL
    live(world, 2, MINUTE)
    for run, _ in world.runner.started:
        world.end(run)
    drop(world, monkeypatch)
    world.load(change("a.json", "a", "*/1 * * * *", overlap="allow", catch_up="5m"))
    world.load(change("a.json", "a", "0/2,1/2 * * * *", overlap="allow"))
    world.step_clock(-4 * MINUTE)
    live(world, 4, MINUTE)
    assert twice(world) == []


def test_what_a_daemon_dropped_from_its_memory_is_in_doubt_for_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobschedd.record.MOST_KEPT", 20)
    a = change("a.json", "a", "@every 1s", overlap="allow")
    world.load(a)
    world.store.failing = FULL
    live(world, 300, SECOND)
    world.store.failing = None
    live(world, 3, SECOND)
    (healed,) = world.said(event.RecordHealed)
    assert healed.dropped > 100
    after = following(world, "2026-11-23 08:00:00", a)  # a clock that is behind
    live(after, 400, SECOND)
    assert twice(world, after) == []


def test_a_record_that_is_begun_anew_knows_what_may_have_been_started(world: World) -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="allow")
    world.load(a)
    run_ahead_unwritten(world, 2 * HOUR, 25)
    after = killed(world, later(world), a)
    fresh = MemoryStore()
    fresh._connect()
    after.store.failing = RecordFailed("database disk image is malformed", broken=True)

    def set_aside(_now: int) -> str:
        after.store._db, after.store.failing = fresh._db, None
        return "/state/record.db.unusable"

    after.store.set_aside = set_aside  # type: ignore[method-assign]
    live(after, 12, MINUTE)
    assert after.said(event.RecordSetAside)
    third = following(after, later(after), a)
    live(third, 180, MINUTE)
    assert twice(world, after, third) == []


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


def test_a_run_that_ends_while_the_next_daemon_still_reads_has_its_followers_start_once() -> None:
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
    after.say(message.FirstLoadDone())
    after.pass_time(SECOND)
    assert [job for job, _ in after.runs].count("b") == 1
    assert twice(before, after) == []


@pytest.mark.fault("F08")
def test_starts_that_were_to_come_are_noted_with_those_that_came() -> None:
    """A note costs two writes to the disk: not one for each start."""
    world = World(at("2026-11-23 08:00:30"), lead=SECOND)
    world.load(change("a.json", "a", "@every 1s", overlap="allow"))
    world.store.failing = FULL
    world.pass_time(SECOND - 1_000)
    live(world, 29, SECOND)
    assert len(world.runs) == 30
    assert len(world.store.doubts) <= 32


@pytest.mark.fault("F08")
@pytest.mark.fault("F28")
def test_a_clock_set_back_under_two_daemons_that_cannot_write_is_known_to_the_third() -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="skip")
    one = first(a)
    live(one, 3, 10 * MINUTE)  # one runs, two are skipped
    assert [outcome for _, outcome in outcomes(one.store)] == ["running", "skipped", "skipped"]
    one.store.failing = FULL
    one.step_clock(-25 * MINUTE)
    two = following(one, later(one), a)
    two.pass_time(15 * MINUTE)
    (run,) = [run for run, _ in two.runner.started]
    assert local(run.scheduled_at)[11:16] == "08:20"
    three = killed_while_it_goes(two, run, a)
    three.pass_time(20 * MINUTE)
    three.say(message.Close(SimpleQueue()))
    assert twice(one, two, three) == []
    assert audited(three.store).clean


@pytest.mark.fault("F08")
def test_a_note_that_could_not_be_made_is_made_before_the_next_start() -> None:
    world = first(change("a.json", "a", overlap="allow"), now="2026-11-23 08:00:59")
    world.pass_time(SECOND // 2)
    marker, write = world.store._marker, world.store._marker.write
    marker.write = lambda _doubt: False  # type: ignore[method-assign]
    world.store.failing = FULL
    world.load(change("b.json", "b", "0 9 * * *"))
    assert (world.status().degraded, marker.read()) == ("database or disk is full", None)
    marker.write = write  # type: ignore[method-assign]
    world.pass_time(SECOND // 2)  # before the record is tried again
    (start,) = [run for run, _ in world.runner.started]
    noted = marker.read()
    assert noted is not None
    assert lies_in(noted.spans, start.scheduled_at)


@pytest.mark.fault("F08")
def test_a_note_that_does_not_outlive_the_machine_any_more_is_said(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.store.failing = FULL
    live(world, 3, MINUTE)
    world.store._marker.write = lambda _doubt: False  # type: ignore[method-assign]
    world.step_clock(-2 * SECOND)  # which is noted before the record is tried again
    live(world, 3, MINUTE)
    assert [said.noted for said in world.said(event.RecordFailing)] == [True, False]


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


@pytest.mark.fault("F28")
def test_what_is_withdrawn_with_a_schedule_goes_round_what_it_had_started_ahead_of_its_time() -> None:
    a = change("a.json", "a", "@every 45s", jitter="5m", overlap="allow")
    delay = start_delay("m2", "a", 5 * MINUTE)
    world = first(a, now="2026-11-23 08:00:00", machine="m2")
    world.pass_time(delay + 4 * MINUTE)
    world.pass_time(45 * SECOND)
    assert world.runs == [("a", "2026-11-23 08:03:45"), ("a", "2026-11-23 08:04:30")]
    world.step_clock(-delay - 2 * MINUTE - 45 * SECOND)  # 08:02:00; what gave way to it comes again
    world.pass_time(MINUTE + 50 * SECOND)
    assert local(world.next_due("a"))[11:19] == "08:02:15"  # held back by jitter
    world.load(change("a.json", "a", "* * * * *", jitter="5m", overlap="allow"))
    world.say(message.Close(SimpleQueue()))
    assert audited(world.store).double == []


@pytest.mark.fault("F10")
@pytest.mark.fault("F28")
def test_a_clock_that_is_earlier_than_what_a_healed_record_says_has_its_instants_come_again() -> None:
    files = change("a.json", "a"), change("b.json", "b", overlap="allow")
    before = first(*files)
    before.pass_time(SECOND)
    before.store.failing = FULL
    live(before, 3, MINUTE)  # it heals before it says again that it lives
    before.store.failing = None
    before.pass_time(MINUTE)
    assert before.said(event.RecordHealed)
    assert len(outcomes(before.store)) == 4
    after = following(before, "2026-11-23 08:02:31", *files)
    live(after, 5, MINUTE)
    after.say(message.Close(SimpleQueue()))
    assert twice(before, after) == []
    assert audited(after.store).clean


def test_what_was_started_unwritten_by_another_version_stands_when_the_clock_goes_back(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.store.failing = FULL
    world.pass_time(MINUTE)
    (start,) = world.runs
    world.load(change("a.json", "a", "*/1 * * * *", overlap="allow", description="another", catch_up="2m"))
    world.load(change("a.json", "a", "0/2,1/2 * * * *", overlap="allow"))
    world.step_clock(-2 * MINUTE)
    world.store.failing = None
    live(world, 4, MINUTE)
    assert world.runs.count(start) == 1
    assert world.said(event.ClaimRefused) == []  # nobody came to it again


def test_while_another_jitter_holds_an_instant_back_it_is_no_hole(world: World) -> None:
    delay = start_delay("m2", "a", 5 * MINUTE)
    world = first(change("a.json", "a", "0 * * * *", jitter="5m"), now="2026-11-23 08:59:30", machine="m2")
    world.pass_time(MINUTE)
    world.load(change("a.json", "a", "0 * * * *", description="at once from now on"))
    world.pass_time(SECOND)
    assert world.runs == []
    assert audited(world.store).clean
    world.pass_time(delay)
    world.end(world.runner.started[0][0])
    world.pass_time(HOUR - delay)
    assert len(world.runs) == 2
    found = audited(world.store)
    assert (found.clean, found.instants) == (True, 2)
