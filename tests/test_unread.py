"""A record that could not be read when the daemon started, and can be later."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model import event, message
from jobschedd.model.record import Doubted, Past
from jobschedd.model.run import HOUR, MINUTE, SECOND, Run
from tests.conftest import MemoryStore, World, at, change, local
from tests.test_doubt import EVERY_TEN, FULL, later, live
from tests.test_record import audited, first, following, outcomes

pytestmark = [pytest.mark.fault("F10")]


def locked(store: MemoryStore, now: str, *changes: message.FileChange, going: Run | None = None) -> World:
    """A daemon that starts while somebody has locked the record."""
    store.failing, store.unreadable = FULL, True
    world = World(at(now), store=store, past=Past(unread=True, doubt=store._marker.read()), loading=True)
    found = () if going is None else (message.RunFound(going, 1, going.scheduled_at),)
    world.say(message.RunnerFound(found))
    world.load(*changes)
    world.say(message.FirstLoadDone())
    world.pass_time(SECOND)
    return world


def unlock(world: World) -> None:
    world.store.failing = None
    world.pass_time(2 * SECOND)


def close(world: World) -> None:
    world.say(message.Close(SimpleQueue()))


def hourly(**keys: Any) -> message.FileChange:
    return change("a.json", "a", "0 * * * *", **({"catch_up": "1d", "coalesce": False, "overlap": "skip"} | keys))


def test_what_it_has_in_doubt_is_not_caught_up() -> None:
    nine, store = at("2026-11-23 09:00"), MemoryStore()
    store._connect()
    store.write([Doubted(((nine, nine + 90 * MINUTE),))])
    world = locked(store, "2026-11-23 08:00:29", hourly())
    world.sleep(4 * HOUR)
    assert world.runs == [("a", "2026-11-23 12:00:00")]
    unlock(world)
    for _ in range(4):
        world.end(world.runner.started[-1][0])
        world.pass_time(SECOND)
    assert world.runs[1:] == [("a", "2026-11-23 11:00:00")]
    assert [(said.outcome, said.count) for said in world.said(event.InstantPassed)] == [("missed", 2)]


def test_what_it_has_in_doubt_is_told_where_a_newer_instant_comes_before_its_turn() -> None:
    twelve, store = at("2026-11-23 12:00"), MemoryStore()
    store._connect()
    store.write([Doubted(((twelve - MINUTE, twelve + MINUTE),))])
    world = locked(store, "2026-11-23 08:00:29", hourly(coalesce=True))
    world.pass_time(HOUR)
    world.sleep(3 * HOUR + 5 * MINUTE)  # 12:00 is owed behind the run of 9:00
    unlock(world)
    world.sleep(4 * HOUR)
    close(world)
    assert audited(store).clean


def test_a_run_that_goes_on_and_waited_by_the_record_has_its_true_outcome() -> None:
    a = change("a.json", "a", EVERY_TEN, overlap="queue")
    before = first(a)
    live(before, 2, 10 * MINUTE)
    assert [outcome for _, outcome in outcomes(before.store)] == ["running", "waiting"]
    before.store.failing = FULL
    before.end(before.runner.started[0][0])
    before.pass_time(SECOND)
    run = before.runner.started[1][0]
    world = locked(before.store, later(before, MINUTE), a, going=run)
    unlock(world)
    world.end(run)
    close(world)
    assert outcomes(world.store) == [("2026-11-23 08:10", "lost"), ("2026-11-23 08:20", "succeeded")]


def test_what_was_owed_and_runs_has_one_outcome() -> None:
    before = first(hourly())
    before.sleep(4 * HOUR)
    before.pass_time(SECOND)
    before.store.failing = FULL
    before.end(before.runner.started[0][0])
    before.pass_time(SECOND)
    run = before.runner.started[1][0]
    assert local(run.scheduled_at)[11:16] == "09:00"
    world = locked(before.store, later(before, MINUTE), hourly(), going=run)
    unlock(world)
    close(world)
    assert audited(world.store).clean
    assert ("2026-11-23 09:00", "running") in outcomes(world.store)


def test_what_is_owed_by_now_stays_owed() -> None:
    before = first(hourly())
    before.sleep(4 * HOUR)
    before.pass_time(SECOND)
    world = locked(before.store, "2026-11-23 12:30:00", hourly())
    world.sleep(3 * HOUR)
    assert world.runs == [("a", "2026-11-23 13:00:00")]  # and 14:00 and 15:00 wait behind it
    unlock(world)
    world.pass_time(SECOND)
    after = following(world, later(world), hourly())
    for _ in range(3):
        for run, _pid in list(after.runner.started):
            after.end(run)
        after.pass_time(SECOND)
    assert after.runs == [("a", "2026-11-23 14:00:00"), ("a", "2026-11-23 15:00:00")]
    close(after)
    assert audited(after.store).clean
