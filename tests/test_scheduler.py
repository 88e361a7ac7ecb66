"""The scheduler, cranked by hand."""

from __future__ import annotations

import signal
from queue import SimpleQueue

import pytest

from jobschedd.model import event, message
from jobschedd.model.error import Problem
from jobschedd.model.event import show_instant
from jobschedd.model.run import HOUR, MINUTE, SECOND, Ending, Outcome
from jobschedd.model.schedule import Recurring
from tests.conftest import World, at, change


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
    assert world.next_due("a") == at("2026-11-23 08:02")
    world.pass_time(11 * MINUTE)
    assert [instant for _, instant in world.runs] == ["2026-11-23 08:01:00", "2026-11-23 08:02:00"]


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

    def next(self, after: int) -> int | None:
        if self.broken(after):
            raise ZeroDivisionError
        return super().next(after)

    def broken(self, after: int) -> bool:
        return after >= at("2026-11-23 08:01")


@pytest.mark.fault("F49")
def test_a_bug_met_by_one_job_sets_that_job_aside_and_the_others_go_on(world: World) -> None:
    world.load(change("a.json", "a"), change("b.json", "b"), change("c.json", "c"))
    made = change("b.json", "b", description="new")
    assert made.definition is not None
    schedule = made.definition.job.schedule
    assert isinstance(schedule, Recurring)
    object.__setattr__(made.definition.job, "schedule", Crash(schedule.cron, schedule.zone))
    world.load(made)
    world.pass_time(MINUTE)
    world.pass_time(MINUTE)
    assert "ZeroDivisionError" in world.said(event.JobQuarantined)[0].trace
    assert [job for job, instant in world.runs if "08:01" in instant] == ["a", "c"]
    assert world.status().agenda == 2
    world.step_clock(-MINUTE)  # which plans all jobs again
    assert world.next_due("b") is None
    world.load(change("b.json", "b", description="mended"))
    assert world.next_due("b") is not None


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


def test_a_year_of_missed_seconds_is_bounded_work(world: World) -> None:
    world.load(change("a.json", "a", "* * * * * *"))
    world.step_clock(365 * 24 * HOUR)
    assert len(world.runs) == 1


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
