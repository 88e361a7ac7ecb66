"""Who starts, who waits, who is ended, and who is tried again."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model import event, message
from jobschedd.model.record import Claimed, Ended, Entry, RecordFailed
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND, Asked, Cause, Ending, Outcome, Run
from tests.conftest import World, at, change, local

EIGHT = at("2026-11-23 08:00:30")

BUSY = change("z.json", "z", "0 0 1 1 *")
"""A job for `keep_busy`."""

LIMIT = "limit: max_running = 1 runs go on already"


def started(world: World) -> list[tuple[str, str, int]]:
    """Job, time of its instant, and attempt of every start."""
    return [(run.job_id, local(run.scheduled_at)[11:19], run.attempt) for run, _ in world.runner.started]


def keep_busy(world: World) -> None:
    """One run more goes on."""
    world.say(message.Start("z", 0, SimpleQueue()))


def begin(world: World, number: int = -1) -> None:
    """Its process runs."""
    run, _ = world.runner.started[number]
    world.say(message.RunStarted(run.run_id, 4711, world.clock.wall))


def end(world: World, number: int = -1, exit_code: int = 0, **keys: Any) -> None:
    run, _ = world.runner.started[number]
    world.say(message.RunEnded(run.run_id, world.clock.wall, Ending(exit_code, None, 1000, 4096, **keys)))


def fates(world: World) -> list[tuple[str, str, str]]:
    """Instant, outcome and reason of everything on the record."""
    world.pass_time(SECOND)
    rows = world.store.rows(
        "SELECT scheduled_at, outcome, coalesce(reason, '') FROM run UNION ALL"
        " SELECT scheduled_at, outcome, reason FROM passed ORDER BY 1"
    )
    return [(local(instant)[11:19], outcome, reason) for instant, outcome, reason in rows]


def left(world: World, later: int, found: Sequence[Run] = (), **keys: Any) -> World:
    """The next daemon on the same record. `found`: what its runner has."""
    world.store.failing = None
    after = World(world.clock.wall + later, store=world.store, loading=True, **keys)
    after.clock.ids = world.clock.ids + 1_000
    after.say(message.RunnerFound(tuple(message.RunFound(run, 1, run.scheduled_at) for run in found)))
    return after


# -- overlap ---------------------------------------------------------------------------------------------------------


def test_queue_lets_one_wait_and_skips_the_others(world: World) -> None:
    world.load(change("a.json", "a", overlap="queue"))
    for _ in range(3):
        world.pass_time(MINUTE)
    assert started(world) == [("a", "08:01:00", 1)]
    assert world.status().waiting == 1
    end(world)
    assert started(world) == [("a", "08:01:00", 1), ("a", "08:02:00", 1)]
    assert world.runner.started[1][0].cause == "schedule"
    assert fates(world)[1:] == [
        ("08:02:00", "running", ""),
        ("08:03:00", "skipped", "overlap: the last run is still going, and one waits already"),
    ]


def test_who_waits_is_on_the_record_before_it_starts(world: World) -> None:
    world.load(change("a.json", "a", overlap="queue"))
    world.pass_time(2 * MINUTE)
    world.pass_time(MINUTE)
    assert ("08:03:00", "waiting", "overlap: the last run has to end first") in fates(world)
    assert world.said(event.RunWaits)[0].reason == "overlap: the last run has to end first"


def test_who_waits_waits_on_after_a_restart_and_starts_once(world: World) -> None:
    world.load(change("a.json", "a", "0 8 * * *", overlap="queue"), change("b.json", "b", "1 8 * * *"))
    world.say(message.Configure(4, 1))
    world.load(change("c.json", "c", "1 8 * * *"))
    world.pass_time(MINUTE)
    world.pass_time(SECOND)
    assert started(world) == [("b", "08:01:00", 1)]
    after = left(world, SECOND)
    after.load(change("b.json", "b", "1 8 * * *"), change("c.json", "c", "1 8 * * *"))
    after.say(message.FirstLoadDone())
    assert started(after) == [("c", "08:01:00", 1)]
    end(after)
    third = left(after, SECOND)
    third.load(change("c.json", "c", "1 8 * * *"))
    third.say(message.FirstLoadDone())
    assert started(third) == []


def test_what_waits_goes_by_the_job_as_it_is_now(world: World) -> None:
    world.load(change("a.json", "a", overlap="queue"))
    world.pass_time(2 * MINUTE)
    world.pass_time(MINUTE)
    assert len(world.runner.started) == 1
    world.load(change("a.json", "a", overlap="allow"))
    assert len(world.runner.started) == 2


def test_what_the_runner_has_is_not_started_though_the_record_says_that_it_waits(world: World) -> None:
    job = change("a.json", "a", overlap="queue")
    world.load(job)
    world.pass_time(2 * MINUTE)
    world.pass_time(MINUTE)
    world.pass_time(SECOND)
    (held,) = world.scheduler._dispatch.admission.waiting
    after = World(world.clock.wall + SECOND, store=world.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(held.run, 1, world.clock.wall),)))
    after.load(job)
    after.say(message.FirstLoadDone())
    assert started(after) == []
    assert ("08:03:00", "running", "") in fates(after)


def test_what_waits_for_a_job_that_is_gone_is_given_up(world: World) -> None:
    world.load(change("a.json", "a", overlap="queue"))
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    world.load(change("a.json"))
    assert fates(world)[1] == ("08:02:00", "skipped", "withdrawn: the job was removed")
    end(world)
    assert len(world.runner.started) == 1


def test_replace_ends_the_old_run_and_then_starts_the_new_one(world: World) -> None:
    world.load(change("a.json", "a", overlap="replace", kill_after="5s"))
    world.pass_time(MINUTE)
    begin(world)
    world.pass_time(MINUTE)
    first = world.runner.started[0][0].run_id
    assert world.runner.ended == [((first,), signal.SIGTERM)]
    assert len(world.runner.started) == 1
    world.pass_time(5 * SECOND)
    assert world.runner.ended[1:] == [((first,), signal.SIGKILL)]
    world.end(world.runner.started[0][0], exit_code=None, signal=9)
    assert started(world)[1:] == [("a", "08:02:00", 1)]
    assert fates(world)[0] == ("08:01:00", "stopped", "replaced by a newer start")


def test_replace_ends_a_run_once_however_often_it_is_replaced(world: World) -> None:
    world.load(change("a.json", "a", overlap="replace", kill_after="1h"))
    for _ in range(4):
        world.pass_time(MINUTE)
    assert len(world.runner.ended) == 1
    end(world, asked=Asked.STOPPED)
    assert started(world)[1:] == [("a", "08:04:00", 1)]
    assert [fate[1] for fate in fates(world)] == ["stopped", "skipped", "skipped", "running"]


# -- max_running -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("F26")
def test_no_more_runs_go_on_than_the_settings_allow_and_jobs_take_turns(world: World) -> None:
    world.say(message.Configure(4, 2))
    # One of them brings many, and the others do not wait for all of them.
    world.load(change("a.json", "a", "* * * * * */10", overlap="allow"), change("b.json", "b"), change("c.json", "c"))
    for _ in range(6):
        world.pass_time(10 * SECOND)
    assert len(world.runner.started) == 2
    order = []
    while world.scheduler._dispatch.running:
        world.end(world.runner.started[len(order)][0])
        order.append(world.runner.started[len(order)][0].job_id)
    assert order[2:6] == ["a", "b", "c", "a"]


def test_who_waits_for_room_too_long_is_skipped_by_the_limit(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(change("a.json", "a", "1 8 * * *"), change("b.json", "b", "1 8 * * *", catch_up="10m"))
    world.pass_time(MINUTE)
    world.pass_time(11 * MINUTE)
    end(world)
    assert started(world) == [("a", "08:01:00", 1)]
    assert ("08:01:00", "skipped", "limit: max_running = 1 runs go on already, for too long") in fates(world)


def test_whoever_comes_does_not_overtake_who_waits(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(change("a.json", "a", "1 8 * * *"), change("z.json", "z", "1 8 * * *"))
    world.pass_time(MINUTE)
    world.load(change("b.json", "b", "2 8 * * *"))
    world.clock.advance(MINUTE)
    run = world.runner.started[0][0]
    world.say(message.RunEnded(run.run_id, world.clock.wall, Ending(0, None, 1, 1)))
    assert [job for job, _, _ in started(world)] == ["a", "z"]


def test_a_higher_limit_counts_at_once(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(*(change(f"{job}.json", job, "1 8 * * *") for job in "abcd"))
    world.pass_time(MINUTE)
    world.say(message.Configure(4, 3))
    assert len(world.runner.started) == 3


@pytest.mark.parametrize(
    ("overlap", "waits", "reason"),
    [
        ("skip", "08:00:31", "overlap: the last start still waits"),
        ("queue", "08:00:31", "overlap: the last start still waits"),
        ("replace", "08:02:00", "replaced by a newer start"),
    ],
)
def test_who_waits_for_room_is_as_good_as_going_to_the_overlap_of_its_job(
    world: World, overlap: str, waits: str, reason: str
) -> None:
    world.say(message.Configure(4, 1))
    world.load(BUSY, change("a.json", "a", "* * * * * *", overlap=overlap, catch_up="1h"))
    keep_busy(world)
    for _ in range(90):
        world.pass_time(SECOND)
    assert [local(held.run.scheduled_at)[11:19] for held in world.scheduler._dispatch.admission.waiting] == [waits]
    assert {passed.reason for passed in world.said(event.InstantPassed)} == {reason}
    assert len(world.said(event.InstantPassed)) == 89
    end(world)
    assert started(world)[1:] == [("a", waits, 1)]


def test_a_start_that_replaces_one_that_waits_takes_its_place_in_the_row(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(BUSY, change("a.json", "a", "* * * * *", overlap="replace"))
    world.load(change("b.json", "b", "1 8 * * *"))
    keep_busy(world)
    for _ in range(2):
        world.pass_time(MINUTE)
    end(world)
    assert started(world)[1:] == [("a", "08:02:00", 1)]
    assert fates(world)[1:3] == [("08:01:00", "skipped", "replaced by a newer start"), ("08:01:00", "waiting", LIMIT)]


def test_files_that_wait_for_room_are_not_skipped(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(BUSY, change("a.json", "a", "* * * * *", watch={"path": "/srv/in"}))
    keep_busy(world)
    world.pass_time(MINUTE)
    for number in range(3):
        world.say(message.FilesArrived("a", (f"/srv/in/{number}",)))
        world.pass_time(SECOND)
    assert world.status().waiting == 4
    for _ in range(5):
        end(world)
    told = [dict(launch.env).get("JOBSCHEDD_PATH") for _, launch in world.runner.started]
    assert told == [None, None, "/srv/in/0", "/srv/in/1", "/srv/in/2"]


def test_whoever_waits_for_room_too_long_is_told_when_it_is_too_late(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(change("a.json", "a", "1 8 * * *"), change("b.json", "b", "1 8 * * *", catch_up="10m"))
    world.pass_time(MINUTE)
    while not world.said(event.InstantPassed):
        wait = world.scheduler._next_moment() - world.clock.wall
        assert wait > 0
        world.pass_time(wait)
    assert world.clock.wall == at("2026-11-23 08:11:30") + 1
    assert world.said(event.InstantPassed)[0].reason == f"{LIMIT}, for too long"
    assert world.status().waiting == 0


def test_an_instant_is_not_skipped_for_one_that_has_waited_too_long(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(BUSY, change("a.json", "a", "* * * * *", catch_up="1m"))
    keep_busy(world)
    world.pass_time(30 * SECOND)
    world.pass_time(2 * MINUTE)
    assert [fate for fate in fates(world) if fate[0] >= "08:01"] == [
        ("08:01:00", "skipped", f"{LIMIT}, for too long"),
        ("08:02:00", "coalesced", "a newer instant is owed"),
        ("08:03:00", "waiting", LIMIT),
    ]


def test_a_job_that_waits_for_its_own_last_run_takes_nobodys_room(world: World) -> None:
    world.say(message.Configure(4, 10))
    world.load(change("a.json", "a", "* * * * *", overlap="queue"), change("b.json", "b", "2 8 * * *"))
    world.load(change("c.json", "c", None, after=["b"]))
    for _ in range(2):
        world.pass_time(MINUTE)
    assert [waits.reason for waits in world.said(event.RunWaits)] == ["overlap: the last run has to end first"]
    end(world)
    assert [job for job, _, _ in started(world)] == ["a", "b", "c"]
    assert len(world.said(event.RunWaits)) == 1


@pytest.mark.fault("F26")
def test_of_ten_thousand_jobs_that_are_due_at_once_each_starts_once_in_its_turn(world: World) -> None:
    world.say(message.Configure(4, 50))
    names = [f"j{number:05}" for number in range(10_000)]
    world.load(*(change(f"{name}.json", name, "1 8 * * *") for name in names))
    world.pass_time(MINUTE)
    running, ended = world.scheduler._dispatch.running, 0
    assert (len(running), world.status().waiting) == (50, 9_950)
    while ended < len(world.runner.started):
        world.clock.advance(SECOND // 100)
        world.end(world.runner.started[ended][0])
        ended += 1
        assert len(running) == min(50, 10_000 - ended)
    assert [job for job, _, _ in started(world)] == names
    assert world.status().waiting == 0
    assert world.store.rows("SELECT outcome, count(*) FROM run GROUP BY 1") == [("succeeded", 10_000)]


# -- timeouts --------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F35")
def test_a_run_that_takes_too_long_is_asked_to_end_and_then_made_to(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", timeout="5m", kill_after="20s"))
    world.pass_time(MINUTE)
    begin(world)
    run = world.runner.started[0][0].run_id
    world.pass_time(5 * MINUTE - SECOND)
    assert world.runner.ended == []
    world.pass_time(SECOND)
    assert world.runner.ended == [((run,), signal.SIGTERM)]
    world.pass_time(20 * SECOND)
    assert world.runner.ended[1:] == [((run,), signal.SIGKILL)]
    world.end(world.runner.started[0][0], exit_code=None, signal=9)
    assert fates(world) == [("08:01:00", "timed_out", "ran longer than its timeout of 5min")]


def test_the_wake_up_for_a_timeout_is_on_time(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", timeout="5m"))
    world.pass_time(MINUTE)
    begin(world)
    world.pass_time(SECOND)
    assert world.scheduler._dispatch.ends.next_moment(world.clock.wall) == world.clock.wall + 5 * MINUTE - SECOND


def test_runs_that_have_ended_leave_no_timeouts_behind(world: World) -> None:
    world.load(change("long.json", "long", "1 8 * * *", timeout="2d"))
    world.pass_time(MINUTE)
    begin(world)
    long, began = world.runner.started[0][0], world.clock.wall
    world.load(change("a.json", "a", "* * * * * *", timeout="1d"))
    for _ in range(1_000):
        world.pass_time(SECOND)
        begin(world)
        end(world)
    ends = world.scheduler._dispatch.ends
    assert len(ends._deadlines) < 200
    assert ends.next_moment(world.clock.wall) == began + 2 * DAY
    world.end(long)
    assert ends.next_moment(world.clock.wall) is None


@pytest.mark.parametrize("what", ["step", "suspend"])
def test_neither_a_step_nor_a_suspend_uses_up_a_timeout(world: World, what: str) -> None:
    world.load(change("a.json", "a", "1 8 * * *", timeout="5m"))
    world.pass_time(MINUTE)
    begin(world)
    world.step_clock(HOUR) if what == "step" else world.sleep(HOUR)
    assert world.runner.ended == []
    world.pass_time(5 * MINUTE)
    assert len(world.runner.ended) == 1


def test_an_adopted_run_has_what_is_left_of_its_time(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", timeout="5m"))
    world.pass_time(MINUTE)
    begin(world)
    run = world.runner.started[0][0]
    world.pass_time(SECOND)
    after = World(world.clock.wall + 2 * MINUTE, store=world.store, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 4711, run.scheduled_at),)))
    after.pass_time(2 * MINUTE)
    assert after.runner.ended == []
    after.pass_time(MINUTE)
    assert after.runner.ended == [((run.run_id,), signal.SIGTERM)]


def test_an_end_that_the_last_daemon_asked_for_is_told_as_such(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *"))
    world.pass_time(MINUTE)
    end(world, asked=Asked.TIMED_OUT)
    assert world.said(event.RunFinished)[0].outcome is Outcome.TIMED_OUT


@pytest.mark.fault("F41")
def test_a_run_that_cannot_be_killed_is_told_and_holds_up_nobody(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", timeout="1m"), change("b.json", "b"))
    world.pass_time(MINUTE)
    begin(world, 0)
    for _ in range(8):
        world.pass_time(20 * SECOND)
        for run, _ in world.runner.started[1:]:
            world.end(run)
    assert world.said(event.RunUnkillable)[0].run.job_id == "a"
    assert len([job for job, _, _ in started(world) if job == "b"]) == 4
    reply: SimpleQueue[message.Status] = SimpleQueue()
    world.say(message.Stop(reply))
    assert reply.get_nowait().running == 1


# -- retry -----------------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_with_growing_delays_and_each_attempt_is_a_record(world: World) -> None:
    world.load(
        change("a.json", "a", "1 8 * * *", retry={"attempts": 4, "delay": "10s", "factor": 3, "max_delay": "1m"})
    )
    world.pass_time(MINUTE)
    waited = []
    for _ in range(3):
        end(world, exit_code=1)
        first = world.scheduler._dispatch.admission.waiting.first()
        assert first is not None
        waited.append((first - world.clock.wall) / SECOND)
        world.pass_time(first - world.clock.wall - 1)
        before = len(world.runner.started)
        world.pass_time(1)
        assert len(world.runner.started) == before + 1
    assert 10 <= waited[0] <= 11
    assert 30 <= waited[1] <= 33
    assert 60 <= waited[2] <= 66
    end(world, exit_code=1)
    world.pass_time(HOUR)
    assert started(world) == [("a", "08:01:00", attempt) for attempt in (1, 2, 3, 4)]
    assert [run.cause for run, _ in world.runner.started] == ["schedule", "retry", "retry", "retry"]
    assert [outcome for _, outcome, _ in fates(world)] == ["failed"] * 4


def test_a_success_ends_the_attempts(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", retry={"delay": "10s"}))
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    end(world)
    world.pass_time(HOUR)
    assert len(world.runner.started) == 2


def test_what_was_stopped_on_purpose_is_not_tried_again(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", retry={}))
    world.pass_time(MINUTE)
    end(world, exit_code=1, asked=Asked.STOPPED)
    assert world.status().waiting == 0


def test_what_was_stopped_before_it_could_start_is_not_tried_again(world: World) -> None:
    world.load(
        change("a.json", "a", overlap="replace", retry={"delay": "1h"}), change("b.json", "b", None, after=["a"])
    )
    world.load(change("c.json", "c", None, after=[{"job": "a", "on": "failure"}]))
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    world.say(message.RunRefused(world.runner.started[0][0].run_id, "stopped before it could start"))
    assert [job for job, _, _ in started(world)] == ["a", "a"]
    assert world.status().waiting == 0


def test_a_start_that_is_not_possible_is_tried_again_too(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", retry={"delay": "10s"}))
    world.pass_time(MINUTE)
    world.say(message.RunRefused(world.runner.started[0][0].run_id, "no such program: /nfs/backup"))
    world.pass_time(MINUTE)
    assert started(world) == [("a", "08:01:00", 1), ("a", "08:01:00", 2)]
    assert fates(world)[0] == ("08:01:00", "skipped", "cannot_start: no such program: /nfs/backup")


def test_a_retry_survives_the_daemon_and_comes_at_its_time(world: World) -> None:
    job = change("a.json", "a", "1 8 * * *", retry={"delay": "10m"})
    world.load(job)
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(SECOND)
    after = left(world, MINUTE)
    after.load(job)
    after.say(message.FirstLoadDone())
    assert started(after) == []
    after.pass_time(12 * MINUTE)
    assert started(after) == [("a", "08:01:00", 2)]


def test_a_retry_whose_start_was_claimed_is_never_made_again(world: World) -> None:
    """The daemon dies between the claim and the start, or right after it."""
    job = change("a.json", "a", "1 8 * * *", retry={"delay": "10s"})
    world.load(job)
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    assert len(world.runner.started) == 2
    after = left(world, MINUTE)
    after.load(job)
    after.say(message.FirstLoadDone())
    after.pass_time(HOUR)
    assert started(after) == []
    assert [outcome for _, outcome, _ in fates(after)] == ["failed", "lost"]


def test_a_retry_of_a_degraded_daemon_that_died_is_in_doubt_and_not_made(world: World) -> None:
    job = change("a.json", "a", "1 8 * * *", retry={"delay": "10m"})
    world.load(job)
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(SECOND)
    world.store.failing = RecordFailed("database or disk is full")
    world.pass_time(12 * MINUTE)
    assert len(world.runner.started) == 2  # it goes on, and nobody can write that down
    after = left(world, MINUTE)
    after.load(job)
    after.say(message.FirstLoadDone())
    after.pass_time(HOUR)
    assert started(after) == []
    assert fates(after)[-1][1] == "lost"


def test_a_step_of_the_clock_makes_no_retry_early_or_late(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *", retry={"delay": "10m"}))
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.step_clock(5 * HOUR)
    assert len(world.runner.started) == 1
    world.step_clock(-9 * HOUR)
    world.pass_time(11 * MINUTE)
    assert started(world)[1:] == [("a", "08:01:00", 2)]


@pytest.mark.parametrize("overlap", ["skip", "replace", "queue", "allow"])
def test_when_the_moment_of_a_retry_comes_while_the_job_runs_again_its_overlap_decides(
    world: World, overlap: str
) -> None:
    world.load(change("a.json", "a", "1-2 8 * * *", overlap=overlap, retry={"delay": "90s"}))
    world.pass_time(30 * SECOND)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    assert started(world) == [("a", "08:01:00", 1), ("a", "08:02:00", 1)]
    world.pass_time(MINUTE)
    assert world.runner.ended == []
    assert len(world.runner.started) == (3 if overlap == "allow" else 2)
    assert world.status().waiting == (1 if overlap == "queue" else 0)
    end(world, 1)
    again = ("a", "08:01:00", 2)
    assert started(world)[2:] == ([again] if overlap in {"queue", "allow"} else [])
    if overlap in {"skip", "replace"}:
        assert fates(world)[1] == ("08:01:00", "skipped", "overlap: the last run is still going")


def test_an_attempt_whose_moment_came_while_no_daemon_was_there_gives_way_too(world: World) -> None:
    job = change("a.json", "a", "1-2 8 * * *", retry={"delay": "90s"})
    world.load(job)
    world.pass_time(30 * SECOND)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    going, _ = world.runner.started[1]
    after = left(world, 10 * MINUTE, found=[going])
    after.load(job)
    after.say(message.FirstLoadDone())
    after.end(going)
    assert started(after) == []
    assert fates(after)[1] == ("08:01:00", "skipped", "overlap: the last run is still going")


def test_an_attempt_for_files_waits_until_the_newer_run_has_ended(world: World) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in"}, retry={"delay": "90s"}))
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    world.say(message.FilesArrived("a", ("/srv/in/2",)))
    world.pass_time(MINUTE)
    end(world)
    told = [dict(launch.env)["JOBSCHEDD_PATH"] for _, launch in world.runner.started]
    assert told == ["/srv/in/1", "/srv/in/2", "/srv/in/1"]


def test_an_attempt_whose_moment_is_to_come_stands_in_nobodys_way(world: World) -> None:
    world.load(change("a.json", "a", "1-2 8 * * *", overlap="queue", retry={"delay": "1h"}))
    world.pass_time(30 * SECOND)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    end(world)
    world.pass_time(2 * HOUR)
    assert started(world) == [("a", "08:01:00", 1), ("a", "08:02:00", 1), ("a", "08:01:00", 2)]


def test_while_an_attempt_waits_for_room_the_scheduler_sleeps(world: World) -> None:
    world.load(BUSY, change("a.json", "a", "1 8 * * *", retry={"delay": "10s"}))
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.say(message.Configure(4, 1))
    keep_busy(world)
    world.pass_time(MINUTE)
    assert world.status().waiting == 1
    assert world.scheduler._next_moment() > world.clock.wall


# -- after -----------------------------------------------------------------------------------------------------------


def test_a_job_runs_when_the_one_before_it_succeeds(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *"), change("b.json", "b", None, after=["a"]))
    world.pass_time(MINUTE)
    world.pass_time(3 * SECOND)
    end(world)
    assert started(world) == [("a", "08:01:00", 1), ("b", "08:01:33", 1)]
    assert world.runner.started[1][0].cause == "after"


@pytest.mark.parametrize(
    ("on", "exit_code", "runs"),
    [("success", 1, False), ("failure", 1, True), ("failure", 0, False), ("end", 0, True), ("end", 1, True)],
)
def test_what_a_job_waits_for_is_what_counts(world: World, on: str, exit_code: int, runs: bool) -> None:
    world.load(change("a.json", "a", "1 8 * * *"), change("b.json", "b", None, after=[{"job": "a", "on": on}]))
    world.pass_time(MINUTE)
    end(world, exit_code=exit_code)
    assert (len(world.runner.started) == 2) is runs


def test_a_failure_counts_when_the_last_attempt_has_failed(world: World) -> None:
    world.load(
        change("a.json", "a", "1 8 * * *", retry={"attempts": 2, "delay": "10s"}),
        change("b.json", "b", None, after=[{"job": "a", "on": "failure"}]),
    )
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(MINUTE)
    assert [job for job, _, _ in started(world)] == ["a", "a"]
    end(world, exit_code=1)
    assert [job for job, _, _ in started(world)] == ["a", "a", "b"]


def test_a_run_that_the_last_daemon_asked_to_end_is_made_to_by_the_next_one(world: World) -> None:
    run = Run("run", "a", world.clock.wall, Cause.SCHEDULE, kill_after=20 * SECOND)
    after = World(world.clock.wall, loading=True)
    after.say(message.RunnerFound((message.RunFound(run, 7, world.clock.wall, Asked.STOPPED),)))
    after.pass_time(19 * SECOND)
    assert after.runner.ended == []
    after.pass_time(2 * SECOND)
    assert after.runner.ended == [(("run",), signal.SIGKILL)]
    after.say(message.RunEnded("run", after.clock.wall, Ending(None, 9, 0, None)))
    assert after.said(event.RunFinished)[0].outcome is Outcome.STOPPED


def test_two_batches_of_one_moment_are_two_runs(world: World) -> None:
    world.load(change("in.json", "in", None, watch={"path": "/srv/in/*"}, overlap="allow"))
    world.say(message.FilesArrived("in", ("/srv/in/a",)))
    world.say(message.FilesArrived("in", ("/srv/in/b",)))
    assert len(started(world)) == 2


CHAIN = (
    change("a.json", "a", "1 8 * * *", retry={"delay": "10m"}),
    change("b.json", "b", None, after=[{"job": "a", "on": "failure"}]),
    change("c.json", "c", None, after=["a"]),
)
"""The first attempt of `a` fails, and the second waits for its moment."""


def give_up(world: World, how: str) -> None:
    """The attempt that waits is not made."""
    match how:
        case "paused":
            world.say(message.Pause("a", SimpleQueue()))
        case "disabled":
            world.load(change("a.json", "a", "1 8 * * *", retry={"delay": "10m"}, enabled=False))
        case "removed":
            world.load(change("a.json"))
        case "job stopped":
            world.say(message.End("a", "stopped by root", SimpleQueue()))
        case "attempt stopped":
            (held,) = world.scheduler._dispatch.admission.waiting
            world.say(message.End(held.run.run_id, "stopped by root", SimpleQueue()))
        case "a newer run goes on":
            world.say(message.Start("a", 0, SimpleQueue()))
            world.pass_time(12 * MINUTE)


@pytest.mark.parametrize(
    "how", ["paused", "disabled", "removed", "job stopped", "attempt stopped", "a newer run goes on"]
)
@pytest.mark.parametrize("asked", [Asked.NOT, Asked.TIMED_OUT])
def test_who_waits_for_a_failure_hears_of_it_when_the_next_attempt_is_given_up(
    world: World, how: str, asked: Asked
) -> None:
    world.load(*CHAIN)
    world.pass_time(MINUTE)
    end(world, exit_code=1, asked=asked)
    assert [job for job, _, _ in started(world)] == ["a"]
    give_up(world, how)
    assert [job for job, _, _ in started(world) if job != "a"] == ["b"]
    assert [outcome for _, outcome, _ in fates(world)][1:2] == ["skipped"]
    world.pass_time(HOUR)
    assert [job for job, _, _ in started(world) if job != "a"] == ["b"]


def test_a_replaced_attempt_ends_its_chain(world: World) -> None:
    world.say(message.Configure(4, 1))
    world.load(BUSY, change("a.json", "a", "*/2 8 * * *", overlap="replace", retry={"delay": "10s"}), *CHAIN[1:])
    world.pass_time(90 * SECOND)
    end(world, exit_code=1)
    keep_busy(world)
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    end(world)
    end(world)
    assert [(job, attempt) for job, _, attempt in started(world)] == [("a", 1), ("z", 1), ("a", 1), ("b", 1)]


def test_the_end_of_a_chain_and_who_follows_are_written_together(world: World) -> None:
    world.load(*CHAIN, change("d.json", "d", None, after=[{"job": "a", "on": "end"}]))
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    written: list[list[Entry]] = []
    write = world.store.write
    world.store.write = lambda entries: (written.append(list(entries)), write(entries))[1]  # type: ignore[method-assign]
    give_up(world, "paused")
    (together,) = [entries for entries in written if any(isinstance(entry, Ended) for entry in entries)]
    assert [entry.run.job_id for entry in together if isinstance(entry, Claimed)] == ["b", "d"]


@pytest.mark.parametrize("how", ["removed", "disabled"])
def test_a_chain_that_ends_while_no_daemon_is_there_is_told_to_those_who_load_later(world: World, how: str) -> None:
    world.load(*CHAIN)
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(SECOND)
    after = left(world, MINUTE)
    give_up(after, how)
    after.load(CHAIN[1])
    after.load(CHAIN[2])
    assert started(after) == []
    after.say(message.FirstLoadDone())
    assert [job for job, _, _ in started(after)] == ["b"]
    assert [outcome for _, outcome, _ in fates(after)][1:2] == ["skipped"]


@pytest.mark.parametrize("restart", [False, True])
def test_who_has_heard_of_a_loss_does_not_hear_it_again_when_the_next_attempt_is_given_up(
    world: World, restart: bool
) -> None:
    jobs = BUSY, change("a.json", "a", "1 8 * * *", on_lost="rerun"), CHAIN[1]
    world.load(*jobs)
    world.pass_time(MINUTE)
    keep_busy(world)
    world.say(message.Configure(4, 1))
    world.say(message.RunnerLost("killed", (world.runner.started[0][0].run_id,)))
    if restart:
        world.pass_time(SECOND)
        world = left(world, MINUTE, found=[world.runner.started[1][0]])
        world.say(message.Configure(4, 1))
        world.load(*jobs)
        world.say(message.FirstLoadDone())
    assert {held.run.job_id for held in world.scheduler._dispatch.admission.waiting} == {"a", "b"}
    give_up(world, "paused")
    world.pass_time(SECOND)
    assert [passed.run.job_id for passed in world.said(event.InstantPassed)] == ["a"]
    assert [held.run.job_id for held in world.scheduler._dispatch.admission.waiting] == ["b"]


def test_an_attempt_that_was_stopped_before_it_could_start_ends_its_chain(world: World) -> None:
    world.load(*CHAIN)
    world.pass_time(MINUTE)
    end(world, exit_code=1)
    world.pass_time(12 * MINUTE)
    run, _ = world.runner.started[1]
    world.say(message.End(run.run_id, "stopped by root", SimpleQueue()))
    world.say(message.RunRefused(run.run_id, "stopped before it could start"))
    assert [job for job, _, _ in started(world)] == ["a", "a", "b"]


def test_who_comes_after_a_run_that_ended_while_the_daemon_stopped_runs_at_the_next_start(world: World) -> None:
    jobs = change("a.json", "a", "1 8 * * *"), change("b.json", "b", None, after=["a"])
    world.load(*jobs)
    world.pass_time(MINUTE)
    world.say(message.Stop(SimpleQueue()))
    end(world)
    world.say(message.Close(SimpleQueue()))
    after = left(world, MINUTE)
    after.load(*jobs)
    after.say(message.FirstLoadDone())
    assert [job for job, _, _ in started(after)] == ["b"]


def test_a_cycle_is_a_problem_of_the_file_that_closes_it_and_heals_with_the_others(world: World) -> None:
    world.load(
        change("a.json", "a", "1 8 * * *", after=["c"]),
        change("b.json", "b", None, after=["a"]),
        change("c.json", "c", None, after=["b"]),
    )
    (found,) = world.said(event.ProblemFound)
    assert found.path.endswith("c.json")
    assert str(found.problems[0]) == "after: cannot run c after b after a after c: a cycle; leave one of them out"
    world.load(change("a.json", "a", "1 8 * * *"))
    assert world.status().problems == 0
    world.pass_time(MINUTE)
    end(world)
    end(world)
    assert [job for job, _, _ in started(world)] == ["a", "b", "c"]


# -- watch -----------------------------------------------------------------------------------------------------------


def test_files_that_arrive_start_their_job_and_are_named_to_it(world: World) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in/*.csv"}))
    assert world.watches.watched["a"].path == "/srv/in/*.csv"
    world.say(message.FilesArrived("a", ("/srv/in/x.csv",)))
    run, launch = world.runner.started[0]
    assert run.cause == "watch"
    assert ("JOBSCHEDD_PATH", "/srv/in/x.csv") in launch.env
    world.load(change("a.json"))
    assert world.watches.watched == {}


def test_files_that_arrive_while_the_job_runs_wait_with_their_names_over_a_restart_too(world: World) -> None:
    job = change("a.json", "a", None, watch={"path": "/srv/in"}, overlap="queue")
    world.load(job)
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    world.pass_time(SECOND)
    world.say(message.FilesArrived("a", ("/srv/in/2",)))
    world.pass_time(SECOND)
    after = left(world, MINUTE)
    after.load(job)
    after.say(message.FirstLoadDone())
    assert [dict(launch.env)["JOBSCHEDD_PATH"] for _, launch in after.runner.started] == ["/srv/in/2"]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_no_batch_of_files_is_lost_to_a_run_that_goes_on(world: World, overlap: str) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in"}, overlap=overlap))
    for number in range(4):
        world.say(message.FilesArrived("a", (f"/srv/in/{number}",)))
        world.pass_time(SECOND)
    for _ in range(4):
        end(world)
    told = [dict(launch.env)["JOBSCHEDD_PATH"] for _, launch in world.runner.started]
    assert told == [f"/srv/in/{number}" for number in range(4)]


def test_no_batch_of_files_gives_way_to_a_start_without_files(world: World) -> None:
    world.load(change("a.json", "a", "*/2 * * * *", watch={"path": "/srv/in"}, overlap="replace"))
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    world.pass_time(SECOND)
    world.say(message.FilesArrived("a", ("/srv/in/2",)))
    world.pass_time(2 * MINUTE)  # an instant replaces what goes on, and not what waits
    for _ in range(3):
        end(world)
    told = [dict(launch.env).get("JOBSCHEDD_PATH") for _, launch in world.runner.started]
    assert told[:2] == ["/srv/in/1", "/srv/in/2"]
    assert None in told


def test_every_attempt_is_for_the_files_that_the_first_was_for(world: World) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in"}, retry={"attempts": 3, "delay": "10s"}))
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    for _ in range(2):
        end(world, exit_code=1)
        world.pass_time(MINUTE)
    assert [dict(launch.env).get("JOBSCHEDD_PATH") for _, launch in world.runner.started] == ["/srv/in/1"] * 3


def test_a_lost_run_is_made_again_for_its_files(world: World) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in"}, on_lost="rerun"))
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    world.say(message.RunnerLost("killed", (world.runner.started[0][0].run_id,)))
    assert [dict(launch.env).get("JOBSCHEDD_PATH") for _, launch in world.runner.started] == ["/srv/in/1"] * 2


@pytest.mark.parametrize("adopted", [True, False])
def test_a_further_attempt_knows_its_files_when_the_daemon_has_died_meanwhile(world: World, adopted: bool) -> None:
    job = change("a.json", "a", None, watch={"path": "/srv/in"}, on_lost="rerun", retry={"delay": "10s"})
    world.load(job)
    world.say(message.FilesArrived("a", ("/srv/in/1", "/srv/in/\udcff")))
    run, _ = world.runner.started[0]
    after = left(world, MINUTE, found=[run] if adopted else [])
    after.load(job)
    after.say(message.FirstLoadDone())
    if adopted:
        after.end(run, exit_code=1)
        after.pass_time(MINUTE)
    ((again, launch),) = after.runner.started
    assert (again.attempt, dict(launch.env)["JOBSCHEDD_PATH"]) == (2, "/srv/in/1\n/srv/in/\udcff")


def test_files_that_have_waited_are_known_to_a_further_attempt_after_the_daemon_has_died(world: World) -> None:
    job = change("a.json", "a", None, watch={"path": "/srv/in"}, on_lost="rerun")
    world.load(job)
    for number in (1, 2):
        world.say(message.FilesArrived("a", (f"/srv/in/{number}",)))
        world.pass_time(SECOND)
    end(world)
    after = left(world, MINUTE)
    after.load(job)
    after.say(message.FirstLoadDone())
    assert [dict(launch.env)["JOBSCHEDD_PATH"] for _, launch in after.runner.started] == ["/srv/in/2"]
    end(after)
    after.pass_time(SECOND)
    assert after.store.rows("SELECT variables FROM run WHERE variables IS NOT NULL") == []


def test_a_paused_job_lets_files_pass_and_says_so(world: World) -> None:
    world.load(change("a.json", "a", None, watch={"path": "/srv/in"}))
    world.say(message.Pause("a", SimpleQueue()))
    world.say(message.FilesArrived("a", ("/srv/in/1",)))
    assert world.runner.started == []
    assert [fate[1:] for fate in fates(world)] == [("skipped", "paused")]
