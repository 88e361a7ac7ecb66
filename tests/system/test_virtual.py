"""The machine on which the clock may be set: that it can be, and that this is nobody else's clock."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.virtual import VirtualMachine, why_not_virtual

pytestmark = pytest.mark.system

# Python's own timerfd functions came with 3.13.
SET_THE_CLOCK_UNDER_A_TIMER = """
import ctypes, errno, json, os, select, struct, subprocess, time

CLOCK_REALTIME, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET = 0, 1, 2
libc = ctypes.CDLL(None, use_errno=True)
timer = libc.timerfd_create(CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
in_a_year = struct.pack("=4q", 0, 0, int(time.time()) + 365 * 86400, 0)
assert libc.timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, in_a_year, None) == 0
poll = select.poll()
poll.register(timer, select.POLLIN)

told = {"woken_before": bool(poll.poll(0))}
subprocess.run(["date", "-s", "@1900000000"], check=True, stdout=subprocess.DEVNULL)
told["woken_after"] = bool(poll.poll(0))
try:
    os.read(timer, 8)
except OSError as error:
    told["error"] = errno.errorcode[error.errno]
told["now"] = time.time()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[VirtualMachine]:
    reason = why_not_virtual()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    with VirtualMachine() as made:
        yield made


def clock_offset() -> float:
    """Seconds; it changes when somebody sets this machine's clock, and hardly otherwise."""
    return time.time() - time.monotonic()


def processes_under(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "root") == str(root):
                found.append(process.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_a_step_of_the_clock_cancels_a_timer_at_once_and_is_not_seen_on_the_host(machine: VirtualMachine) -> None:
    (machine.root / "opt/timer.py").write_text(SET_THE_CLOCK_UNDER_A_TIMER)
    before = clock_offset()
    told = json.loads(machine.run("python3 /opt/timer.py"))
    assert clock_offset() == pytest.approx(before, abs=1)
    assert told.pop("now") == pytest.approx(1_900_000_000, abs=60)
    assert told == {"woken_before": False, "woken_after": True, "error": "ECANCELED"}


def test_each_boot_takes_the_time_from_the_host(machine: VirtualMachine) -> None:
    machine.run("date -s @1900000000")
    assert float(machine.run("date +%s.%N")) == pytest.approx(time.time(), abs=60)


def test_the_project_is_installed_under_a_whole_systemd_where_one_is_wanted(machine: VirtualMachine) -> None:
    script = "systemctl start jobschedd; systemctl is-active jobschedd; date -s @1900000000 +%s; jobctl --help"
    told = machine.run(script, systemd=True).splitlines()
    assert told[:2] == ["active", "1900000000"]


def test_a_script_that_does_not_end_in_time_is_told_and_everything_is_ended(machine: VirtualMachine) -> None:
    with pytest.raises(AssertionError, match="5 s were over before the script was through"):
        machine.run("sleep 600", patience=5)
    deadline = time.monotonic() + 10
    while left := processes_under(machine.root):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)  # killed already; the kernel takes a namespace apart in its own time
