"""The scheduler, cranked by hand."""

from __future__ import annotations

import random
import signal
from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model import event, message
from jobschedd.model.error import Problem
from jobschedd.model.event import show_instant
from jobschedd.model.policy import start_delay
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND, Cause, Ending, Outcome, Run
from jobschedd.model.schedule import Recurring
from tests.conftest import World, at, at_most, change, local


def test_a_loaded_job_is_started_when_it_is_due_and_not_before(world: World) -> None:
    world.load(change("a.json", "a", "* * * * *"))
    world.pass_time(29 * SECOND)
    assert world.runs == []
    world.pass_time(SECOND)
    assert world.runs == [("a", "2026-11-23 08:01:00")]


def test_each_instant_is_started_once_however_often_the_scheduler_wakes(world: World) -> None:
    world.load(change("a.json", "a", "* * * * *", overlap="allow"))
    for _ in range(121):
        world.pass_time(SECOND)
        world.scheduler.turn(None)
    assert world.runs == [("a", "2026-11-23 08:01:00"), ("a", "2026-11-23 08:02:00")]


def test_jobs_of_one_instant_start_in_the_order_of_their_ids(world: World) -> None:
    for name in ("c", "a", "b"):
        world.load(change(f"{name}.json", name))
    world.pass_time(MINUTE)
    assert [job for job, _ in world.runs] == ["a", "b", "c"]


def test_a_job_that_is_not_enabled_is_loaded_and_never_due(world: World) -> None:
    world.load(change("a.json", "a", enabled=False))
    assert world.status().jobs == 1
    assert world.next_due("a") is None


def test_a_timestamp_runs_once(world: World) -> None:
    world.load(change("a.json", "a", "2026-11-23T08:05:00Z"))
    world.pass_time(5 * MINUTE)
    world.pass_time(HOUR)
    assert world.runs == [("a", "2026-11-23 08:05:00")]
    assert world.next_due("a") is None


def test_a_timestamp_that_has_passed_at_load_is_said_to_be_never_due(world: World) -> None:
    world.load(change("a.json", "a", "2026-11-23T07:00:00Z"))
    assert "never due" in world.said(event.JobLoaded)[0].line()
    world.pass_time(HOUR)
    assert world.runs == []


def test_a_replaced_job_is_due_as_its_new_version_says(world: World) -> None:
    world.load(change("a.json", "a", "1 8 * * *"))
    world.load(change("a.json", "a", "2 8 * * *"))
    world.pass_time(2 * MINUTE)
    assert world.runs == [("a", "2026-11-23 08:02:00")]


def test_a_version_that_was_in_force_at_an_instant_still_owes_it(world: World) -> None:
    """The change reaches the scheduler in the same wake-up in which the instant is due."""
    world.load(change("a.json", "a", "1 8 * * *", command="old"))
    world.clock.advance(31 * SECOND)
    world.load(change("a.json", "a", "1 9 * * *", command="new"))
    assert world.runs == [("a", "2026-11-23 08:01:00")]
    assert world.runner.started[0][1].argv[-1] == "old"


def test_a_removed_job_is_forgotten_and_its_run_goes_on(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    world.load(change("a.json"))
    world.pass_time(HOUR)
    assert len(world.runs) == 1
    assert world.runner.ended == []
    assert world.status().running == 1
    world.end(world.runner.started[0][0])
    assert world.said(event.RunFinished)[0].outcome is Outcome.SUCCEEDED


def test_a_job_removed_and_put_back_does_not_run_an_instant_again(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(30 * SECOND)
    world.load(change("a.json"))
    world.step_clock(-20 * SECOND)
    world.load(change("a.json", "a", overlap="allow"))
    assert world.next_due("a") == at("2026-11-23 08:02")
    world.pass_time(40 * SECOND)
    assert world.runs == [("a", "2026-11-23 08:01:00")]


def test_a_run_that_still_goes_on_is_not_overlapped(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    assert len(world.runs) == 1
    passed = world.said(event.InstantPassed)[0]
    assert (passed.outcome, passed.reason) == (Outcome.SKIPPED, "overlap: the last run is still going")
    world.end(world.runner.started[0][0])
    world.pass_time(MINUTE)
    assert len(world.runs) == 2


def test_overlap_allow_runs_beside_the_last_one(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    assert len(world.runs) == 2


@pytest.mark.parametrize(
    ("exit_code", "number", "outcome"),
    [(0, None, Outcome.SUCCEEDED), (3, None, Outcome.SUCCEEDED), (1, None, Outcome.FAILED), (None, 9, Outcome.FAILED)],
)
def test_the_exit_status_decides_the_outcome(world: World, exit_code: int, number: int, outcome: Outcome) -> None:
    world.load(change("a.json", "a", success_codes=[0, 3]))
    world.pass_time(MINUTE)
    world.end(world.runner.started[0][0], exit_code=exit_code, signal=number)
    assert world.said(event.RunFinished)[0].outcome is outcome


def test_a_start_that_is_refused_is_on_record_and_frees_the_job(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    world.say(message.RunRefused(world.runner.started[0][0].run_id, "no such user: joe"))
    assert world.said(event.InstantPassed)[0].reason == "cannot_start: no such user: joe"
    world.pass_time(MINUTE)
    assert len(world.runs) == 2


def test_a_dead_runner_loses_its_runs_and_says_so(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    run = world.runner.started[0][0]
    world.say(message.RunnerLost("signal 9", (run.run_id,)))
    assert world.said(event.RunnerDied)[0].running == 1
    assert world.said(event.RunFinished)[0].outcome is Outcome.LOST
    assert world.status().running == 0


def test_an_end_that_comes_after_its_run_was_given_up_changes_nothing(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    run = world.runner.started[0][0]
    world.say(message.RunnerLost("signal 9", (run.run_id,)))
    world.end(run)
    assert len(world.said(event.RunFinished)) == 1


def test_stop_starts_nothing_any_more_and_answers_again_when_nothing_runs(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    reply: SimpleQueue[message.Status] = SimpleQueue()
    world.say(message.Stop(reply))
    assert reply.get_nowait().running == 1
    world.pass_time(HOUR)
    assert len(world.runs) == 1
    world.end(world.runner.started[0][0])
    assert reply.get_nowait().running == 0


def test_runs_that_were_asked_to_end_are_stopped_not_failed(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(MINUTE)
    run = world.runner.started[0][0]
    world.say(message.EndRuns(signal.SIGTERM))
    assert world.runner.ended == [((run.run_id,), signal.SIGTERM)]
    world.end(run, exit_code=None, signal=signal.SIGTERM)
    assert world.said(event.RunFinished)[0].outcome is Outcome.STOPPED


def test_after_a_step_forward_the_newest_instant_runs_and_the_others_give_way(world: World) -> None:
    world.load(change("a.json", "a", "*/10 * * * *"))
    world.step_clock(65 * MINUTE)
    # 09:05:30; the newest instant, 09:00, is older than a tenth of ten minutes.
    assert world.runs == []
    assert world.said(event.ClockStepped)[0].by_usec == 65 * MINUTE
    world.load(change("b.json", "b", "0 * * * *"))
    world.step_clock(57 * MINUTE)
    # 10:02:30; 10:00 may be up to six minutes old.
    assert ("b", "2026-11-23 10:00:00") in world.runs
    assert world.runner.started[0][0].cause == "catch_up"


def test_a_step_back_repeats_no_instant(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(MINUTE)
    world.step_clock(-10 * MINUTE)
    # The job was not there at 07:52: this instant has not had its turn. 08:01 has.
    assert world.next_due("a") == at("2026-11-23 07:52")
    for _ in range(12 * 60):
        world.pass_time(SECOND)
    ran = [instant for _, instant in world.runs]
    assert sorted(ran) == [f"2026-11-23 {time}:00" for time in (
        "07:52", "07:53", "07:54", "07:55", "07:56", "07:57", "07:58", "07:59", "08:00", "08:01", "08:02", "08:03",
    )]  # fmt: skip


@pytest.mark.fault("F28")
def test_after_an_hour_back_nothing_is_repeated_and_nothing_waits_for_the_hour_to_pass_again(world: World) -> None:
    world.load(change("a.json", "a", "*/10 * * * *", overlap="allow"), change("b.json", "b", "55 7 * * *"))
    for _ in range(100):
        world.pass_time(MINUTE)
    before = list(world.runs)
    world.step_clock(-HOUR)
    assert world.said(event.ClockStepped)[0].by_usec == -HOUR
    for _ in range(100):
        world.pass_time(MINUTE)
    assert len(set(world.runs)) == len(world.runs)
    # Ten-minute instants of 08:40 to 09:40 were decided before; 09:50, 10:00, 10:10, 10:20 had their turn after.
    assert [instant[11:16] for _, instant in world.runs[len(before) :]] == ["09:50", "10:00", "10:10", "10:20"]


@pytest.mark.fault("F29")
def test_a_clock_that_leaps_ten_years_owes_one_run_and_coming_back_goes_on_where_it_was(world: World) -> None:
    world.load(change("a.json", "a", overlap="allow"), change("b.json", "b", "0 9 * * *"))
    world.pass_time(MINUTE)
    ten_years = 10 * 365 * DAY
    world.step_clock(ten_years)
    assert len(world.runs) == 2
    assert world.said(event.InstantPassed)[0].reason == "clock_step"
    world.pass_time(MINUTE)
    assert len(world.runs) == 3
    world.step_clock(-ten_years)
    # 08:02:30: the day goes on as if nothing had been.
    assert world.next_due("a") == at("2026-11-23 08:03")
    assert world.next_due("b") == at("2026-11-23 09:00")
    world.pass_time(MINUTE)
    assert world.runs[-1] == ("a", "2026-11-23 08:03:00")
    assert len(set(world.runs)) == len(world.runs)


@pytest.mark.fault("F29")
def test_a_machine_that_booted_in_2098_is_not_silent_until_then() -> None:
    world = World(at("2098-05-05 05:05:30"))
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(MINUTE)
    world.clock.wall = at("2026-11-23 08:00:30")
    world.scheduler.turn(None)
    world.pass_time(MINUTE)
    assert world.runs == [("a", "2098-05-05 05:06:00"), ("a", "2026-11-23 08:01:00")]


@pytest.mark.fault("F30")
def test_a_second_that_comes_twice_starts_nothing_twice(world: World) -> None:
    """A leap second: the kernel sets the clock back by one second at midnight, or smears it."""
    world.load(change("a.json", "a", "* * * * * *", overlap="allow"))
    for _ in range(5):
        world.pass_time(SECOND)
    world.step_clock(-SECOND)
    for _ in range(5):
        world.pass_time(SECOND)
    assert [int(instant[17:19]) for _, instant in world.runs] == list(range(31, 40))


@pytest.mark.fault("F32")
def test_after_a_suspend_what_is_owed_runs_and_the_reason_of_the_rest_is_said(world: World) -> None:
    world.load(change("a.json", "a", "*/10 * * * *"), change("b.json", "b", "0 * * * *"))
    world.sleep(3 * HOUR + 10 * SECOND)  # 11:00:40
    assert world.said(event.ClockStepped) == []
    assert world.said(event.MachineSlept)[0].for_usec == 3 * HOUR + 10 * SECOND
    assert world.runs == [("a", "2026-11-23 11:00:00"), ("b", "2026-11-23 11:00:00")]
    passed = world.said(event.InstantPassed)
    assert {(said.run.job_id, said.outcome, said.reason, said.count) for said in passed} == {
        ("a", Outcome.MISSED, "suspended", 17),
        ("b", Outcome.MISSED, "suspended", 2),
    }


def test_instants_that_lie_ahead_again_after_a_step_back_are_planned_again(world: World) -> None:
    world.load(change("a.json", "a", "50 7 * * *"))
    assert world.next_due("a") == at("2026-11-24 07:50")
    world.step_clock(-30 * MINUTE)
    assert world.next_due("a") == at("2026-11-23 07:50")


def test_slewing_is_not_a_step(world: World) -> None:
    for _ in range(100):
        world.clock.wall += 20_000
        world.pass_time(SECOND)
    assert world.said(event.ClockStepped) == []


@pytest.mark.fault("F24")
def test_a_bad_file_keeps_the_last_good_version(world: World) -> None:
    world.load(change("a.json", "a"), change("b.json", "b"))
    world.load(message.FileChange("a.json", "/etc/jobs.d/a.json", problems=(Problem("schedule", "cannot read it"),)))
    found = world.said(event.ProblemFound)[0]
    assert (found.path, found.kept) == ("/etc/jobs.d/a.json", "a")
    world.pass_time(MINUTE)
    assert [job for job, _ in world.runs] == ["a", "b"]
    world.load(change("a.json", "a"))
    assert world.said(event.ProblemCleared)[0].path == "/etc/jobs.d/a.json"


class Crash(Recurring):
    """A schedule that carries a bug."""

    def next(self, after: int, boot: int | None = None) -> int | None:
        if self.broken(after):
            raise ZeroDivisionError
        return super().next(after, boot)

    def broken(self, after: int) -> bool:
        return after >= at("2026-11-23 08:01")


@pytest.mark.fault("F49")
def test_a_bug_met_by_one_job_sets_that_job_aside_and_the_others_go_on(world: World) -> None:
    world.load(change("a.json", "a"), change("b.json", "b"), change("c.json", "c"))
    made = change("b.json", "b", description="new")
    assert made.definition is not None
    schedule = made.definition.schedule
    assert isinstance(schedule, Recurring)
    object.__setattr__(made.definition, "schedule", Crash(schedule.cron, schedule.zone))
    world.load(made)
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    assert "ZeroDivisionError" in world.said(event.JobQuarantined)[0].trace
    assert [job for job, instant in world.runs if "08:01" in instant] == ["a", "c"]
    assert world.status().agenda == 2
    world.step_clock(-MINUTE)  # which plans all jobs again
    assert world.next_due("b") is None
    assert len(world.said(event.JobQuarantined)) == 1
    world.load(change("b.json", "b", description="mended"))
    assert world.next_due("b") is not None


@pytest.mark.fault("F49")
@pytest.mark.parametrize("how", ["due", "owed"])
def test_the_instants_of_a_job_that_is_set_aside_are_on_the_record(world: World, how: str) -> None:
    world.load(change("a.json", "a", "*/10 * * * *", catch_up="1d", coalesce=False, overlap="skip"))
    world.pass_time(10 * MINUTE)
    if how == "owed":
        world.pass_time(30 * MINUTE)  # three are owed, and wait for the run to end
    make_run = world.scheduler._dispatch.make_run

    def broken(*args: Any, **keys: Any) -> Run:
        if args[2] is not Cause.SCHEDULE or how == "due":
            world.scheduler._dispatch.make_run = make_run  # type: ignore[method-assign]
            raise ZeroDivisionError
        return make_run(*args, **keys)

    world.scheduler._dispatch.make_run = broken  # type: ignore[method-assign]
    world.end(world.runner.started[0][0])
    world.pass_time(10 * MINUTE)
    world.pass_time(10 * MINUTE)
    (said,) = world.said(event.JobQuarantined)
    assert "ZeroDivisionError" in said.trace
    assert len(world.runs) == 1
    aside = [one for one in world.said(event.InstantPassed) if one.reason.startswith("set aside")]
    assert [(local(one.first)[11:16], one.count) for one in aside] == (
        [("08:20", 1), ("08:30", 1)] if how == "due" else [("08:20", 2), ("08:50", 1), ("09:00", 1)]
    )
    assert world.next_due("a") is not None
    world.load(change("a.json", "a", "*/10 * * * *", description="mended"))
    world.pass_time(10 * MINUTE)
    assert len(world.runs) == 2


@pytest.mark.fault("F48")
def test_late_work_is_merged_not_piled_up(world: World) -> None:
    """A machine that stood still for a minute owes a job of every second one run, not sixty."""
    world.load(change("a.json", "a", "* * * * * *"))
    world.pass_time(SECOND)
    world.end(world.runner.started[0][0])
    world.pass_time(50 * SECOND)
    assert len(world.runs) == 2
    passed = world.said(event.InstantPassed)[0]
    assert (passed.outcome, passed.count) == (Outcome.COALESCED, 49)


@pytest.mark.fault("A20")
def test_a_year_of_missed_seconds_is_bounded_work(world: World) -> None:
    world.load(change("a.json", "a", "* * * * * *", catch_up="400d"))
    with at_most(0.010):
        world.step_clock(365 * 24 * HOUR)
    assert len(world.runs) == 1
    (passed,) = world.said(event.InstantPassed)
    assert (passed.outcome, passed.count) == (Outcome.COALESCED, None)
    assert "very many instants" in passed.line()


# -- jitter --------------------------------------------------------------------------------------------------------


def jittered(machine: str) -> tuple[World, int]:
    """A world in which job a has a jitter of five minutes, and its delay."""
    world = World(at("2026-11-23 08:00:30"), machine=machine)
    delay = start_delay(machine, "a", 5 * MINUTE)
    assert delay > MINUTE
    return world, delay


def test_jitter_moves_the_start_and_the_instant_keeps_its_name() -> None:
    world, delay = jittered("m2")
    world.load(change("a.json", "a", "0 * * * *", jitter="5m"))
    assert world.next_due("a") == at("2026-11-23 09:00")
    assert world.status().next_due == at("2026-11-23 09:00") + delay
    world.pass_time(59 * MINUTE + 30 * SECOND + delay - 1)
    assert world.runs == []
    world.pass_time(1)
    assert world.runs == [("a", "2026-11-23 09:00:00")]
    assert world.runner.started[0][0].cause == "schedule"


def test_a_job_that_is_replaced_while_its_jitter_runs_still_owes_the_instant() -> None:
    world, delay = jittered("m2")
    world.load(change("a.json", "a", "0 * * * *", jitter="5m", command="old"))
    world.pass_time(60 * MINUTE)  # 09:00:30
    world.load(change("a.json", "a", "0 * * * *", jitter="1s", command="new"))
    world.step_clock(-20 * SECOND)
    world.pass_time(delay - 10 * SECOND - 1)
    assert world.runs == []
    world.pass_time(1)
    assert world.runs == [("a", "2026-11-23 09:00:00")]
    assert world.runner.started[0][1].argv[-1] == "new"
    assert world.next_due("a") == at("2026-11-23 10:00")


def test_a_new_schedule_does_not_wait_behind_the_jitter_of_the_old_one_and_is_charged_with_nothing_before_it() -> None:
    world, delay = jittered("m2")
    world.load(change("a.json", "a", "* * * * *", jitter="5m"))
    world.pass_time(delay + 10 * SECOND)
    came = world.clock.wall
    started = list(world.runs)
    world.load(change("a.json", "a", "*/3 * * * *", jitter="5m"))
    (passed,) = world.said(event.InstantPassed)
    assert (passed.outcome, passed.reason) == (Outcome.SKIPPED, "withdrawn: the job changed")
    assert passed.run.scheduled_at == came // MINUTE * MINUTE
    due = world.next_due("a")
    assert due is not None
    assert came < due <= came + 3 * MINUTE
    world.step_clock(-5 * SECOND)  # what fell before the file came stays away
    for _ in range(20):
        world.pass_time(SECOND * 3)
    assert world.runs == started


@pytest.mark.parametrize("gone", [None, {"enabled": False}])
def test_a_job_that_goes_while_its_jitter_runs_says_so(gone: dict[str, bool] | None) -> None:
    world, _ = jittered("m2")
    world.load(change("a.json", "a", "0 * * * *", jitter="5m"))
    world.pass_time(60 * MINUTE)
    world.load(change("a.json") if gone is None else change("a.json", "a", "0 * * * *", **gone))
    world.pass_time(HOUR)
    assert world.runs == []
    (passed,) = world.said(event.InstantPassed)
    assert (passed.outcome, passed.run.scheduled_at) == (Outcome.SKIPPED, at("2026-11-23 09:00"))


def test_jitter_does_not_make_an_instant_late() -> None:
    world, delay = jittered("m2")
    world.load(change("a.json", "a", "*/2 * * * *", jitter="5m", catch_up="1s", overlap="allow"))
    for _ in range(600):
        world.pass_time(SECOND)
    assert at("2026-11-23 08:06") + delay < world.clock.wall < at("2026-11-23 08:08") + delay
    assert [instant[11:16] for _, instant in world.runs] == ["08:02", "08:04", "08:06"]


# -- catching up ---------------------------------------------------------------------------------------------------


def test_what_is_caught_up_starts_a_few_at_once_the_oldest_first_behind_what_is_due(world: World) -> None:
    jobs = [change(f"{n}.json", f"old-{n}", f"{50 - n} 8 * * *", catch_up="1d") for n in range(10)]
    world.load(change("now.json", "now", "0 10 * * *"), *jobs)
    world.sleep(2 * HOUR)  # 10:00:30
    assert world.runs == [("now", "2026-11-23 10:00:00")] + [
        (f"old-{n}", f"2026-11-23 08:{50 - n}:00") for n in (9, 8, 7, 6)
    ]
    assert world.status().in_arrears == 6
    assert {run.cause for run, _ in world.runner.started} == {"schedule", "catch_up"}
    world.end(world.runner.started[0][0])
    assert len(world.runs) == 5
    world.end(world.runner.started[1][0])
    world.end(world.runner.started[2][0])
    assert world.runs[5:] == [("old-5", "2026-11-23 08:45:00"), ("old-4", "2026-11-23 08:46:00")]


def test_how_many_catch_up_at_once_may_change_while_they_wait(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=1))
    world.load(*(change(f"{n}.json", f"j{n}", "0 9 * * *", catch_up="1d") for n in range(5)))
    world.sleep(2 * HOUR)
    assert len(world.runs) == 1
    world.say(message.Configure(catch_up_parallel=3))
    assert len(world.runs) == 3


def test_without_coalescing_each_runs_after_the_other_the_oldest_first(world: World) -> None:
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False))
    world.sleep(3 * HOUR + 10 * MINUTE)  # 11:10:30
    for done in range(3):
        assert len(world.runs) == done + 1
        world.end(world.runner.started[done][0])
    assert [instant[11:16] for _, instant in world.runs] == ["09:00", "10:00", "11:00"]
    assert {run.cause for run, _ in world.runner.started} == {"catch_up"}
    assert world.next_due("a") == at("2026-11-23 12:00")


def test_a_job_that_may_overlap_catches_up_beside_itself(world: World) -> None:
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False, overlap="allow"))
    world.sleep(3 * HOUR + 10 * MINUTE)
    assert [instant[11:16] for _, instant in world.runs] == ["09:00", "10:00", "11:00"]


def test_what_is_due_goes_before_older_instants_of_the_same_job(world: World) -> None:
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False))
    world.sleep(2 * HOUR + 59 * MINUTE + 45 * SECOND)  # 11:00:15
    for done in range(3):
        world.end(world.runner.started[done][0])
    assert [instant[11:16] for _, instant in world.runs] == ["11:00", "09:00", "10:00"]


def test_a_waiting_instant_is_coalesced_when_a_newer_one_of_its_job_is_due(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=1))
    world.load(change("a.json", "a", "0 9 * * *", catch_up="1d"), change("b.json", "b", "1,30 9 * * *", catch_up="1d"))
    world.sleep(70 * MINUTE)  # 09:10:30
    assert [job for job, _ in world.runs] == ["a"]
    assert world.status().in_arrears == 1
    world.pass_time(20 * MINUTE)  # 09:30:30
    assert world.runs[1:] == [("b", "2026-11-23 09:30:00")]
    (passed,) = world.said(event.InstantPassed)
    assert (passed.outcome, passed.run.scheduled_at) == (Outcome.COALESCED, at("2026-11-23 09:01"))
    assert world.status().in_arrears == 0


def test_an_instant_that_grows_too_old_while_it_waits_is_missed(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=1))
    world.load(change("a.json", "a", "0 9 * * *", catch_up="1d"), change("b.json", "b", "1 9 * * *", catch_up="20m"))
    world.sleep(70 * MINUTE)
    world.pass_time(20 * MINUTE)
    world.end(world.runner.started[0][0])
    assert [job for job, _ in world.runs] == ["a"]
    (passed,) = world.said(event.InstantPassed)
    assert (passed.run.job_id, passed.outcome) == ("b", Outcome.MISSED)
    assert "its turn" in passed.reason


def test_a_job_that_still_runs_catches_up_when_it_has_ended(world: World) -> None:
    world.load(change("a.json", "a", "1,30 8 * * *", catch_up="1d"))
    world.pass_time(31 * SECOND)
    world.sleep(HOUR)
    assert len(world.runs) == 1
    world.end(world.runner.started[0][0])
    assert world.runs[1:] == [("a", "2026-11-23 08:30:00")]


def test_a_job_that_goes_while_it_waits_for_its_turn_says_so(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=1))
    world.load(*(change(f"{name}.json", name, "0 9 * * *", catch_up="1d") for name in "abcd"))
    world.sleep(2 * HOUR)
    world.load(change("b.json"))
    world.load(change("c.json", "c", "0 10 * * *", catch_up="1d"))
    world.load(change("d.json", "d", "0 9 * * *", catch_up="1d", description="another word"))
    world.end(world.runner.started[0][0])
    assert [job for job, _ in world.runs] == ["a", "d"]
    assert [(said.run.job_id, said.outcome) for said in world.said(event.InstantPassed)] == [
        ("b", Outcome.SKIPPED),
        ("c", Outcome.SKIPPED),
    ]


def test_a_waiting_instant_does_not_give_way_to_one_that_is_skipped(world: World) -> None:
    world.load(change("a.json", "a", "1,30,50 8 * * *", catch_up="1d"))
    world.pass_time(30 * SECOND)
    world.sleep(39 * MINUTE)
    world.pass_time(10 * MINUTE)  # 08:50:00, and the run of 08:01 is still going
    assert [said.outcome for said in world.said(event.InstantPassed)] == [Outcome.SKIPPED]
    world.end(world.runner.started[0][0])
    assert [instant[11:16] for _, instant in world.runs] == ["08:01", "08:30"]


def occupied(world: World) -> Run:
    """Let another job take the only turn to catch up; its run."""
    world.say(message.Configure(catch_up_parallel=1))
    world.load(change("long.json", "long", "31 8 * * *", catch_up="1d"))
    world.sleep(35 * MINUTE)  # 08:35:30
    return world.runner.started[0][0]


def test_without_coalescing_what_waits_is_not_lost_to_what_is_due(world: World) -> None:
    long = occupied(world)
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False))
    world.sleep(95 * MINUTE)  # 10:10:30
    world.pass_time(49 * MINUTE + 30 * SECOND)
    assert world.runs[1:] == [("a", "2026-11-23 11:00:00")]
    world.end(world.runner.started[1][0])
    world.end(long)
    world.end(world.runner.started[2][0])
    assert [instant[11:16] for _, instant in world.runs[2:]] == ["09:00", "10:00"]


def test_what_was_started_in_between_is_not_caught_up(world: World) -> None:
    long = occupied(world)
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False))
    world.sleep(35 * MINUTE)  # 09:10:30
    world.pass_time(49 * MINUTE + 30 * SECOND)  # 10:00
    world.end(world.runner.started[1][0])
    world.sleep(130 * MINUTE)  # 12:10
    world.end(long)
    for number in (2, 3, 4):
        world.end(world.runner.started[number][0])
    assert [instant[11:16] for _, instant in world.runs[1:]] == ["10:00", "09:00", "11:00", "12:00"]


def test_a_step_back_leaves_of_a_backlog_what_still_lies_behind(world: World) -> None:
    long = occupied(world)
    world.load(change("a.json", "a", "0 * * * *", catch_up="1d", coalesce=False))
    world.sleep(155 * MINUTE)  # 11:10:30
    world.step_clock(-HOUR)
    assert world.next_due("a") == at("2026-11-23 11:00")
    world.end(long)
    world.end(world.runner.started[1][0])
    world.end(world.runner.started[2][0])
    assert [instant[11:16] for _, instant in world.runs[1:]] == ["09:00", "10:00"]
    world.pass_time(50 * MINUTE)
    assert world.runs[3:] == [("a", "2026-11-23 11:00:00")]


def test_what_gave_way_while_the_clock_was_wrong_has_its_turn_when_it_is_put_right(world: World) -> None:
    world.load(change("a.json", "a", "*/10 * * * *", catch_up="1d"))
    world.step_clock(65 * MINUTE)
    assert world.runs == [("a", "2026-11-23 09:00:00")]
    world.end(world.runner.started[0][0])
    world.step_clock(-65 * MINUTE)
    assert world.next_due("a") == at("2026-11-23 08:10")
    for _ in range(70):
        world.pass_time(MINUTE)
        for run, _ in world.runner.started:
            world.end(run)
    assert [instant[11:16] for _, instant in world.runs] == [
        "09:00", "08:10", "08:20", "08:30", "08:40", "08:50", "09:10",
    ]  # fmt: skip


def test_grace_is_counted_from_the_start_that_jitter_gives() -> None:
    world, delay = jittered("m2")
    world.load(change("a.json", "a", "0 9 * * *", jitter="5m", catch_up="10m"))
    world.sleep(60 * MINUTE + 10 * MINUTE - 30 * SECOND + delay)
    assert world.runs == [("a", "2026-11-23 09:00:00")]


def test_instants_that_wait_for_their_turn_outlive_a_step_back_however_many_wake_ups_were_late(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=0))
    world.load(change("a.json", "a", coalesce=False, catch_up="1d", overlap="allow"))
    for _ in range(12):
        world.sleep(5 * MINUTE)
    assert len(world.runs) == 12
    world.step_clock(-HOUR)
    for _ in range(60):
        world.pass_time(MINUTE)
    assert len(set(world.runs)) == len(world.runs) == 60


def test_when_the_newest_instant_is_skipped_nothing_gave_way_to_it(world: World) -> None:
    world.load(change("a.json", "a", "@every 10s", catch_up="1h"))
    world.pass_time(10 * SECOND)
    world.pass_time(40 * SECOND)
    assert len(world.runs) == 1
    assert [(said.outcome, said.count) for said in world.said(event.InstantPassed)] == [
        (Outcome.SKIPPED, 3),
        (Outcome.SKIPPED, 1),
    ]


def test_a_backlog_of_a_wrong_clock_is_dropped_when_the_clock_is_put_right(world: World) -> None:
    world.say(message.Configure(catch_up_parallel=1))
    world.load(*(change(f"{name}.json", name, "0 9 * * *", catch_up="1d") for name in "ab"))
    world.step_clock(2 * HOUR)
    assert world.runs == [("a", "2026-11-23 09:00:00")]
    world.step_clock(-2 * HOUR)
    assert world.status().in_arrears == 0
    assert world.next_due("a") == at("2026-11-24 09:00")
    assert world.next_due("b") == at("2026-11-23 09:00")


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_clock_does_no_instant_starts_twice(seed: int) -> None:
    draw = random.Random(seed)
    world = World(at("2026-11-23 08:00:30"), machine="m")
    for n in range(6):
        world.load(change(f"{n}.json", f"j{n}", draw.choice(["* * * * *", "*/7 * * * *", "@every 45s", "13 * * * *"]),
            catch_up=draw.choice(["1m", "10m", "1d"]), coalesce=draw.random() < 0.5,
            overlap=draw.choice(["skip", "allow"]), jitter=draw.choice([0, "2m"])))  # fmt: skip
    for _ in range(300):
        match draw.randrange(8):
            case 0:
                world.step_clock(draw.choice([-1, 1]) * draw.choice([5 * SECOND, 3 * MINUTE, HOUR, 400 * DAY]))
            case 1:
                world.sleep(draw.choice([SECOND, 10 * MINUTE, 3 * HOUR]))
            case 2 | 3:
                going = [run for run, _ in world.runner.started if world.scheduler._dispatch.running.get(run.run_id)]
                if going:
                    world.end(draw.choice(going))
            case _:
                world.pass_time(draw.choice([SECOND, 20 * SECOND, MINUTE]))
    started = [(run.job_id, run.scheduled_at) for run, _ in world.runner.started]
    assert len(set(started)) == len(started) > 20
    for (run, _), moment in zip(world.runner.started, world.runner.moments, strict=True):
        assert run.scheduled_at <= moment, "early"


@pytest.mark.parametrize("seed", range(25))
def test_every_instant_runs_or_is_told_exactly_once(seed: int) -> None:
    """Through suspends, steps forward, late wake-ups and long runs; what still waits for its turn is not told yet."""
    draw = random.Random(seed)
    begin = at("2026-11-23 08:00:30")
    world = World(begin, machine="m")
    jobs = [
        change(f"{n}.json", f"j{n}", draw.choice(["* * * * *", "*/7 * * * *", "@every 45s", ["*/20 * * * *", "5 9 * * *"]]),
            catch_up=draw.choice(["1m", "10m", "1d"]), coalesce=draw.random() < 0.5,
            overlap=draw.choice(["skip", "allow"]), jitter=draw.choice([0, "2m"]))
        for n in range(6)
    ]  # fmt: skip
    world.load(*jobs)
    for _ in range(250):
        match draw.randrange(8):
            case 0:
                world.step_clock(draw.choice([5 * SECOND, 3 * MINUTE, HOUR]))
            case 1:
                world.sleep(draw.choice([SECOND, 10 * MINUTE, 3 * HOUR]))
            case 2 | 3:
                going = [run for run, _ in world.runner.started if world.scheduler._dispatch.running.get(run.run_id)]
                if going:
                    world.end(draw.choice(going))
            case _:
                world.pass_time(draw.choice([SECOND, 20 * SECOND, MINUTE]))
    assert world.said(event.JobQuarantined) == []
    for job in jobs:
        assert job.definition is not None
        fates: dict[int, int] = {}
        named, moment = set(), begin
        until = world.clock.wall - start_delay("m", job.definition.job.job_id, job.definition.job.jitter)
        schedule = job.definition.schedule
        assert schedule is not None
        while (following := schedule.next(moment)) is not None and following <= until:
            named.add(following)
            moment = following
        rows = list(world.scheduler._dispatch.timetable.arrears.of(job.definition.job.job_id))
        rows += [
            (said.first, said.run.scheduled_at)
            for said in world.said(event.InstantPassed)
            if said.run.job_id == job.definition.job.job_id
        ]
        rows += [
            (run.scheduled_at, run.scheduled_at)
            for run, _ in world.runner.started
            if run.job_id == job.definition.job.job_id
        ]
        for first, last in rows:
            for instant in named:
                if first <= instant <= last:
                    fates[instant] = fates.get(instant, 0) + 1
        assert fates == dict.fromkeys(named, 1)


# -- the machine ---------------------------------------------------------------------------------------------------


def test_reboot_jobs_run_once_at_the_first_start_after_a_boot() -> None:
    booted = World(at("2026-11-23 08:00:30"), boot=True, loading=True)
    booted.pass_time(7 * SECOND)
    booted.load(change("a.json", "a", "@reboot"), change("b.json", "b", ["@reboot", "@hourly"]))
    booted.pass_time(SECOND)
    assert booted.runs == [("a", "2026-11-23 08:00:30"), ("b", "2026-11-23 08:00:30")]
    booted.say(message.FirstLoadDone())
    booted.load(change("c.json", "c", "@reboot"), change("a.json", "a", "@reboot", description="new"))
    for run, _ in booted.runner.started:
        booted.end(run)
    booted.pass_time(HOUR)
    assert booted.runs[2:] == [("b", "2026-11-23 09:00:00")]
    assert "due when the machine boots" in booted.said(event.JobLoaded)[-1].line()


@pytest.mark.parametrize("step", [-HOUR, 2 * HOUR, 400 * DAY])
def test_reboot_does_not_hang_on_the_wall_clock(step: int) -> None:
    delay = start_delay("m2", "slow", 5 * MINUTE)
    world = World(at("2026-11-23 08:00:30"), boot=True, machine="m2", loading=True)
    world.load(change("slow.json", "slow", ["@reboot", "0 0 1 1 *"], jitter="5m", catch_up="1s"))
    world.step_clock(step)
    world.load(change("a.json", "a", "@reboot", catch_up="1s"))
    world.pass_time(10 * SECOND)
    assert [job for job, _ in world.runs] == ["a"]
    world.say(message.FirstLoadDone())
    world.step_clock(-3 * HOUR)
    world.load(change("new.json", "new", "@reboot"))
    world.pass_time(delay - 10 * SECOND - 1)
    assert [job for job, _ in world.runs] == ["a"]
    world.pass_time(1)
    world.step_clock(-HOUR)
    world.pass_time(5 * HOUR)
    assert [job for job, _ in world.runs] == ["a", "slow"]


def test_of_two_files_with_one_id_the_winner_owes_what_fell_while_both_were_read() -> None:
    world = World(at("2026-11-23 08:00:30"), loading=True)
    world.load(change("b.json", "a", "0 0 * * *"))
    world.pass_time(40 * SECOND)
    world.load(change("a.json", "a", "* * * * *"))
    world.say(message.FirstLoadDone())
    assert world.runs == [("a", "2026-11-23 08:01:00")]


def test_reboot_jobs_do_not_run_when_only_the_daemon_was_started() -> None:
    again = World(at("2026-11-23 08:00:30"), boot=False, loading=True)
    again.load(change("a.json", "a", "@reboot"))
    again.pass_time(HOUR)
    assert again.runs == []


def test_an_instant_that_falls_while_the_first_files_are_read_is_not_lost() -> None:
    world = World(at("2026-11-23 08:00:58"), loading=True)
    world.clock.advance(7 * SECOND)
    world.load(change("a.json", "a"))
    world.say(message.FirstLoadDone())
    assert world.runs == [("a", "2026-11-23 08:01:00")]
    world.load(change("b.json", "b"))
    world.scheduler.turn(None)
    assert len(world.runs) == 1


@pytest.mark.fault("F47")
def test_runs_by_a_clock_that_nothing_has_confirmed_are_marked(world: World) -> None:
    world.clock.right = False
    world.load(change("a.json", "a", overlap="allow"))
    world.pass_time(MINUTE)
    world.clock.right = True
    world.pass_time(MINUTE)
    marks = [said.fields().get("JOBSCHEDD_CLOCK") for said in world.said(event.RunDue)]
    assert marks == ["unsynchronised", None]


def test_a_large_load_says_single_jobs_at_debug_level_only(world: World) -> None:
    world.load(*(change(f"{n}.json", f"j{n}") for n in range(101)))
    assert {said.priority for said in world.said(event.JobLoaded)} == {event.DEBUG}


def test_lateness_is_said_with_the_start(world: World) -> None:
    world.load(change("a.json", "a"))
    world.pass_time(30 * SECOND)
    run = world.runner.started[0][0]
    world.say(message.RunStarted(run.run_id, 4711, run.scheduled_at + 1_500))
    fields = world.said(event.RunBegan)[0].fields()
    assert fields["JOBSCHEDD_LATENESS_USEC"] == "1500"
    assert fields["JOBSCHEDD_SCHEDULED_AT"] == show_instant(run.scheduled_at) == "2026-11-23T08:01:00Z"


def test_a_run_carries_its_labels_into_the_journal(world: World) -> None:
    world.load(change("a.json", "a", labels={"team": "sales"}))
    world.pass_time(30 * SECOND)
    run = world.runner.started[0][0]
    world.say(message.RunEnded(run.run_id, world.clock.wall, Ending(0, None, 5, 6)))
    fields = world.said(event.RunFinished)[0].fields()
    assert fields["JOBSCHEDD_LABEL_TEAM"] == "sales"
    assert fields["JOBSCHEDD_EXIT_CODE"] == "0"
    assert fields["JOBSCHEDD_OUTCOME"] == "succeeded"
