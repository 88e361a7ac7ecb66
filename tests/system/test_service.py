"""The real thing: systemd, a real journal, an administrator's commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.conftest import job
from tests.system.machine import Machine

pytestmark = pytest.mark.system


@pytest.mark.parametrize("manager", ["system", "user"])
def test_the_units_are_such_that_systemd_takes_them_without_a_word(machine: Machine, manager: str) -> None:
    unit = f"/usr/lib/systemd/{manager}/jobschedd.service"
    verified = machine.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", f"--{manager}", "--man=no", "verify", unit)
    assert (verified.stderr, verified.returncode) == ("", 0)


def test_start_means_ready_and_the_directory_was_made(service: Machine) -> None:
    assert service.show("ActiveState") == "active"
    assert service.run("stat", "-c", "%a %U", "/etc/jobs.d", check=True).stdout.strip() == "755 root"
    assert service.run("stat", "-c", "%a %U", "/var/lib/jobschedd", check=True).stdout.strip() == "700 root"
    service.until("the status line tells the jobs", lambda: "0 jobs" in service.show("StatusText"))


def test_a_file_is_dropped_and_runs_and_is_seen_in_the_journal(service: Machine) -> None:
    service.put(
        "/etc/jobs.d/hello.json", job("hello", "echo out of the job; echo id $(id -u)", labels={"team": "sales"})
    )
    service.until("it has run", lambda: "out of the job" in service.journal("-u", "jobschedd", "-t", "hello"))
    assert "id 0" in service.journal("-t", "hello")
    service.until("its end is told", lambda: "succeeded" in service.journal("JOBSCHEDD_JOB=hello"))
    assert "hello: loaded from /etc/jobs.d/hello.json" in service.journal("-u", "jobschedd")
    told = service.run("journalctl", "-q", "-o", "json", "JOBSCHEDD_JOB=hello", "JOBSCHEDD_EVENT=run_ended").stdout
    entry = json.loads(told.splitlines()[0])
    assert entry["JOBSCHEDD_OUTCOME"] == "succeeded"
    assert entry["JOBSCHEDD_EXIT_CODE"] == "0"
    assert entry["JOBSCHEDD_LABEL_TEAM"] == "sales"
    assert entry["_SYSTEMD_UNIT"] == "jobschedd.service"
    assert entry["SYSLOG_IDENTIFIER"] == "jobschedd"
    assert int(entry["JOBSCHEDD_DURATION_USEC"]) > 0
    assert entry["JOBSCHEDD_SCHEDULED_AT"].endswith("Z")


def test_the_catalog_explains_an_entry(service: Machine) -> None:
    service.put("/etc/jobs.d/catalog.json", job("catalog", "true"))
    service.until("it has run", lambda: "succeeded" in service.journal("JOBSCHEDD_JOB=catalog"))
    explained = service.run("journalctl", "-q", "-x", "JOBSCHEDD_JOB=catalog", "JOBSCHEDD_EVENT=run_ended").stdout
    assert "A run of catalog has ended: succeeded" in explained


def test_a_changed_file_changes_the_job_and_a_deleted_one_ends_it(service: Machine) -> None:
    service.put("/etc/jobs.d/turn.json", job("turn", "echo first"))
    service.until("it runs", lambda: "first" in service.journal("-t", "turn"))
    service.put("/etc/jobs.d/turn.json", job("turn", "echo second"))
    service.until("the new version runs", lambda: "second" in service.journal("-t", "turn"))
    service.remove("/etc/jobs.d/turn.json")
    service.until("it is gone", lambda: "turn: removed" in service.journal("JOBSCHEDD_JOB=turn"))


def test_a_broken_file_keeps_the_last_good_version_and_names_the_mistake(service: Machine) -> None:
    service.put("/etc/jobs.d/fragile.json", job("fragile", "echo still here"))
    service.until("it runs", lambda: "still here" in service.journal("-t", "fragile"))
    service.put("/etc/jobs.d/fragile.json", '{\n "job_id": "fragile",\n "shedule": "* * * * *"\n}')
    service.until("the mistake is told", lambda: "shedule" in service.journal("JOBSCHEDD_EVENT=problem_found"))
    told = service.journal("JOBSCHEDD_EVENT=problem_found")
    assert '/etc/jobs.d/fragile.json: shedule: unknown key; did you mean "schedule"? (line 3, column 2)' in told
    assert "the last good version of fragile stays in force" in told
    runs = service.journal("-t", "fragile").count("still here")
    service.until("the good version goes on", lambda: service.journal("-t", "fragile").count("still here") > runs)


def test_reload_reads_everything_again_and_leaves_runs_alone(service: Machine) -> None:
    service.put("/etc/jobs.d/long.json", job("long", "echo begun; exec sleep 600"))
    service.until("it runs", lambda: "begun" in service.journal("-t", "long"))
    sleeper = service.run("sh", "-c", "grep -l ^Name:.sleep /proc/[0-9]*/status").stdout
    reloads = service.journal("JOBSCHEDD_EVENT=daemon_reloaded").count("reloaded")
    service.systemctl("reload", "jobschedd")
    service.until(
        "it has reloaded", lambda: service.journal("JOBSCHEDD_EVENT=daemon_reloaded").count("reloaded") > reloads
    )
    assert service.show("ActiveState") == "active"
    assert service.run("sh", "-c", "grep -l ^Name:.sleep /proc/[0-9]*/status").stdout == sleeper


def test_a_bad_settings_file_is_told_at_reload_and_the_old_settings_stay(service: Machine) -> None:
    service.run("mkdir", "-p", "/etc/jobschedd", check=True)
    service.put("/etc/jobschedd/jobschedd.toml", 'log_levle = "debug"\n')
    service.systemctl("reload", "jobschedd")
    service.until(
        "the mistake is told",
        lambda: 'did you mean "log_level"?' in service.journal("JOBSCHEDD_EVENT=settings_refused"),
    )
    assert service.show("ActiveState") == "active"


def test_a_bad_settings_file_at_the_start_is_exit_code_1(service: Machine) -> None:
    service.run("mkdir", "-p", "/etc/jobschedd", check=True)
    service.put("/etc/jobschedd/jobschedd.toml", "log_level = 5\n")
    done = service.run("jobschedd", "--state-dir", "/tmp/other", "--runtime-dir", "/tmp/other-run")
    assert done.returncode == 1
    assert "/etc/jobschedd/jobschedd.toml: log_level: " in done.stderr


@pytest.mark.fault("F45")
def test_a_second_instance_is_refused_and_told_the_first(service: Machine) -> None:
    done = service.run("jobschedd", "--state-dir", "/var/lib/jobschedd")
    assert done.returncode == 1
    assert f"process {service.show('MainPID')} has it" in done.stderr


def test_a_killed_daemon_is_started_again_and_its_runs_live_on(service: Machine) -> None:
    service.put("/etc/jobs.d/survivor.json", job("survivor", "echo pid $$; exec sleep 600"))
    service.until("it runs", lambda: "pid " in service.journal("-t", "survivor"))
    pid = service.journal("-t", "survivor").split("pid ")[1].split()[0]
    service.remove("/etc/jobs.d/survivor.json")
    main = service.show("MainPID")
    service.systemctl("kill", "--kill-who=main", "-s", "KILL", "jobschedd")
    service.until("a new daemon is there", lambda: service.show("MainPID") not in ("0", main))
    service.until("and is ready", lambda: service.show("ActiveState") == "active")
    assert service.run("kill", "-0", pid).returncode == 0 or service.run("sh", "-c", f"kill -0 {pid}").returncode == 0
    service.run("sh", "-c", f"kill {pid}", check=True)


@pytest.mark.fault("F04")
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_run_that_outlives_its_daemon_is_on_the_record_with_its_true_end(service: Machine, how: str) -> None:
    name = f"long-{how}"
    service.put(f"/etc/jobs.d/{name}.json", job(name, "echo began; sleep 5; exit 7"))
    service.until("it runs", lambda: "began" in service.journal("-t", name))
    service.remove(f"/etc/jobs.d/{name}.json")
    if how == "restart":
        service.systemctl("restart", "jobschedd")
    else:
        service.systemctl("kill", "--kill-who=main", "-s", "KILL", "jobschedd")

    def history() -> list[dict[str, Any]]:
        rows = service.run("jobctl", "history", name, "--json", "-n", "1000", check=True).stdout.splitlines()
        return [row for row in map(json.loads, rows) if row["started_at"]]

    service.until("its end is on the record", lambda: [row.get("exit_code") for row in history()] == [7])
    assert service.show("ActiveState") == "active"
    assert "double 0" in service.run("jobctl", "audit", check=True).stdout
    told = " ".join(service.run("jobctl", "why", name, check=True).stdout.split())
    assert "with exit code 7" in told


def test_the_watchdog_is_fed(service: Machine) -> None:
    before = service.show("WatchdogTimestampMonotonic")
    service.until("it was fed again", lambda: service.show("WatchdogTimestampMonotonic") != before)


def test_stop_is_clean_and_leaves_runs_alone(service: Machine) -> None:
    service.put("/etc/jobs.d/stays.json", job("stays", "echo pid $$; exec sleep 600"))
    service.until("it runs", lambda: "pid " in service.journal("-t", "stays"))
    pid = service.journal("-t", "stays").split("pid ")[1].split()[0]
    service.systemctl("stop", "jobschedd")
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    assert "stopping (SIGTERM)" in service.journal("JOBSCHEDD_EVENT=daemon_stopping")
    service.run("sh", "-c", f"kill -0 {pid} && kill {pid}", check=True)


def test_stop_runs_ends_them(service: Machine) -> None:
    service.run("mkdir", "-p", "/etc/jobschedd", check=True)
    service.put("/etc/jobschedd/jobschedd.toml", 'stop_runs = true\nstop_grace = "5s"\n')
    service.systemctl("restart", "jobschedd")
    service.put("/etc/jobs.d/ends.json", job("ends", "echo pid $$; exec sleep 600"))
    service.until("it runs", lambda: "pid " in service.journal("-t", "ends"))
    pid = service.journal("-t", "ends").split("pid ")[1].split()[0]
    service.systemctl("stop", "jobschedd")
    assert service.run("sh", "-c", f"kill -0 {pid}").returncode != 0
    assert "ends: stopped" in service.journal("JOBSCHEDD_JOB=ends")


def test_a_job_of_another_user_is_that_user(service: Machine) -> None:
    task = {"type": "execute_command", "command": ["id"], "user": "games"}
    service.put("/etc/jobs.d/games.json", json.dumps({"job_id": "games", "schedule": "* * * * * *", "task": task}))
    service.until("it has run", lambda: "uid=5(games) gid=60(games) groups=60(games)" in service.journal("-t", "games"))


@pytest.mark.fault("F18")
def test_the_daemon_is_spared_when_memory_runs_out_and_jobs_are_not(service: Machine) -> None:
    if service.run("sh", "-c", "echo -900 > /proc/self/oom_score_adj").returncode:
        pytest.skip("this machine lets nobody lower an OOM score")
    assert service.run("cat", f"/proc/{service.show('MainPID')}/oom_score_adj").stdout.strip() == "-900"
    service.put("/etc/jobs.d/greedy.json", job("greedy", "echo score $(cat /proc/self/oom_score_adj)"))
    service.until("it has run", lambda: "score " in service.journal("-t", "greedy"))
    assert service.journal("-t", "greedy").splitlines()[0] == "score 0"


@pytest.mark.fault("A30")
def test_a_job_cannot_forge_an_entry_of_the_daemon(service: Machine) -> None:
    command = r"printf 'MESSAGE=forged\nJOBSCHEDD_JOB=other\n<0>PRIORITY=0\nSYSLOG_IDENTIFIER=jobschedd\n'"
    service.put("/etc/jobs.d/forger.json", job("forger", command))
    service.until("it has run", lambda: "forged" in service.journal("-t", "forger"))
    assert service.journal("JOBSCHEDD_JOB=other") == ""
    lines = service.run("journalctl", "-q", "-o", "json", "-t", "forger").stdout.splitlines()
    assert {json.loads(line)["SYSLOG_IDENTIFIER"] for line in lines} == {"forger"}


@pytest.mark.fault("F33")
def test_a_stopped_journal_does_not_stop_the_scheduler(service: Machine) -> None:
    """journald takes nothing for a while; jobs that do not write still start on time."""
    service.put("/etc/jobs.d/ticker.json", job("ticker", "date +%s >> /run/ticks"))
    ticks = "wc -l < /run/ticks"
    service.until("it ticks", lambda: service.run("sh", "-c", ticks).stdout.strip() not in ("", "0"))
    journald = service.systemctl("show", "systemd-journald", "--property=MainPID", "--value")
    service.run("sh", "-c", f"kill -STOP {journald}", check=True)
    try:
        before = int(service.run("sh", "-c", ticks).stdout)
        service.until("it ticks on", lambda: int(service.run("sh", "-c", ticks).stdout) >= before + 4, 15)
    finally:
        service.run("sh", "-c", f"kill -CONT {journald}", check=True)
    service.until(
        "what was said meanwhile arrives", lambda: "ticker: succeeded" in service.journal("JOBSCHEDD_JOB=ticker")
    )
