"""The daemon is killed at any moment: no instant is started twice, and none is left unexplained."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.test_daemon import EVERY_SECOND, Process, ran

ROUNDS = 300 if os.environ.get("JOBSCHEDD_TEST_LONG") else 25

LEDGER = 'echo "$JOBSCHEDD_JOB_ID $JOBSCHEDD_SCHEDULED_AT $JOBSCHEDD_ATTEMPT" >> {}'


Begin = Callable[[], Process]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begins the next life of the daemon."""
    lives: list[Process] = []

    def begin() -> Process:
        lives.append(Process(tmp_path))
        return lives[-1]

    yield begin
    # The newest first: while it lives, the runner of all of them answers nobody else and holds their stderr.
    for life in reversed(lives):
        life.close()


def jobctl(home: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code, and the objects that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", *words, "--json", "--state-dir", home / "state"],
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def audit(home: Path) -> dict[str, Any]:
    code, said = jobctl(home, "audit")
    assert code == 0, said
    return said[-1]


def claims(home: Path) -> Counter[tuple[str, str]]:
    """Job and instant of every claim in the record."""
    record = sqlite3.connect(home / "state/record.db")
    rows = record.execute("SELECT job_id, scheduled_at FROM run").fetchall()
    record.close()
    return Counter(
        (job, datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")) for job, at in rows
    )


def put_jobs(process: Process, ledger: Path, once: int) -> None:
    command = LEDGER.format(ledger)
    process.put("plain.json", "plain", EVERY_SECOND, command=command, overlap="allow")
    process.put("slow.json", "slow", "@every 2s", command=f"{command}; sleep 0.7")
    process.put("all.json", "all", EVERY_SECOND, command=command, overlap="allow", catch_up="1h", coalesce=False)
    for number in range(once):
        moment = datetime.now(UTC) + timedelta(seconds=1 + number)
        process.put(f"once-{number}.json", f"once-{number}", f"{moment:%Y-%m-%dT%H:%M:%SZ}", command=command)


def check(home: Path, ledger: Path) -> dict[str, Any]:
    """What was really started, against what the record says."""
    lines = [line.split() for line in ledger.read_text().splitlines()]
    started = Counter((job, instant) for job, instant, _ in lines)
    assert [start for start, times in started.items() if times > 1] == [], "started twice"
    assert started.keys() <= claims(home).keys(), "started without a claim"
    return audit(home)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.fault("F01")
def test_killed_at_any_moment_nothing_runs_twice_and_everything_is_explained(tmp_path: Path, begin: Begin) -> None:
    seed = int(os.environ.get("JOBSCHEDD_TEST_SEED", "0")) or random.randrange(1_000_000)
    print("seed", seed)
    draw, ledger = random.Random(seed), tmp_path / "ledger"
    ledger.touch()
    for number in range(ROUNDS):
        process = begin()
        if number == 0:
            process.ready()
            put_jobs(process, ledger, once=ROUNDS)
        # Now and then before it is ready: recovery is killed too.
        time.sleep(draw.uniform(0.05, 1.6))
        if draw.random() < 0.15:
            for runner in children(process.pid):
                os.kill(runner, signal.SIGKILL)
            time.sleep(draw.uniform(0, 0.2))
        process.kill()
        if draw.random() < 0.15:
            process.end_runner()
    process = begin()
    process.ready()
    process.until("run_ended", ran("plain"))
    process.until("run_ended", ran("plain"))
    process.signal(signal.SIGTERM)
    assert process.process.wait(60) == 0
    found = check(tmp_path, ledger)
    print(found)
    assert found["instants"] >= 2 * ROUNDS
    assert found["unexplained"] == found["double"] == found["early"] == 0
    _, rows = jobctl(tmp_path, "history", "once-*", "-n", "1000")
    assert Counter(row["job_id"] for row in rows).most_common(1)[0][1] == 1
