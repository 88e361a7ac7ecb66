"""A real daemon on a real kernel whose clock is really set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.virtual import VirtualMachine, why_not_virtual

pytestmark = [pytest.mark.system, pytest.mark.slow]

# What a test does to the clock, in seconds of the machine's own monotonic clock. `until` waits for an entry of the log.
DRIVER = """
import contextlib, json, os, signal, subprocess, time

def set_clock(text):  # by how many seconds, is its answer
    before, since = time.time(), time.monotonic()
    subprocess.run(["date", "-u", "-s", text], check=True, stdout=subprocess.DEVNULL)
    return time.time() - before - (time.monotonic() - since)

class Daemon:
    def __init__(self):
        os.makedirs("/etc/jobs.d", exist_ok=True)
        self.said, self.half = [], ""
        self.process = subprocess.Popen(["jobschedd", "--log-format", "json"], stderr=subprocess.PIPE, text=True)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.until("daemon_ready")

    def put(self, job_id, schedule, **keys):
        task = {"type": "execute_command", "command": ["/bin/true"]}
        with open(f"/etc/jobs.d/.{job_id}", "w") as file:
            json.dump({"job_id": job_id, "schedule": schedule, "task": task, "timezone": "UTC"} | keys, file)
        os.rename(f"/etc/jobs.d/.{job_id}", f"/etc/jobs.d/{job_id}.json")
        self.until("job_loaded", job_id)

    def read(self):
        for line in iter(self.process.stderr.readline, ""):
            self.half += line  # it may not be whole yet, or never be, of a daemon that was killed
            if not line.endswith("\\n"):
                continue
            entry, self.half = json.loads(self.half), ""
            entry["at"] = time.monotonic()
            self.said.append(entry)

    def until(self, event, job=None, since=0, patience=50):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.read()
            for entry in self.said[since:]:
                if entry["event"] == event and job in (None, entry.get("JOBSCHEDD_JOB")):
                    return entry
            time.sleep(0.01)
        raise SystemExit(f"no {event} of {job} in {self.said[since:]}")

    def pass_time(self, seconds):
        time.sleep(seconds)
        self.read()

    def kill(self):  # and its runner, so that nobody is left who knows what has run
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[1] == str(self.process.pid):
                    os.kill(int(pid), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.read()
        audit = subprocess.run(["jobctl", "audit", "--json"], capture_output=True, text=True)
        if audit.returncode:
            raise SystemExit(f"{audit.stdout}{audit.stderr}")
        return self.said
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[VirtualMachine]:
    reason = why_not_virtual()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    with VirtualMachine() as made:
        yield made


def play(machine: VirtualMachine, scene: str) -> Any:
    """Run a scene in the machine; what it told last."""
    (machine.root / "opt/scene.py").write_text(DRIVER + scene)
    told = machine.run("rm -rf /etc/jobs.d /var/lib/jobschedd; python3 /opt/scene.py", patience=180)
    return json.loads(told.splitlines()[-1])


def started(said: list[dict[str, Any]], job: str) -> list[str]:
    return [
        entry["JOBSCHEDD_SCHEDULED_AT"]
        for entry in said
        if entry["event"] == "run_started" and entry["JOBSCHEDD_JOB"] == job
    ]


def of(said: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [entry for entry in said if entry["event"] == event]


@pytest.mark.fault("F32")
def test_a_step_is_noticed_at_once_though_nothing_is_due(machine: VirtualMachine) -> None:
    noticed = play(machine, """
set_clock("2026-11-23 10:00:00")
daemon = Daemon()
daemon.put("noon", "0 12 * * *")
noticed = []
for moment in ("10:30:00", "10:10:00", "11:50:00"):
    since, before = len(daemon.said), time.monotonic()
    set_clock(f"2026-11-23 {moment}")
    noticed.append(daemon.until("clock_stepped", since=since, patience=100)["at"] - before)
daemon.stop()
print(json.dumps(noticed))
""")  # fmt: skip
    assert max(noticed) < 2  # nothing else would have woken it for a minute


@pytest.mark.fault("F29")
def test_what_a_step_forward_brings_near_is_on_time_and_what_it_skips_is_owed(machine: VirtualMachine) -> None:
    stepped, said = play(machine, """
set_clock("2026-11-23 10:30:00")
daemon = Daemon()
daemon.put("noon", "0 12 * * *")
daemon.put("eleven", "0 11 * * *")
daemon.put("half", "31 10-11 * * *")
since = len(daemon.said)
step = set_clock("2026-11-23 11:59:57")
daemon.until("run_started", "noon", since=since)
print(json.dumps([step, daemon.stop()]))
""")  # fmt: skip
    assert started(said, "noon") == ["2026-11-23T12:00:00Z"]
    (noon,) = [entry for entry in of(said, "run_started") if entry["JOBSCHEDD_JOB"] == "noon"]
    assert noon["JOBSCHEDD_CAUSE"] == "schedule"
    assert int(noon["JOBSCHEDD_LATENESS_USEC"]) < 2_000_000
    # An hour of grace for a daily job; a tenth of the time to the next for the other, and that is over.
    assert started(said, "eleven") == ["2026-11-23T11:00:00Z"]
    missed = [
        (entry["JOBSCHEDD_JOB"], entry["JOBSCHEDD_OUTCOME"], entry["JOBSCHEDD_REASON"])
        for entry in of(said, "instant_passed")
    ]
    assert ("half", "missed", "clock_step") in missed
    (step,) = of(said, "clock_stepped")
    assert int(step["JOBSCHEDD_STEP_USEC"]) / 1_000_000 == pytest.approx(stepped, abs=1)


@pytest.mark.fault("F28")
def test_an_hour_back_repeats_nothing_and_waits_for_nothing(machine: VirtualMachine) -> None:
    said = play(machine, """
set_clock("2026-11-23 10:40:00")
daemon = Daemon()
daemon.put("tick", "* * * * * *", overlap="allow")
daemon.put("eleven", "0 11 * * *")
daemon.put("ten", "30 10 * * *")
set_clock("2026-11-23 10:59:58")
daemon.until("run_started", "eleven")
daemon.pass_time(3)
since = len(daemon.said)
set_clock("2026-11-23 10:00:00")
daemon.until("run_started", "tick", since=since, patience=5)
daemon.pass_time(2)
set_clock("2026-11-23 10:29:59")
daemon.until("run_started", "ten")
set_clock("2026-11-23 10:59:57")
daemon.pass_time(6)
print(json.dumps(daemon.stop()))
""")  # fmt: skip
    assert started(said, "eleven") == ["2026-11-23T11:00:00Z"]
    assert started(said, "ten") == ["2026-11-23T10:30:00Z"]  # it was not there at its first 10:30
    ticks = started(said, "tick")
    assert len(set(ticks)) == len(ticks) > 8
    assert len(of(said, "clock_stepped")) == 4


@pytest.mark.fault("F29")
def test_a_clock_of_another_century_is_put_right_and_jobs_go_on(machine: VirtualMachine) -> None:
    said = play(machine, """
set_clock("2098-05-05 05:05:05")
daemon = Daemon()
daemon.put("tick", "* * * * * *", overlap="allow")
daemon.put("noon", "0 12 * * *")
daemon.until("run_started", "tick")
since = len(daemon.said)
set_clock("2026-11-23 11:59:58")
daemon.until("run_started", "noon", since=since, patience=10)
daemon.pass_time(2)
since = len(daemon.said)
set_clock("2036-11-23 12:10:00")
daemon.until("run_started", "noon", since=since, patience=10)
daemon.pass_time(1)
set_clock("2026-11-23 12:00:10")
daemon.pass_time(3)
print(json.dumps(daemon.stop()))
""")  # fmt: skip
    ticks = started(said, "tick")
    assert len(set(ticks)) == len(ticks)
    assert {tick[:4] for tick in ticks} == {"2098", "2026", "2036"}
    assert ticks[-1][:16] == "2026-11-23T12:00"
    # Ten years brought one run of each, however many days they were.
    assert started(said, "noon") == ["2026-11-23T12:00:00Z", "2036-11-23T12:00:00Z"]
    skipped = [entry for entry in of(said, "instant_passed") if entry["JOBSCHEDD_OUTCOME"] == "missed"]
    assert {entry["JOBSCHEDD_JOB"] for entry in skipped} == {"tick", "noon"}
    assert all("JOBSCHEDD_COUNT" not in entry for entry in skipped)  # too many to be counted


@pytest.mark.fault("F08")
@pytest.mark.fault("F29")
def test_what_a_clock_30_hours_ahead_had_started_on_a_full_disk_never_starts_again(machine: VirtualMachine) -> None:
    first, second = play(machine, """
subprocess.run(["mount", "-m", "-t", "tmpfs", "-o", "size=2M,mode=700", "state", "/var/lib/jobschedd"], check=True)
set_clock("2026-11-23 10:00:00")
daemon = Daemon()
daemon.put("tick", "* * * * * *", overlap="allow")
daemon.until("run_started", "tick")
with open("/var/lib/jobschedd/filler", "wb", buffering=0) as filler:
    size = 1 << 16
    while size:
        try:
            filler.write(bytes(size))
        except OSError:
            size >>= 1
daemon.until("record_failing")
set_clock("2026-11-24 16:00:00")
daemon.pass_time(4)
set_clock("2026-11-23 10:00:30")
daemon.pass_time(2)
daemon.kill()
os.unlink("/var/lib/jobschedd/filler")
again = Daemon()
again.until("run_started", "tick")
set_clock("2026-11-24 15:59:58")
again.pass_time(12)
told = json.dumps([daemon.said, again.stop()])
subprocess.run(["umount", "/var/lib/jobschedd"], check=True)
print(told)
""")  # fmt: skip
    ticks = started(first, "tick") + started(second, "tick")
    assert len(set(ticks)) == len(ticks)
    ahead = [tick for tick in started(first, "tick") if tick.startswith("2026-11-24T16:00")]
    assert len(ahead) >= 3
    assert started(second, "tick")[0].startswith("2026-11-23T10:00")  # nobody is silenced until then
    assert started(second, "tick")[-1] > ahead[-1]
    told = [entry["JOBSCHEDD_REASON"] for entry in of(second, "instant_passed")]
    assert any(reason.startswith("not known: starts could not be written down 16:00:0") for reason in told)


def test_reboot_jobs_run_once_a_boot(machine: VirtualMachine) -> None:
    scene = (
        DRIVER
        + """
counts = []
for _ in range(2):
    daemon = Daemon()
    daemon.put("late", "@every 1s")
    daemon.until("run_started", "late")
    counts.append(sum(e["event"] == "run_started" and e["JOBSCHEDD_JOB"] == "boot" for e in daemon.stop()))
print(json.dumps(counts))
"""
    )
    task = {"type": "execute_command", "command": "true"}
    (machine.root / "opt/scene.py").write_text(scene)
    (machine.root / "opt/boot.json").write_text(json.dumps({"job_id": "boot", "schedule": "@reboot", "task": task}))
    first = "rm -rf /etc/jobs.d /var/lib/jobschedd; mkdir /etc/jobs.d; cp /opt/boot.json /etc/jobs.d; "
    again = "rm -f /etc/jobs.d/late.json; "
    counts = [json.loads(machine.run(f"{begin}python3 /opt/scene.py").splitlines()[-1]) for begin in (first, again)]
    assert counts == [[1, 0], [1, 0]]
