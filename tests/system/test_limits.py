"""Limits that the kernel's controllers keep, on a kernel that has them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.system.virtual import VirtualMachine, why_not_virtual

pytestmark = [pytest.mark.system, pytest.mark.slow]

# The tree as systemd 254 and newer make it with Delegate=yes and DelegateSubgroup=supervisor.
DRIVER = """
import json, os, subprocess, time

def write(path, text):
    with open(path, "w") as file:
        file.write(text)

ROOT, UNIT = "/sys/fs/cgroup", "/sys/fs/cgroup/jobschedd.service"
if not os.path.exists(ROOT + "/cgroup.controllers"):
    subprocess.run(["mount", "-t", "cgroup2", "none", ROOT], check=True)
for controller in ("cpu", "io", "memory", "pids"):
    write(ROOT + "/cgroup.subtree_control", "+" + controller)
os.makedirs(UNIT + "/supervisor")
os.setxattr(UNIT, "user.delegate", b"1")
write(UNIT + "/supervisor/cgroup.procs", str(os.getpid()))
os.makedirs("/etc/jobs.d", exist_ok=True)

def job(job_id, command, **keys):
    task = {"type": "execute_command", "command": command}
    write(f"/etc/jobs.d/{job_id}.json", json.dumps({"job_id": job_id, "schedule": "@every 2s", "task": task} | keys))

job("eater", ["/usr/bin/python3", "-c", "x = bytearray(1 << 20)\\nwhile True: x += bytes(1 << 20)"],
    limits={"memory": "48M"})
job("bomb", ["/bin/sh", "-c", "f() { f | f & }; f; sleep 2; exit 3"], limits={"tasks": 20})
job("leaver", ["/bin/sh", "-c", "setsid -f sh -c 'trap \\"\\" TERM; while :; do sleep 1; done'; exec sleep 60"],
    timeout="1s", kill_after="1s")
job("unkept", ["/bin/true"], limits={"io_weight": 50})
job("plain", ["/bin/true"], limits={"memory_high": "1G"})
daemon = subprocess.Popen(["jobschedd", "--log-format", "json"], stderr=subprocess.DEVNULL)

def rows(job_id):
    told = subprocess.run(["jobctl", "history", job_id, "--json", "-n", "1000"], capture_output=True, text=True).stdout
    return [row for row in map(json.loads, told.splitlines()) if row["ended_at"]]

deadline, found = time.monotonic() + 240, {}

def await_ends(*names):
    while time.monotonic() < deadline and not found.keys() >= set(names):
        for name in names:
            if name not in found and (done := rows(name)):
                found[name] = done[0]
                os.unlink(f"/etc/jobs.d/{name}.json")
        time.sleep(0.2)

await_ends("eater", "bomb", "leaver", "unkept", "plain")
# Alone: beside the others it has no more than its share without a limit too.
job("burner", ["/usr/bin/python3", "-c", "import time\\nend = time.monotonic() + 1.5\\nwhile time.monotonic() < end: pass"],
    limits={"cpu": "20%"})
await_ends("burner")
while time.monotonic() < deadline and any(name.startswith("run-") for name in os.listdir(UNIT)):
    time.sleep(0.2)
found["left"] = [name for name in os.listdir(UNIT) if name.startswith("run-")]
found["controllers"] = open(UNIT + "/cgroup.subtree_control").read().split()
daemon.terminate()
found["daemon"] = daemon.wait()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    reason = why_not_virtual()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    with VirtualMachine() as machine:
        (machine.root / "opt/limits.py").write_text(DRIVER)
        yield json.loads(machine.run("python3 /opt/limits.py").splitlines()[-1])


def seconds(row: dict[str, Any]) -> float:
    started, ended = (datetime.fromisoformat(row[key]) for key in ("started_at", "ended_at"))
    return (ended - started).total_seconds()


def test_controllers_are_enabled_where_the_daemon_stands_beside_its_runs(found: dict[str, Any]) -> None:
    assert {"cpu", "memory", "pids"} <= set(found["controllers"])
    assert found["daemon"] == 0


def test_a_run_that_takes_more_memory_than_its_limit_ends_and_the_record_says_why(found: dict[str, Any]) -> None:
    assert found["eater"]["outcome"] == "failed"
    assert found["eater"]["signal"] == 9
    assert found["eater"]["reason"] == f"out of memory: more than its limit of {48 << 20} bytes"
    assert found["eater"]["memory_peak"] == 48 << 20


@pytest.mark.fault("F17")
@pytest.mark.fault("F39")
def test_a_fork_bomb_is_held_by_its_limit_and_the_others_run(found: dict[str, Any]) -> None:
    assert found["bomb"]["reason"] == "could not fork: it had as many tasks as its limit, 20"
    assert found["plain"]["outcome"] == "succeeded"


def test_a_share_of_the_processor_is_kept(found: dict[str, Any]) -> None:
    # Of how long it took: on a busy machine the interpreter alone begins for seconds.
    assert found["burner"]["cpu_seconds"] / seconds(found["burner"]) < 0.3


def test_a_limit_that_this_kernel_cannot_keep_is_refused_and_not_ignored(found: dict[str, Any]) -> None:
    assert found["unkept"]["outcome"] == "skipped"
    assert found["unkept"]["reason"] == "cannot_start: cannot limit io_weight: this kernel's cgroups have no io.weight"


@pytest.mark.fault("F36")
def test_after_a_timeout_all_of_a_run_is_gone_and_its_group_too(found: dict[str, Any]) -> None:
    assert found["leaver"]["outcome"] == "timed_out"
    assert found["left"] == []
