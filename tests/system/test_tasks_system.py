"""Task types where they are at home: units of a real systemd, requests of a real service, runs of a real daemon."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machine import Machine, why_not

pytestmark = pytest.mark.system

PYTHON = "/opt/jobschedd/bin/python"

UNITS = {
    "good": "Type=oneshot\nExecStart=/bin/echo said by the unit\n",
    "bad": "Type=oneshot\nExecStart=/bin/sh -c 'exit 3'\n",
    "simple": "ExecStart=/bin/sh -c 'sleep 0.2; exit 4'\n",
    "killed": "Type=oneshot\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n",
    "slow": "Type=oneshot\nTimeoutStartSec=1\nExecStart=/bin/sleep 600\n",
    "before": "Type=oneshot\nExecStartPre=/bin/false\nExecStart=/bin/true\n",
    "absent": "Type=oneshot\nExecStart=/no/such/program\n",
    "forgiven": "Type=oneshot\nSuccessExitStatus=5\nExecStart=/bin/sh -c 'exit 5'\n",
    "remains": "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "long": "ExecStart=/bin/sleep 600\n",
    "longer": "Type=oneshot\nExecStart=/bin/sleep 600\n",
    "forgotten": "Type=oneshot\nExecStart=/bin/sh -c 'exit 6'\n",
    "masked": None,
}
HEADS = {
    "good": "ConditionPathExists=/etc/passwd\n",
    "unmet": "ConditionPathExists=/no/such/file\n",
    "forgotten": "CollectMode=inactive-or-failed\n",
}


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    reason = why_not()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    made = Machine(Path(tempfile.mkdtemp(prefix="jobschedd-tasks-")))
    try:
        for name, text in (UNITS | {"unmet": UNITS["good"]}).items():
            if text is not None:
                head = HEADS.get(name, "")
                made.put(
                    f"/etc/systemd/system/t-{name}.service", f"[Unit]\n{head}StartLimitBurst=100\n[Service]\n{text}"
                )
        made.run("ln", "-s", "/dev/null", "/etc/systemd/system/t-masked.service", check=True)
        made.put("/etc/systemd/system/t-broken.service", "[Service]\nType=what\n")
        # systemd forgets units that are over and that nobody names, and with them why nothing was run.
        made.put("/etc/systemd/system/t-keeper.target", "[Unit]\nWants=t-unmet.service\n")
        made.systemctl("daemon-reload")
        made.systemctl("start", "t-keeper.target")
        yield made
    finally:
        made.close()


def start(machine: Machine, unit: str) -> tuple[int, str]:
    done = machine.run(PYTHON, "-I", "-m", "jobschedd.tasks.start_unit", unit)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("unit", "code", "words"),
    [
        ("good", 0, "t-good.service: ended, and systemd reports no failure\n"),
        ("bad", 3, "ended with exit code 3; journalctl -u t-bad.service has its output\n"),
        ("simple", 4, "ended with exit code 4; "),
        ("killed", 1, "was ended by SIGSEGV; "),
        ("slow", 1, "it took longer than systemd gives it (TimeoutStartSec=, "),
        ("before", 1, "one of its other processes failed (ExecStartPre=, "),
        ("absent", 203, "ended with exit code 203; "),
        ("forgiven", 0, "t-forgiven.service: ended, and systemd reports no failure\n"),
        ("unmet", 0, "t-unmet.service: its conditions are not met, so systemd has run nothing\n"),
        ("forgotten", 1, "cannot finish t-forgotten.service: "),
        ("nowhere", 1, "cannot start t-nowhere.service: systemd knows no such unit\n"),
        ("masked", 1, "cannot start t-masked.service: it is masked; systemctl unmask lets it start again\n"),
        ("broken", 1, "cannot start t-broken.service: systemd cannot load it ("),
    ],
)
def test_a_run_ends_as_its_unit_ends_and_says_why(machine: Machine, unit: str, code: int, words: str) -> None:
    ended, output = start(machine, f"t-{unit}.service")
    assert ended == code, output
    assert words in output
    assert output.count("\n") == 1


def test_a_unit_that_remains_after_its_exit_is_not_waited_for_and_not_started_twice(machine: Machine) -> None:
    assert start(machine, "t-remains.service") == (0, "t-remains.service: started\n")
    assert start(machine, "t-remains.service") == (
        1,
        "cannot start t-remains.service: it is active (exited) already\n",
    )


def test_a_unit_that_somebody_else_has_started_is_left_alone(machine: Machine) -> None:
    machine.systemctl("start", "t-long.service")
    assert start(machine, "t-long.service") == (1, "cannot start t-long.service: it is active (running) already\n")
    assert machine.systemctl("is-active", "t-long.service") == "active"
    machine.systemctl("stop", "t-long.service")


def test_a_target_is_started_and_not_waited_for(machine: Machine) -> None:
    assert start(machine, "timers.target") == (0, "timers.target: started\n")


@pytest.mark.parametrize("unit", ["t-long.service", "t-longer.service"])
def test_a_unit_does_not_go_on_after_the_run_that_started_it_was_stopped(machine: Machine, unit: str) -> None:
    script = f"""
        {PYTHON} -I -m jobschedd.tasks.start_unit {unit} & run=$!
        until systemctl show -P ActiveState {unit} | grep -q '^activ'; do sleep 0.05; done
        pgrep=$(systemctl show -P MainPID {unit})
        kill -TERM $run; wait $run; echo code $?; systemctl is-active {unit}; kill -0 $pgrep || echo gone
    """
    # A oneshot that was ended before its time has failed.
    state = "failed" if unit == "t-longer.service" else "inactive"
    assert machine.run("sh", "-c", script).stdout == f"stopping {unit}\ncode 143\n{state}\ngone\n"


def job(task: dict[str, Any], schedule: str = "* * * * * *") -> str:
    return json.dumps({"job_id": "task", "schedule": schedule, "task": task})


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    machine.systemctl("start", "jobschedd")
    yield machine
    machine.run("sh", "-c", "rm -rf /etc/jobs.d/*")


def outcome(machine: Machine, task: dict[str, Any]) -> tuple[str, str]:
    """Exit code and output of the first run of a job with this task."""
    since = machine.run("date", "+%s.%N").stdout.strip()
    machine.put("/etc/jobs.d/task.json", job(task))

    def ended() -> list[str]:
        words = (
            "journalctl",
            "-q",
            "-o",
            "json",
            f"--since=@{since}",
            "JOBSCHEDD_JOB=task",
            "JOBSCHEDD_EVENT=run_ended",
        )
        return machine.run(*words).stdout.splitlines()

    machine.until("a run has ended", lambda: bool(ended()))
    return json.loads(ended()[0])["JOBSCHEDD_EXIT_CODE"], machine.journal(f"--since=@{since}", "-t", "task")


def test_the_daemon_starts_units(service: Machine) -> None:
    code, output = outcome(service, {"type": "start_unit", "unit": "t-bad.service"})
    assert code == "3"
    assert "ended with exit code 3" in output


@pytest.mark.parametrize("user", [None, "www-data"])
def test_the_daemon_sends_requests_as_somebody_without_rights(service: Machine, user: str | None) -> None:
    service.run(
        "systemd-run", "--unit=t-site", PYTHON, "-m", "http.server", "-d", "/etc/systemd", "-b", "127.0.0.1", "8765"
    )
    service.until("it listens", lambda: service.run("sh", "-c", "grep -q ':223D ' /proc/net/tcp").returncode == 0)
    task = {"type": "http_request", "url": "http://127.0.0.1:8765/system.conf"} | ({"user": user} if user else {})
    code, output = outcome(service, task)
    assert code == "0"
    assert "200 OK, " in output
    assert "| [Manager]" in output
