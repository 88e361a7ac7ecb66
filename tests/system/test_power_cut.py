"""The power is cut at any moment: no instant is started twice, none is left unexplained, and the record is whole."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import pytest

from tests.system.virtual import VirtualMachine, why_not_virtual

pytestmark = [pytest.mark.system, pytest.mark.slow]

ROUNDS = 20 if os.environ.get("JOBSCHEDD_TEST_LONG") else 5

EVERY_SECOND = "* * * * * *"

# The ledger lies on the host, which keeps its power: it tells what was really started. A length that divides a page's:
# an entry is never two writes, so that no cut leaves half of one.
ENTRY = 64
LEDGER = f"""printf '%-{ENTRY - 1}s\\n' "$JOBSCHEDD_JOB_ID $JOBSCHEDD_SCHEDULED_AT $JOBSCHEDD_ATTEMPT" >> /opt/ledger"""

JOBS: dict[str, dict[str, Any]] = {
    "plain": {"schedule": EVERY_SECOND, "overlap": "allow"},
    "all": {"schedule": EVERY_SECOND, "overlap": "allow", "catch_up": "1h", "coalesce": False},
    "slow": {"schedule": EVERY_SECOND, "command": f"{LEDGER}; sleep 1.4"},
    "every": {"schedule": "@every 2s"},
}
ONCE_A_ROUND = 2

MOUNT = "mkdir -p /state && mount -t ext4 /dev/ubda /state || exit 1\n"
DAEMON = (
    "/opt/jobschedd/bin/python -m jobschedd --jobs-dir /opt/jobs.d --state-dir /state/jobschedd"
    " --runtime-dir /run/jobschedd --config /nonexistent.toml --log-format text"
)
BEGUN, READY = "the disk is there", "ready: "

# Beside the daemon's there is a file that is synced and one that is not: whether a cut takes what it should.
LIFE = f"""{MOUNT}
read life </proc/sys/kernel/random/boot_id
echo kept >/state/kept-$life
sync /state/kept-$life
echo taken >/state/taken-$life
echo {BEGUN}
exec {DAEMON}
"""

LAST_LIFE = f"""{MOUNT}
{DAEMON} 2>/run/log &
until grep -q '{READY}' /run/log; do kill -0 $! || break; sleep 0.1; done
sleep 3
kill $!
wait $!
echo $? >/run/stopped
cat /run/log
jobctl audit --state-dir /state/jobschedd --json >/run/audited 2>&1
echo $? >/run/audit
/opt/jobschedd/bin/python /opt/look.py
"""

LOOK = """
import json, os, sqlite3

def text(path):
    with open(path) as file:
        return file.read()

record = sqlite3.connect("file:/state/jobschedd/record.db?mode=ro", uri=True)

def rows(query):
    return record.execute(query).fetchall()

print()
print(json.dumps({
    "stopped": int(text("/run/stopped")),
    "audit": int(text("/run/audit")),
    "audited": text("/run/audited"),
    "check": rows("PRAGMA quick_check"),
    "files": sorted(os.listdir("/state/jobschedd")),
    "kept": [text(f"/state/{name}") for name in os.listdir("/state") if name.startswith("kept-")],
    "taken": [text(f"/state/{name}") for name in os.listdir("/state") if name.startswith("taken-")],
    "runs": rows("SELECT job_id, scheduled_at, attempt, outcome FROM run"),
    "owing": rows("SELECT first_at, last_at FROM owing WHERE job_id = 'all'"),
    "passed": rows("SELECT job_id, outcome, count FROM passed"),
    "seen_at": rows("SELECT value FROM fact WHERE name = 'seen_at'")[0][0],
}))
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[VirtualMachine]:
    reason = why_not_virtual()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    with VirtualMachine(disk=64 << 20) as made:
        yield made


def put_job(machine: VirtualMachine, job_id: str, *, command: str = LEDGER, **keys: Any) -> None:
    task = {"type": "execute_command", "command": command}
    text = json.dumps({"job_id": job_id, "task": task, "timezone": "UTC"} | keys)
    (machine.root / "opt/jobs.d" / f"{job_id}.json").write_text(text)


def microseconds(moment: str) -> int:
    return (datetime.fromisoformat(moment) - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


class Cut(NamedTuple):
    sign: str
    seconds: Callable[[], float]
    """After the sign."""
    stalled: float = 0
    """Seconds: for so long what the disk is told is not done any more."""


def plan(draw: random.Random) -> Iterator[Cut]:
    """How the power is cut, one round after the other."""

    def at_an_instant(earliest: float, latest: float) -> Callable[[], float]:
        # The clock of the machine is this one's, but for some milliseconds.
        return lambda: draw.randrange(1, 4) + 1 - time.time() % 1 + draw.uniform(earliest, latest)

    while True:
        yield Cut(READY, lambda: draw.uniform(1, 6))
        # What is claimed now is not durable, and must not be started.
        yield Cut(READY, at_an_instant(-0.08, -0.01), stalled=0.25)
        # About when the record is opened, and what it says is taken up.
        yield Cut(BEGUN, lambda: draw.uniform(1.5, 4))
        # What is claimed now is durable, and is not started in time.
        yield Cut(READY, at_an_instant(-0.01, 0.06))
        # While it catches up.
        yield Cut(READY, lambda: draw.uniform(0, 0.7), stalled=draw.choice((0, 0.25)))


@pytest.mark.fault("F07")
def test_the_power_is_cut_at_any_moment_and_nothing_runs_twice_and_everything_is_explained(
    machine: VirtualMachine,
) -> None:
    seed = int(os.environ.get("JOBSCHEDD_TEST_SEED", "0")) or random.randrange(1_000_000)
    print("seed", seed)
    draw = random.Random(seed)
    (machine.root / "opt/ledger").touch()
    (machine.root / "opt/jobs.d").mkdir(mode=0o755)
    (machine.root / "opt/look.py").write_text(LOOK)
    for job_id, keys in JOBS.items():
        put_job(machine, job_id, **keys)
    for number, cut in enumerate(islice(plan(draw), ROUNDS)):
        # Before it is up, while it is, or while it is off again.
        for which in range(ONCE_A_ROUND):
            moment = datetime.now(UTC) + timedelta(seconds=draw.uniform(4, 12))
            put_job(machine, f"once-{ONCE_A_ROUND * number + which}", schedule=f"{moment:%Y-%m-%dT%H:%M:%SZ}")
        said = machine.cut(LIFE, cut.sign, cut.seconds, stalled=cut.stalled)
        print(f"{said}-- round {number}: cut at :{time.time() % 60:06.3f}, the disk stalled for {cut.stalled} s --")
        assert "degraded" not in said, said
        assert "could not be used" not in said, said
    *said_last, told = machine.run(LAST_LIFE).splitlines()
    print("\n".join(said_last))
    check(json.loads(told), (machine.root / "opt/ledger").read_text())


def check(found: dict[str, Any], ledger: str) -> None:
    """What was really started, against what the record says."""
    lines = [line.split() for line in ledger.splitlines()]
    started = Counter((job, microseconds(moment), int(attempt)) for job, moment, attempt in lines)
    claimed = {(job, moment, attempt): outcome for job, moment, attempt, outcome in found["runs"]}
    print(f"{len(lines)} starts, {len(claimed)} claims: {Counter(claimed.values())}")
    print(f"passed: {Counter((outcome, count) for _, outcome, count in found['passed'])}")
    print(found["audited"])
    assert [start for start, times in started.items() if times > 1] == [], "started twice"
    assert started.keys() <= claimed.keys(), "started without a claim"
    done = {start for start, outcome in claimed.items() if outcome == "succeeded"}
    assert done <= started.keys(), "said to have succeeded, and was not started"
    assert "running" not in claimed.values(), "what a cut ended is still said to run"
    assert {job for job, _, _ in started} >= JOBS.keys()
    assert {attempt for _, _, attempt in started} == {1}

    assert found["check"] == [["ok"]]
    assert found["stopped"] == 0
    assert [name for name in found["files"] if "unusable" in name] == []
    assert found["kept"] == ["kept\n"] * ROUNDS
    assert found["taken"].count("taken\n") < ROUNDS, "a cut that takes nothing is none"

    # What is to be caught up without exception: every second has been claimed, or waits for its turn.
    had = {moment for job, moment, _ in claimed if job == "all"}
    for first, last in found["owing"]:
        had |= set(range(first, last + 1, 1_000_000))
    assert sorted(set(range(min(had), found["seen_at"] + 1, 1_000_000)) - had) == [], "not caught up"

    assert found["audit"] == 0, found["audited"]
    audited = json.loads(found["audited"].splitlines()[-1])
    assert audited["unexplained"] == audited["double"] == audited["early"] == 0
    assert audited["instants"] == audited["explained"] >= len(claimed)
