"""Runs as cgroups, below the one that systemd has delegated."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.conftest import job
from tests.system.machine import Machine

pytestmark = pytest.mark.system

UNIT = "/sys/fs/cgroup/system.slice/jobschedd.service"


def rows(service: Machine, job_id: str) -> list[dict[str, Any]]:
    # A job that has just been dropped is not on the record yet.
    lines = service.run("jobctl", "history", job_id, "--json", "-n", "1000").stdout.splitlines()
    return [row for row in map(json.loads, lines) if row["started_at"]]


def drop(service: Machine, job_id: str, command: str, **keys: Any) -> None:
    """Have it run once, now."""
    service.put(f"/etc/jobs.d/{job_id}.json", job(job_id, command, "@every 1s", overlap="skip", **keys))
    service.until("it has run", lambda: bool(rows(service, job_id)))
    service.remove(f"/etc/jobs.d/{job_id}.json")


def ended(service: Machine, job_id: str) -> dict[str, Any]:
    service.until("it has ended", lambda: any(row["ended_at"] for row in rows(service, job_id)))
    return next(row for row in rows(service, job_id) if row["ended_at"])


def is_gone(service: Machine, name: str) -> bool:
    """Of processes that are called so, none is left."""
    return service.run("sh", "-c", f"grep -lx {name} /proc/[0-9]*/comm").returncode != 0


def sleeping(service: Machine) -> int:
    return int(service.run("sh", "-c", "grep -lx sleep /proc/[0-9]*/comm | wc -l").stdout)


def test_a_run_is_born_in_its_cgroup_and_the_group_goes_with_it(service: Machine) -> None:
    drop(service, "born", "cat /proc/self/cgroup; echo run $JOBSCHEDD_RUN_ID")
    ended(service, "born")
    told = service.journal("-t", "born")
    run_id = told.split("run ")[1].split()[0]
    assert f"0::/system.slice/jobschedd.service/run-{run_id}" in told
    service.until("the group is gone", lambda: service.run("test", "-e", f"{UNIT}/run-{run_id}").returncode != 0)


@pytest.mark.fault("F36")
def test_a_daemon_that_left_session_and_environment_ends_with_its_run(service: Machine) -> None:
    script = "cp /bin/sleep /tmp/lefty; env -i setsid -f sh -c 'exec /tmp/lefty 1000' & sleep 0.5; echo done"
    drop(service, "leaver", script)
    assert ended(service, "leaver")["outcome"] == "succeeded"
    service.until("it is gone", lambda: is_gone(service, "lefty"))


@pytest.mark.fault("A29")
def test_a_run_of_a_user_cannot_leave_its_cgroup(service: Machine) -> None:
    script = (
        f"echo $$ > {UNIT}/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs || echo held; cat /proc/self/cgroup"
    )
    task = {"type": "execute_command", "command": script, "user": "games"}
    service.put("/etc/jobs.d/climber.json", json.dumps({"job_id": "climber", "schedule": "@every 1s", "task": task}))
    service.until("it has ended", lambda: any(row["ended_at"] for row in rows(service, "climber")))
    told = service.journal("-t", "climber")
    assert "held" in told
    assert "jobschedd.service/run-" in told


@pytest.mark.fault("A58")
def test_the_unit_takes_nothing_from_its_jobs(service: Machine) -> None:
    bounds = "grep -E '^(NoNewPrivs|Seccomp|CapPrm|CapEff|CapBnd):' /proc/{}/status"
    script = f"{bounds.format('self')}; su games -s /bin/sh -c 'id -un'"
    drop(service, "free", f"{script}; touch /tmp/made-by-free")
    ended(service, "free")
    *told, became = service.journal("-t", "free").split()
    assert became == "games"
    # The container's own bounds, and no others.
    assert told == service.run("sh", "-c", bounds.format(1)).stdout.split()
    service.run("test", "-e", "/tmp/made-by-free", check=True)


def test_children_may_be_left_where_the_job_says_so(service: Machine) -> None:
    drop(service, "leaves", "cp /bin/sleep /tmp/stayer; setsid -f /tmp/stayer 1000", leave_children=True)
    assert ended(service, "leaves")["outcome"] == "succeeded"
    drop(service, "next", "true")
    ended(service, "next")
    assert not is_gone(service, "stayer")
    service.run("sh", "-c", "kill $(grep -lx stayer /proc/[0-9]*/comm | cut -d/ -f3)", check=True)


def test_what_all_of_a_run_has_used_is_measured(service: Machine) -> None:
    # A child that nobody waits for: the kernel's own sums leave it out.
    burn = "setsid -f sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; sleep 1.5"
    drop(service, "burner", burn)
    assert ended(service, "burner")["cpu_seconds"] > 0.1


@pytest.mark.fault("F39")
def test_a_limit_that_no_controller_keeps_is_refused_with_the_reason(service: Machine) -> None:
    service.put("/etc/jobs.d/bounded.json", job("bounded", "true", "@every 1s", limits={"memory": "64M"}))
    service.until("it was tried", lambda: "cannot_start" in service.journal("JOBSCHEDD_JOB=bounded"))
    assert "cannot limit memory" in service.journal("JOBSCHEDD_JOB=bounded")


def test_runs_are_adopted_in_their_groups(service: Machine) -> None:
    service.put("/etc/jobs.d/kept.json", job("kept", "setsid -f sleep 1001; sleep 5; exit 4", "@every 1s"))
    service.until("it runs", lambda: bool(rows(service, "kept")))
    service.remove("/etc/jobs.d/kept.json")
    service.systemctl("restart", "jobschedd")
    assert ended(service, "kept")["exit_code"] == 4
    service.until("all groups are gone", lambda: "run-" not in service.run("ls", UNIT).stdout)


@pytest.mark.fault("F04")
@pytest.mark.slow
def test_runs_that_go_on_through_a_restart_all_end_as_they_end(service: Machine) -> None:
    """1,000 of a minute each with JOBSCHEDD_TEST_LONG; else 200 of some seconds."""
    count, seconds = (1_000, 60) if os.environ.get("JOBSCHEDD_TEST_LONG") else (200, 8)
    due = datetime.now(UTC) + timedelta(seconds=10)
    for number in range(count):
        body = {"type": "execute_command", "command": ["sleep", str(seconds)]}
        text = json.dumps({"job_id": f"s{number}", "schedule": due.isoformat(timespec="seconds"), "task": body})
        (service.root / f"etc/jobs.d/s{number}.json").write_text(text)
    service.run("touch", "/etc/jobs.d", check=True)
    service.until("all run", lambda: sleeping(service) == count)
    main = service.show("MainPID")
    threads = int(service.run("sh", "-c", f"ls /proc/{main}/task | wc -l").stdout)
    service.systemctl("restart", "jobschedd")
    assert sleeping(service) == count

    def succeeded() -> int:
        told = service.run("jobctl", "history", "s*", "--outcome", "succeeded", "--json", "-n", "10000").stdout
        return len(told.splitlines())

    service.until("all have succeeded", lambda: succeeded() == count, seconds + 60)
    assert threads < 20
    assert "double 0" in service.run("jobctl", "audit", check=True).stdout


def test_a_run_with_a_sandbox_is_a_unit_and_outlives_the_daemon_too(service: Machine) -> None:
    box = {"ProtectSystem": "strict", "PrivateTmp": True}
    script = "touch /usr/made 2>/dev/null || echo read-only; cat /proc/self/cgroup; sleep 4; exit 6"
    service.put("/etc/jobs.d/boxed.json", job("boxed", script, "@every 1s", sandbox=box, timeout="1m"))
    service.until("it runs", lambda: bool(rows(service, "boxed")))
    service.remove("/etc/jobs.d/boxed.json")
    service.systemctl("restart", "jobschedd")
    done = ended(service, "boxed")
    assert (done["outcome"], done["exit_code"]) == ("failed", 6)
    told = service.journal("-t", "boxed")
    assert "read-only" in told
    assert f"/jobschedd-run-{done['run_id']}.service" in told


def test_a_sandboxed_run_that_takes_too_long_is_ended_with_all_it_has_started(service: Machine) -> None:
    script = "cp /bin/sleep /var/tmp/boxling; setsid -f /var/tmp/boxling 1000; sleep 1000"
    drop(service, "slowbox", script, sandbox={"NoNewPrivileges": True}, timeout="1s", kill_after="1s")
    assert ended(service, "slowbox")["outcome"] == "timed_out"
    service.until("all of it is gone", lambda: is_gone(service, "boxling"))
