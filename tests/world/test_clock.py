"""This machine's clocks."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobschedd.world.clock
from jobschedd.model.run import DAY, HOUR, SECOND
from jobschedd.world.clock import SystemClock, WallTimer


@pytest.fixture
def timer() -> Iterator[WallTimer]:
    made = WallTimer()
    yield made
    made.close()


def readable(timer: WallTimer, seconds: float) -> bool:
    return bool(select.select([timer.fileno()], [], [], seconds)[0])


def test_the_timer_wakes_at_its_moment_and_not_before(timer: WallTimer) -> None:
    clock = SystemClock()
    moment = clock.now() + SECOND // 20
    timer.set(moment)
    assert readable(timer, 20)
    assert clock.now() >= moment
    timer.clear()
    assert not readable(timer, 0)


def test_a_moment_that_has_passed_is_now(timer: WallTimer) -> None:
    for moment in (0, 1, SystemClock().now() - HOUR):
        timer.set(moment)
        assert readable(timer, 20)
        timer.clear()


def test_a_timer_that_is_set_anew_forgets_the_old_moment(timer: WallTimer) -> None:
    timer.set(0)
    timer.set(SystemClock().now() + HOUR)
    assert not readable(timer, 0)
    timer.clear()  # nothing to take


def test_a_moment_that_never_comes_keeps_it_quiet(timer: WallTimer) -> None:
    timer.set(2**62)
    assert not readable(timer, 0)


def test_the_timer_is_not_inherited(timer: WallTimer) -> None:
    assert not os.get_inheritable(timer.fileno())


def test_the_clocks_agree_with_each_other_and_sleep_is_no_negative_time() -> None:
    clock = SystemClock()
    now, elapsed = clock.now(), clock.elapsed()
    assert abs(now - time.time_ns() // 1000) < SECOND
    assert 0 < elapsed < 10_000 * DAY
    assert clock.asleep() >= 0
    assert clock.synchronised() in (True, False)


def test_python_s_own_timer_is_the_same() -> None:
    """From 3.13 on Python has a timerfd, before that it is the C library's."""
    python = shutil.which("python3.13")
    if python is None:
        pytest.skip("no python3.13 here")
    program = f"""
import importlib.util, select, time
spec = importlib.util.spec_from_file_location("clock", {jobschedd.world.clock.__file__!r})
clock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clock)
timer, now = clock.WallTimer(), clock.SystemClock().now()
timer.set(now + 20_000)
assert select.select([timer.fileno()], [], [], 20)[0]
assert clock.SystemClock().now() >= now + 20_000
timer.clear()
timer.set(2**62)
assert not select.select([timer.fileno()], [], [], 0)[0]
"""
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False, cwd=Path("/"))
    if done.returncode == 127:  # a version manager's stand-in
        pytest.skip("no python3.13 here")
    assert (done.stderr, done.returncode) == ("", 0)
