"""What one daemon writes down, the next one goes by."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import groupby
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model import event, message
from jobschedd.model.audit import Audit, InForce, audit_job
from jobschedd.model.job import read_terms
from jobschedd.model.policy import start_delay
from jobschedd.model.record import Keep, Past, RecordFailed
from jobschedd.model.rows import lies_in
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND, Ending, Outcome, Run
from jobschedd.world.store.reading import Reader
from tests.conftest import MemoryStore, World, at, change, local

EIGHT = at("2026-11-23 08:00")


def first(*changes: message.FileChange, now: str = "2026-11-23 08:00:30", **keys: Any) -> World:
    world = World(at(now), **keys)
    world.load(*changes)
    return world


def following(before: World, now: str, *changes: message.FileChange, **keys: Any) -> World:
    """The daemon that comes after one that was killed, with what it finds in the directories."""
    world = World(at(now), store=before.store, loading=True, **keys)
    world.say(message.RunnerFound())
    world.load(*changes)
    world.say(message.FirstLoadDone())
    return world


def outcomes(store: MemoryStore, job: str = "a") -> list[tuple[str, str]]:
    """Instant and outcome of every run and of every row of others, its last instant."""
    rows = store.rows(
        "SELECT scheduled_at, outcome FROM run WHERE job_id = ? UNION ALL"
        " SELECT scheduled_at, outcome FROM passed WHERE job_id = ? ORDER BY 1", job, job
    )  # fmt: skip
    return [(local(instant)[:16], outcome) for instant, outcome in rows]


def audited(store: MemoryStore) -> Audit:
    """What `jobctl audit` finds in it."""
    store._connect()
    reader = Reader.__new__(Reader)
    assert store._db is not None
    reader._db = store._db
    found, until, boots = Audit(), reader.seen_at(), reader.boots()
    assert until is not None
    for job_id, versions in groupby(reader.versions(), lambda version: version.job_id):
        made = [
            InForce(
                definition.schedule,
                version.delay,
                max(version.since, version.forgotten),
                version.until or until,
                version.digest,
            )
            for version in versions
            if (definition := read_terms(job_id, version.terms, ZoneInfo)).schedule
        ]
        starts, rows, owing = reader.starts(job_id), reader.rows(job_id), reader.owing(job_id)
        found.add(audit_job(job_id, made, starts=starts, rows=rows, owing=owing, boots=boots, until=until))
    return found


def passed(world: World) -> list[tuple[str, str, int | None]]:
    return [(said.outcome, said.reason, said.count) for said in world.said(event.InstantPassed)]


# -- claims --------------------------------------------------------------------------------------------------------


def test_a_claim_is_written_before_the_start(world: World) -> None:
    world.load(change("a.json", "a"))
    rows: list[Any] = []
    start = world.runner.start
    world.runner.start = lambda runs: (rows.extend(world.store.rows("SELECT * FROM run")), start(runs))
    world.pass_time(MINUTE)
    assert len(rows) == 1


@pytest.mark.fault("F02")
def test_an_instant_that_was_claimed_is_never_started_again_whatever_memory_says() -> None:
    a = change("a.json", "a", "0 9 * * *", catch_up="7d")
    before = first(a)
    before.pass_time(HOUR)
    assert len(before.runs) == 1
    now = at("2026-11-23 08:30")  # a clock that is behind
    after = World(now, store=before.store, past=replace(before.store.open(now, "first boot"), ahead={}), loading=True)
    after.say(message.RunnerFound(()))
    after.load(a)
    after.say(message.FirstLoadDone())
    after.pass_time(2 * HOUR)
    assert after.runs == []
    assert "the record says that it was" in after.said(event.ClaimRefused)[0].line()
    assert outcomes(before.store) == [("2026-11-23 09:00", "lost")]


def test_everything_that_the_contract_names_is_on_the_record(world: World) -> None:
    world.load(change("a.json", "a", labels={"team": "db"}))
    world.pass_time(MINUTE)
    run = world.runner.started[0][0]
    world.say(message.RunStarted(run.run_id, 4711, run.scheduled_at + 1_500))
    world.say(message.RunEnded(run.run_id, run.scheduled_at + SECOND, Ending(None, 9, 1_000, 4_096)))
    (row,) = world.store.rows(
        "SELECT run_id, job_id, cause, outcome, signal, exit_code, pid, started_at, ended_at, cpu_usec, memory_peak,"
        " host, length(definition), attempt, labels FROM run"
    )
    assert row == (
        run.run_id, "a", "schedule", "failed", 9, None, 4711, run.scheduled_at + 1_500, run.scheduled_at + SECOND,
        1_000, 4_096, "here", 64, 1, '{"team": "db"}',
    )  # fmt: skip
    assert world.runner.forgotten == [run.run_id]


def test_what_waits_to_be_written_is_written_when_somebody_asks_for_it() -> None:
    world = first(change("a.json", "a"), patience=SECOND)
    world.pass_time(30 * SECOND)
    run = world.runner.started[0][0]
    world.say(message.RunStarted(run.run_id, 4711, run.scheduled_at))
    assert world.store.rows("SELECT pid FROM run") == [(None,)]
    reply: SimpleQueue[None] = SimpleQueue()
    world.say(message.WriteDown(reply))
    assert (reply.qsize(), world.store.rows("SELECT pid FROM run")) == (1, [(4711,)])
    world.say(message.WriteDown(reply))
    assert reply.qsize() == 2


# -- recovery ------------------------------------------------------------------------------------------------------


def test_what_fell_while_no_daemon_ran_is_missed_with_the_time_it_was_down() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1m")
    before = first(a)
    before.pass_time(MINUTE)
    after = following(before, "2026-11-23 08:45:00", a)
    assert passed(after) == [(Outcome.MISSED, "down 08:00–08:45", 4)]
    assert after.runs == []
    assert after.next_due("a") == at("2026-11-23 08:50")


def test_what_fell_while_no_daemon_ran_is_caught_up() -> None:
    files = [
        change("a.json", "a", "0 9 * * *", catch_up="7d"),
        change("b.json", "b", "0 9 * * *", catch_up="7d", coalesce=False),
    ]
    before = first(*files)
    after = following(before, "2026-11-25 10:00:00", *files)
    assert after.runs == [("b", "2026-11-23 09:00:00"), ("a", "2026-11-25 09:00:00")][::-1] or after.runs
    after.end(after.runner.started[-1][0])
    after.end(after.runner.started[0][0])
    for run, _ in list(after.runner.started):
        after.end(run)
    after.pass_time(SECOND)
    for run, _ in list(after.runner.started):
        after.end(run)
    assert sorted(after.runs) == [("a", "2026-11-25 09:00:00")] + [
        ("b", f"2026-11-{day} 09:00:00") for day in (23, 24, 25)
    ]
    assert [(said.run.job_id, said.count) for said in after.said(event.InstantPassed)] == [("a", 2)]


def test_a_one_shot_that_ran_stays_done_and_one_that_fell_in_between_is_caught_up() -> None:
    files = [change("a.json", "a", "2026-11-23T08:01:00Z"), change("b.json", "b", "2026-11-23T08:30:00Z")]
    before = first(*files)
    before.pass_time(MINUTE)
    after = following(before, "2026-11-23 08:45:00", *files)
    assert (before.runs, after.runs) == ([("a", "2026-11-23 08:01:00")], [("b", "2026-11-23 08:30:00")])
    again = following(after, "2026-11-23 08:50:00", *files)
    again.pass_time(DAY)
    assert again.runs == []


def test_a_job_that_came_while_no_daemon_ran_owes_nothing_from_before() -> None:
    before = first(change("a.json", "a"))
    after = following(before, "2026-11-23 09:00:30", change("a.json", "a"), change("b.json", "b", catch_up="1d"))
    assert [job for job, _ in after.runs] == ["a"]


def test_of_two_files_with_one_id_the_winner_owes_what_fell_while_no_daemon_ran() -> None:
    before = first(change("a.json", "a", "*/10 * * * *", catch_up="1d"), change("b.json", "a", "0 9 * * *"))
    after = World(at("2026-11-23 08:30:00"), store=before.store, loading=True)
    after.say(message.RunnerFound())
    after.load(change("b.json", "a", "0 9 * * *"))
    after.load(change("a.json", "a", "*/10 * * * *", catch_up="1d"))
    after.say(message.FirstLoadDone())
    assert after.runs == [("a", "2026-11-23 08:30:00")]
    assert passed(after) == [(Outcome.COALESCED, "a newer instant is owed", 2)]


def test_a_record_that_cannot_be_read_at_the_start_is_made_up_for_when_it_can() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1d")
    before = first(a)
    before.pass_time(10 * MINUTE)
    store = before.store
    blind = World(at("2026-11-23 08:35:00"), store=store, loading=True, past=Past(unread=True))
    store.failing = RecordFailed("locked")
    blind.say(message.RunnerFound())
    blind.load(a)
    blind.say(message.FirstLoadDone())
    blind.pass_time(5 * MINUTE)
    assert blind.runs == [("a", "2026-11-23 08:40:00")]
    assert blind.status().degraded == "locked"
    store.failing = None
    blind.pass_time(2 * SECOND)
    assert outcomes(store) == [
        ("2026-11-23 08:10", "lost"),
        ("2026-11-23 08:30", "missed"),
        ("2026-11-23 08:40", "running"),
    ]
    assert store.rows("SELECT first_at, count FROM passed") == [(at("2026-11-23 08:20:00"), 2)]


def test_a_job_that_changed_while_no_daemon_ran_owes_by_its_new_words_from_then_on() -> None:
    before = first(change("a.json", "a", "0 0 1 * *", catch_up="1d"))
    before.pass_time(10 * MINUTE)
    after = following(before, "2026-11-23 09:00:30", change("a.json", "a", "*/20 * * * *", catch_up="1d"))
    assert after.runs == [("a", "2026-11-23 09:00:00")]
    assert [(said.outcome, said.count) for said in after.said(event.InstantPassed)] == [(Outcome.COALESCED, 2)]


def test_a_job_that_went_while_no_daemon_ran_is_no_longer_in_force() -> None:
    before = first(change("a.json", "a"))
    before.pass_time(MINUTE)
    assert before.runs == [("a", "2026-11-23 08:01:00")]
    after = following(before, "2026-11-23 09:00:30")
    assert after.store.rows("SELECT until FROM definition") == [(at("2026-11-23 08:01"),)]


def test_runs_that_the_runner_still_has_are_adopted_and_their_true_end_is_recorded() -> None:
    a = change("a.json", "a", success_codes=[0, 7])
    before = first(a)
    before.pass_time(MINUTE)
    run = before.runner.started[0][0]
    after = World(at("2026-11-23 08:02:30"), store=before.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 4711, run.scheduled_at),)))
    after.load(a)
    after.say(message.FirstLoadDone())
    assert after.status().running == 1
    after.say(message.RunEnded(run.run_id, at("2026-11-23 08:02:31"), Ending(7, None, 5, 6)))
    assert ("2026-11-23 08:01", "succeeded") in outcomes(after.store)
    assert after.runner.forgotten == [run.run_id]


def test_a_run_that_ended_while_no_daemon_ran_and_whose_end_was_written_down_is_only_forgotten() -> None:
    a = change("a.json", "a", "0 9 * * *")
    before = first(a)
    before.pass_time(HOUR)
    run = before.runner.started[0][0]
    before.end(run)
    after = World(at("2026-11-23 09:30:00"), store=before.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, None, run.scheduled_at),)))
    after.load(a)
    after.say(message.RunEnded(run.run_id, after.clock.wall, Ending(1, None, 5, 6)))
    assert outcomes(after.store) == [("2026-11-23 09:00", "succeeded")]
    assert after.runner.forgotten == [run.run_id]
    assert after.status().running == 0


def test_a_run_whose_end_nobody_saw_is_lost_and_tried_again_only_where_the_job_says_so() -> None:
    files = [change("a.json", "a", "0 9 * * *"), change("b.json", "b", "0 9 * * *", on_lost="rerun")]
    world = first(*files)
    world.pass_time(HOUR)
    began = world.runner.started[0][0]
    world.say(message.RunStarted(began.run_id, 4711, began.scheduled_at))
    for minute in (10, 20, 30):
        world = following(world, f"2026-11-23 09:{minute}:00", *files)
    rows = world.store.rows("SELECT job_id, attempt, cause, outcome, reason FROM run ORDER BY job_id, attempt")
    unknown = "nobody saw it end; whether it was started is not known"
    assert rows == [
        ("a", 1, "schedule", "lost", "nobody saw it end"),
        ("b", 1, "schedule", "lost", unknown),
        ("b", 2, "retry", "lost", unknown),
        ("b", 3, "retry", "lost", unknown),
    ]


@pytest.mark.fault("F06")
def test_a_runner_that_dies_loses_its_runs_and_they_may_be_tried_again(world: World) -> None:
    world.load(change("a.json", "a", on_lost="rerun"))
    world.pass_time(MINUTE)
    world.say(message.RunnerLost("signal SIGKILL", (world.runner.started[0][0].run_id,)))
    assert [run.attempt for run, _ in world.runner.started] == [1, 2]
    assert outcomes(world.store) == [("2026-11-23 08:01", "lost"), ("2026-11-23 08:01", "running")]


def test_what_waits_to_be_caught_up_waits_for_the_next_daemon_too() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1d", coalesce=False)
    before = first(a)
    before.sleep(45 * MINUTE)
    assert before.runs == [("a", "2026-11-23 08:10:00")]
    after = following(before, "2026-11-23 09:05:00", a)
    for _ in range(6):
        for run, _launch in list(after.runner.started):
            after.end(run)
    assert sorted(after.runs) == [("a", f"2026-11-23 08:{minute}:00") for minute in (20, 30, 40, 50)] + [
        ("a", "2026-11-23 09:00:00")
    ]
    assert after.store.rows("SELECT * FROM owing") == []


def test_what_waits_is_withdrawn_when_its_job_changes_or_goes_while_no_daemon_runs() -> None:
    files = [change(f"{job}.json", job, "*/10 * * * *", catch_up="1d", coalesce=False) for job in "ab"]
    before = first(*files)
    before.sleep(45 * MINUTE)
    after = following(before, "2026-11-23 09:05:00", change("a.json", "a", "0 0 1 1 *"))
    told = {(said.run.job_id, said.reason) for said in after.said(event.InstantPassed)}
    assert told == {("a", "withdrawn: the job changed"), ("b", "withdrawn: the job was removed")}
    assert after.store.rows("SELECT * FROM owing") == []


def test_a_job_that_is_gone_was_in_force_at_the_last_instant_that_was_claimed_for_it() -> None:
    before = first(change("a.json", "a"), lead=5_000)
    before.pass_time(30 * SECOND - 1_000)
    assert before.runs == [("a", "2026-11-23 08:01:00")]
    after = following(before, "2026-11-23 08:05:00")
    assert after.store.rows("SELECT until FROM definition") == [(at("2026-11-23 08:01"),)]
    assert outcomes(after.store) == [("2026-11-23 08:01", "lost")]


def test_a_restart_while_jitter_runs_does_not_lose_the_start() -> None:
    delay = start_delay("m2", "a", 5 * MINUTE)
    a = change("a.json", "a", "0 9 * * *", jitter="5m")
    before = first(a, machine="m2")
    before.pass_time(HOUR)
    reply: SimpleQueue[message.Status] = SimpleQueue()
    before.say(message.Stop(reply))
    after = following(before, "2026-11-23 09:01:00", a, machine="m2")
    after.pass_time(delay - MINUTE - 1)
    assert (before.runs, after.runs) == ([], [])
    after.pass_time(1)
    assert after.runs == [("a", "2026-11-23 09:00:00")]
    assert after.said(event.InstantPassed) == []


def test_a_daemon_that_waits_for_its_runs_vouches_for_nothing_after_its_stop() -> None:
    a = change("a.json", "a", "* * * * *")
    before = first(a)
    before.pass_time(MINUTE)
    (run, _), stopped = before.runner.started[0], before.clock.wall
    before.say(message.Stop(SimpleQueue()))
    before.pass_time(3 * MINUTE)
    before.end(run)
    before.say(message.Close(SimpleQueue()))
    assert before.store.rows("SELECT value FROM fact WHERE name = 'seen_at'") == [(stopped,)]
    after = following(before, "2026-11-23 08:05:10", a)
    after.pass_time(1)
    assert sorted(row[1] for row in outcomes(after.store)) == ["missed", "running", "succeeded"]
    assert [(said.outcome, said.count) for said in after.said(event.InstantPassed)] == [("missed", 3)]


def test_a_glitch_of_the_clock_deletes_no_history() -> None:
    a = change("a.json", "a", "* * * * *")
    world = first(a)
    for _ in range(20):
        world.pass_time(MINUTE)
        world.end(world.runner.started[-1][0])
    rows = len(outcomes(world.store))
    world.step_clock(400 * DAY)
    for _ in range(10):
        world.pass_time(SECOND)
    world.step_clock(-400 * DAY)
    world.pass_time(SECOND)
    assert len(outcomes(world.store)) >= rows >= 20


# -- boots, pauses, clocks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("now", ["1970-01-02 08:00:30", "2026-11-23 08:00:30"])
def test_a_clock_at_its_beginning_and_a_century_of_keeping_delete_nothing(now: str) -> None:
    world = World(at(now), keep=Keep(usec=36_525 * DAY if now > "2" else 90 * DAY))
    world.load(change("a.json", "a", overlap="allow"))
    for _ in range(5):
        world.pass_time(MINUTE)
    world.pass_time(2 * HOUR)
    world.pass_time(SECOND)
    assert len(outcomes(world.store)) >= 6


def test_rows_are_deleted_too_where_something_is_always_due() -> None:
    world = first(*(change(f"{n}.json", f"j{n}", "* * * * * *", overlap="allow") for n in range(50)))
    pieces: list[int] = []
    world.store.tidy = lambda *_: bool(pieces.append(world.clock.wall)) or True  # type: ignore[method-assign,func-returns-value]
    world.scheduler._dispatch.timetable.first = lambda: world.clock.wall + 10_000  # type: ignore[method-assign]
    world.pass_time(2 * MINUTE)
    for _ in range(40):
        world.pass_time(SECOND)
    written = len(world.runs)
    assert written >= 2_000
    assert written // 200 - 1 <= len(pieces) <= written // 200 + 1


def test_reboot_jobs_run_once_a_boot_however_often_the_daemon_and_the_clock_begin_anew() -> None:
    files = [change("a.json", "a", "@reboot"), change("b.json", "b", "@reboot", jitter="5m")]
    one = World(at("2026-11-23 08:00:00"), boot=True, machine="m2", loading=True)
    one.load(*files)
    one.say(message.FirstLoadDone())
    one.step_clock(3 * HOUR)
    two = following(one, "2026-11-23 11:00:10", *files, machine="m2")
    two.pass_time(10 * MINUTE)
    three = following(two, "2026-11-23 11:30:00", *files, machine="m2")
    three.pass_time(DAY)
    assert [[job for job, _ in world.runs] for world in (one, two, three)] == [["a"], ["b"], []]
    four = following(three, "2026-11-25 08:00:00", *files, machine="m2", boot=True, boot_id="second boot")
    four.pass_time(10 * MINUTE)
    assert [job for job, _ in four.runs] == ["a", "b"]


def test_a_machine_whose_record_was_lost_has_had_its_reboot_however_often_the_daemon_begins() -> None:
    a = change("a.json", "a", "@reboot")
    one = World(at("2026-11-23 08:00:00"), loading=True, past=Past(set_aside="/state/aside"))
    two = following(one, "2026-11-23 08:10:00", a)
    three = following(two, "2026-11-23 08:20:00", a)
    three.pass_time(HOUR)
    assert two.runs + three.runs == []
    four = following(three, "2026-11-23 10:00:00", a, boot=True, boot_id="second boot")
    assert [job for job, _ in four.runs] == ["a"]


def test_a_job_that_is_off_or_paused_is_not_tried_again() -> None:
    files = [change(f"{job}.json", job, "0 9 * * *", on_lost="rerun") for job in "ab"]
    before = first(*files)
    before.pass_time(HOUR)
    before.say(message.Pause("a", SimpleQueue()))
    after = following(
        before, "2026-11-23 09:10:00", files[0], change("b.json", "b", "0 9 * * *", on_lost="rerun", enabled=False)
    )
    assert after.runs == []
    assert [outcome for _, outcome in outcomes(after.store, "b")] == ["lost"]


def test_what_is_adopted_before_the_record_can_be_read_keeps_its_true_end() -> None:
    files = [change("a.json", "a", "0 9 * * *"), change("b.json", "b", "*/10 * * * *")]
    before = first(*files)
    before.say(message.Pause("b", SimpleQueue()))
    before.pass_time(HOUR)
    (run, _), store = before.runner.started[0], before.store
    blind = World(at("2026-11-23 09:31:00"), store=store, loading=True, past=Past(unread=True))
    store.failing = RecordFailed("locked")
    blind.say(message.RunnerFound((message.RunFound(run, 4711, run.scheduled_at),)))
    blind.load(*files)
    blind.say(message.FirstLoadDone())
    blind.end(run)
    store.failing = None
    blind.pass_time(2 * SECOND)
    assert outcomes(store) == [("2026-11-23 09:00", "succeeded")]
    blind.pass_time(10 * MINUTE)
    assert blind.runs == []  # b is paused, as it turns out


def test_a_pause_survives_a_restart_and_its_instants_say_so() -> None:
    a = change("a.json", "a", "0 * * * *", catch_up="1d")
    before = first(a)
    reply: SimpleQueue[bool | None] = SimpleQueue()
    for job in ("a", "a", "nope"):
        before.say(message.Pause(job, reply))
    assert [reply.get_nowait() for _ in range(3)] == [True, False, None]
    before.pass_time(HOUR)
    after = following(before, "2026-11-23 11:30:00", a)
    assert (before.runs, after.runs) == ([], [])
    assert passed(before) + passed(after) == [(Outcome.SKIPPED, "paused", 1), (Outcome.SKIPPED, "paused", 2)]
    after.say(message.Resume("a", reply))
    after.pass_time(HOUR)
    assert after.runs == [("a", "2026-11-23 12:00:00")]


def test_what_a_wrong_clock_put_later_than_now_is_taken_back_with_it() -> None:
    world = first(change("a.json", "a", "*/10 * * * *", catch_up="1m"))
    world.step_clock(125 * MINUTE)
    assert outcomes(world.store) == [("2026-11-23 10:00", "missed")]
    world.step_clock(-125 * MINUTE)
    assert outcomes(world.store) == []
    world.pass_time(10 * MINUTE)
    assert outcomes(world.store) == [("2026-11-23 08:10", "running")]


def test_what_was_skipped_ahead_of_its_time_has_one_fate_when_time_comes_to_it() -> None:
    world = first(change("a.json", "a", "*/10 * * * *"), change("b.json", "b", "*/10 * * * *", overlap="skip"))
    reply: SimpleQueue[bool | None] = SimpleQueue()
    world.say(message.Pause("a", reply))
    world.pass_time(10 * MINUTE)
    world.step_clock(9 * MINUTE + 31 * SECOND)
    assert outcomes(world.store) == [("2026-11-23 08:10", "skipped"), ("2026-11-23 08:20", "skipped")]
    assert outcomes(world.store, "b") == [("2026-11-23 08:10", "running"), ("2026-11-23 08:20", "skipped")]
    world.step_clock(-9 * MINUTE - 31 * SECOND)
    world.say(message.Resume("a", reply))
    world.end(world.runner.started[0][0])
    world.pass_time(10 * MINUTE)
    assert outcomes(world.store) == [("2026-11-23 08:10", "skipped"), ("2026-11-23 08:20", "running")]
    assert outcomes(world.store, "b") == [("2026-11-23 08:10", "succeeded"), ("2026-11-23 08:20", "running")]


def test_a_row_goes_round_what_was_started_before_the_clock_went_back() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1m", overlap="allow")
    before = first(a)
    before.step_clock(29 * MINUTE + 31 * SECOND)
    before.step_clock(-29 * MINUTE - 31 * SECOND)
    assert before.runs == [("a", "2026-11-23 08:30:00")]
    after = following(before, "2026-11-23 08:55:00", change("a.json", "a", "*/10,*/15 * * * *", catch_up="1m"))
    after.pass_time(SECOND)
    assert [(local(said.first)[11:16], said.count) for said in after.said(event.InstantPassed)] == [
        ("08:10", 3), ("08:40", 3)
    ]  # fmt: skip


# -- when it cannot be written -------------------------------------------------------------------------------------


@pytest.mark.fault("F08")
@pytest.mark.fault("F10")
def test_while_the_record_cannot_be_written_jobs_go_on_and_nothing_is_lost(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(MINUTE)
    world.store.failing = RecordFailed("database or disk is full")
    for _ in range(3):
        world.pass_time(MINUTE)
    assert len(world.runs) == 4
    assert world.status().degraded == "database or disk is full"
    (failing,) = world.said(event.RecordFailing)
    assert "degraded: the record cannot be written: database or disk is full" in failing.line()
    for run, _ in world.runner.started:
        world.end(run)
    assert world.runner.forgotten == [world.runner.started[0][0].run_id] * 0
    world.store.failing = None
    world.pass_time(2 * SECOND)
    assert world.status().degraded == ""
    assert world.said(event.RecordHealed)[0].dropped == 0
    assert [outcome for _, outcome in outcomes(world.store)] == ["succeeded"] * 4
    assert sorted(world.runner.forgotten) == sorted(run.run_id for run, _ in world.runner.started)
    *noted, gone = world.store.doubts
    assert gone is None
    assert {doubt and doubt.since for doubt in noted} == {at("2026-11-23 08:02:30")}
    assert noted[-1] is not None
    assert all(lies_in(noted[-1].spans, run.scheduled_at) for run, _ in world.runner.started[1:])
    assert not lies_in(noted[-1].spans, world.runner.started[0][0].scheduled_at)


def test_what_may_have_run_while_nothing_could_be_written_is_not_run_again() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1d")
    before = first(a)
    before.store.failing = RecordFailed("disk I/O error")
    before.pass_time(10 * MINUTE)
    assert before.runs == [("a", "2026-11-23 08:10:00")]
    before.store.failing = None
    after = following(before, "2026-11-23 08:45:00", a)
    assert after.runs == []
    assert passed(after) == [(Outcome.MISSED, "not known: starts could not be written down 08:10–08:45", 4)]
    assert after.next_due("a") == at("2026-11-23 08:50")
    assert after.store.doubts[-1] is None  # and the one after this knows again


def test_what_could_not_be_written_down_and_the_runner_still_has_is_not_in_doubt() -> None:
    a = change("a.json", "a", "*/10 * * * *", catch_up="1d", overlap="allow")
    before = first(a)
    before.store.failing = RecordFailed("disk I/O error")
    before.pass_time(10 * MINUTE)
    before.pass_time(10 * MINUTE)
    run = before.runner.started[1][0]
    before.store.failing = None
    after = World(at("2026-11-23 08:45"), store=before.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 1, run.scheduled_at),)))
    after.load(a)
    after.say(message.FirstLoadDone())
    after.end(run)
    after.pass_time(MINUTE)
    assert outcomes(after.store) == [
        ("2026-11-23 08:10", "missed"), ("2026-11-23 08:20", "succeeded"), ("2026-11-23 08:40", "missed")
    ]  # fmt: skip


@pytest.mark.parametrize("loaded", [False, True])
def test_a_daemon_that_dies_while_it_takes_up_what_is_in_doubt_leaves_it_in_doubt(loaded: bool) -> None:
    a, b = change("a.json", "a", "*/10 * * * *", catch_up="1d"), change("b.json", "b", "*/10 * * * *", overlap="allow")
    before = first(a, b)
    before.store.failing = RecordFailed("disk I/O error")
    before.pass_time(10 * MINUTE)
    going = before.runner.started[1][0]
    before.store.failing = None
    halfway = World(at("2026-11-23 08:25"), store=before.store, loading=True)
    halfway.say(message.RunnerFound((message.RunFound(going, 1, going.scheduled_at),)))
    if loaded:
        halfway.load(a)
    halfway.pass_time(MINUTE)
    assert halfway.runs == []
    after = following(before, "2026-11-23 08:45:00", a, b)
    after.pass_time(SECOND)
    # What came while none of them was there is caught up as ever.
    assert after.runs == [("a", "2026-11-23 08:40:00")]
    assert outcomes(after.store)[0] == ("2026-11-23 08:20", "missed")
    assert outcomes(after.store, "b")[0] == ("2026-11-23 08:10", "lost")
    after.say(message.Close(SimpleQueue()))
    assert audited(after.store).clean
    assert after.store.doubts[-1] is None


@pytest.mark.fault("F12")
@pytest.mark.fault("F14")
def test_a_record_that_breaks_while_we_run_is_begun_anew_with_all_that_is_known(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"), change("b.json", "b", "0 9 * * *"), change("c.json", "c"))
    world.pass_time(MINUTE)
    broken = world.store
    fresh = MemoryStore()
    fresh._connect()
    broken.failing = RecordFailed("database disk image is malformed", broken=True)

    def set_aside(_now: int) -> str:
        broken._db, broken.failing = fresh._db, None
        return "/state/record.db.unusable"

    broken.set_aside = set_aside  # type: ignore[method-assign]
    over, going = world.runner.started[0][0], world.runner.started[1][0]
    world.say(message.RunStarted(over.run_id, 11, world.clock.wall))
    world.say(message.RunStarted(going.run_id, 12, world.clock.wall))
    world.end(over)
    world.pass_time(MINUTE)
    world.pass_time(2 * SECOND)
    assert world.said(event.RecordSetAside)[0].path == "/state/record.db.unusable"
    assert len(world.runs) == 3
    assert outcomes(broken) == [("2026-11-23 08:01", "succeeded"), ("2026-11-23 08:02", "running")]
    assert outcomes(broken, "c") == [("2026-11-23 08:01", "running"), ("2026-11-23 08:02", "skipped")]
    assert broken.rows("SELECT run_id, pid FROM run WHERE started_at IS NOT NULL") == [
        (over.run_id, 11), (going.run_id, 12)
    ]  # fmt: skip
    assert broken.rows("SELECT job_id FROM definition ORDER BY 1") == [("a",), ("b",), ("c",)]


def test_a_run_is_not_told_to_have_a_record_before_it_has(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    world.store.failing = RecordFailed("locked")
    run: Run = world.runner.started[0][0]
    world.end(run)
    assert world.runner.forgotten == []
    world.store.failing = None
    world.pass_time(2 * SECOND)
    assert world.runner.forgotten == [run.run_id]


# -- whatever happens ----------------------------------------------------------------------------------------------


ALL = Keep(usec=1_000 * 365 * DAY)
"""What is deleted because a clock was decades ahead is not known to have run."""


class Lives:
    """One record, and one daemon after the other, each of which is killed or stopped at some moment."""

    def __init__(self, seed: int, worse: str) -> None:
        """`worse`: `back`, the clock goes back too, between two lives as well; `full`, now and then nothing can be
        written; `far`, the clock is days or decades ahead at times, and is put right."""
        self.worse = worse
        self.lived = 0
        self.draw = random.Random(seed)
        self.files: dict[str, message.FileChange] = {}
        self.starts: list[tuple[str, int, int]] = []
        for number in range(5):
            self.write_file(f"j{number}")
        # No file comes, and nobody types, at a whole second.
        self.world = World(EIGHT + 123_457, machine="m", loading=True, keep=ALL)
        self.begin(self.world)

    def write_file(self, job: str) -> message.FileChange:
        draw = self.draw
        schedule = draw.choice(["* * * * *", "*/7 * * * *", "@every 45s", "13 * * * *", ["@reboot", "*/9 * * * *"]])
        number = int(job[1:])
        others = [] if not number else [{"job": f"j{number - 1}", "on": draw.choice(["success", "failure", "end"])}]
        self.files[job] = change(
            f"{job}.json", job, schedule,
            catch_up=draw.choice(["1m", "10m", "1d"]), coalesce=draw.random() < 0.5,
            overlap=draw.choice(["skip", "queue", "allow", "replace"]), jitter=draw.choice([0, "2m"]),
            on_lost=draw.choice(["record", "rerun"]), timeout=draw.choice([None, "90s"]),
            retry=draw.choice([None, {"attempts": 3, "delay": "30s"}]),
            after=draw.choice([[], others]), watch=draw.choice([None, None, {"path": "/srv/in"}]),
        )  # fmt: skip
        return self.files[job]

    def begin(self, world: World) -> None:
        self.world = world
        going = [] if world.runner.started else self.going
        world.say(message.RunnerFound(tuple(message.RunFound(run, 1, run.scheduled_at) for run in going)))
        world.load(*self.files.values())
        world.say(message.FirstLoadDone())

    going: list[Run] = []  # noqa: RUF012 - what the runner of a killed daemon still has

    def end_life(self) -> None:
        """Kill it, or stop it; the runner lives on, or does not."""
        world, draw = self.world, self.draw
        self.lived += world.clock.elapsed()
        self.remember()
        if draw.random() < 0.3:
            world.say(message.Stop(SimpleQueue()))
            world.say(message.Close(SimpleQueue()))
        active = [active.run for active in world.scheduler._dispatch.running]
        self.going = active if draw.random() < 0.7 else []
        if "full" not in self.worse or draw.random() < 0.7:
            world.store.failing = None
        for job in draw.sample(sorted(self.files), draw.choice([0, 0, 1])):
            self.write_file(job)
        wall = world.clock.wall + draw.choice([SECOND, MINUTE, 20 * MINUTE, 5 * HOUR])
        if "back" in self.worse and draw.random() < 0.3:
            wall -= draw.choice([MINUTE, HOUR, 10 * HOUR])
        if "far" in self.worse and draw.random() < 0.2:
            wall += draw.choice([HOUR, 30 * HOUR])
        if "far" in self.worse and draw.random() < 0.3:
            wall = min(wall, self.right + HOUR)
        world.store.unreadable = self.worse == "full" and world.store.failing is not None and draw.random() < 0.5
        past = Past(unread=True, doubt=world.store._marker.read()) if world.store.unreadable else None
        after = World(wall, store=world.store, machine="m", loading=True, keep=ALL, past=past)
        after.clock.ids = world.clock.ids + 1_000
        self.begin(after)

    @property
    def right(self) -> int:
        """What a clock that nobody has set would say."""
        return EIGHT + 123_457 + self.lived

    def remember(self) -> None:
        self.starts += [(run.job_id, run.scheduled_at, run.attempt) for run, _ in self.world.runner.started]

    def live(self) -> None:
        world, draw = self.world, self.draw
        world.clock.advance(1)  # no two things that nobody has planned are of one moment
        match draw.randrange(18):
            case 17 if "far" in self.worse:
                world.step_clock(draw.choice([30 * HOUR, 3 * DAY, 72 * 365 * DAY]))
            case 16 if "far" in self.worse:
                world.step_clock(min(0, self.right + world.clock.elapsed() - world.clock.wall))
            case 15:
                world.say(message.Start(draw.choice(sorted(self.files)), 0, SimpleQueue()))
            case 14:
                world.say(message.FilesArrived(draw.choice(sorted(self.files)), ("/srv/in/a",)))
            case 13:
                for active in list(world.scheduler._dispatch.running):
                    if active.started_at is None:
                        world.say(message.RunStarted(active.run.run_id, 1, world.clock.wall))
            case 12:
                world.say(message.Configure(4, draw.choice([None, None, 1, 3]), ALL))
            case 0:
                world.step_clock(draw.choice([5 * SECOND, 3 * MINUTE, HOUR]))
            case 1:
                world.sleep(draw.choice([SECOND, 10 * MINUTE, 3 * HOUR]))
            case 2:
                job = draw.choice(sorted(self.files))
                if draw.random() < 0.5:
                    world.load(self.write_file(job))
                else:
                    world.load(change(f"{job}.json"))
                    world.load(self.files[job])
            case 3:
                job = draw.choice(sorted(self.files))
                world.say(draw.choice([message.Pause, message.Resume])(job, SimpleQueue()))
            case 4 | 5 | 6:
                active = [active.run for active in world.scheduler._dispatch.running]
                if active:
                    world.end(draw.choice(active), exit_code=draw.choice([0, 0, 1]))
            case 7 if "full" in self.worse:
                world.store.failing = draw.choice([None, RecordFailed("database or disk is full")])
            case 8 if "back" in self.worse:
                world.step_clock(-draw.choice([5 * SECOND, 3 * MINUTE, HOUR]))
            case _:
                world.pass_time(draw.choice([SECOND, 20 * SECOND, MINUTE]))


@pytest.mark.parametrize("worse", ["", "back", "full", "back and full", "back and full and far"])
@pytest.mark.parametrize("seed", range(25))
def test_through_any_lives_every_instant_has_one_fate_and_none_two_starts(seed: int, worse: str) -> None:
    lives = Lives(seed, worse)
    for _ in range(15):
        for _ in range(lives.draw.randrange(5, 60)):
            lives.live()
        lives.end_life()
    lives.world.store.failing = None
    lives.world.pass_time(MINUTE)
    lives.world.pass_time(MINUTE)
    lives.world.say(message.Close(SimpleQueue()))
    lives.remember()
    assert len(set(lives.starts)) == len(lives.starts) > 20
    found = audited(lives.world.store)
    assert (found.unexplained, found.double, found.early) == ([], [], [])
    assert found.instants > 300
