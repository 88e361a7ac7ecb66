"""The real daemon when its disk is full, its record locked, its state directory gone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import job_file
from tests.test_daemon import EVERY_SECOND, Process, as_root, ran
from tests.test_kill import Begin, audit, begin, jobctl

__all__ = ["begin"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A state directory on a disk of its own that is soon full."""
    state = tmp_path / "state"
    state.mkdir(0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", state], check=True)
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def fill(disk: Path) -> Path:
    """Leave not a byte of it free."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@as_root
@pytest.mark.slow
@pytest.mark.fault("F08")
def test_on_a_full_disk_jobs_go_on_and_all_is_written_when_there_is_room(small: Path, begin: Begin) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put(
        "a.json",
        "a",
        EVERY_SECOND,
        overlap="allow",
        catch_up="1h",
        command=f"echo $JOBSCHEDD_SCHEDULED_AT >> {small.parent}/ledger",
    )
    daemon.until("run_ended")
    ballast = fill(small)
    failing = daemon.until("record_failing")
    assert "degraded: the record cannot be written: database or disk is full" in failing["message"]
    for _ in range(3):
        daemon.until("run_ended")
    ballast.unlink()
    healed = daemon.until("record_healed")
    assert int(healed["JOBSCHEDD_COUNT"]) >= 6
    daemon.until("run_ended")
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    ledger = (small.parent / "ledger").read_text().split()
    assert len(set(ledger)) == len(ledger) >= 5
    assert audit(small.parent)["instants"] >= 5


@as_root
@pytest.mark.slow
@pytest.mark.fault("F08")
@pytest.mark.parametrize("alone", [True, False])
def test_killed_on_a_full_disk_it_runs_nothing_again_that_it_may_have_run(
    small: Path, begin: Begin, alone: bool
) -> None:
    """What its runner still knows has its true outcome; what nobody knows is said not to be known."""
    daemon = begin()
    daemon.ready()
    daemon.put(
        "a.json",
        "a",
        EVERY_SECOND,
        overlap="allow",
        catch_up="1h",
        coalesce=False,
        command=f"echo $JOBSCHEDD_SCHEDULED_AT >> {small.parent}/ledger",
    )
    daemon.until("run_ended")
    ballast = fill(small)
    daemon.until("record_failing")
    for _ in range(3):
        daemon.until("run_ended")
    daemon.kill()
    if not alone:
        daemon.end_runner()
    again = begin()
    again.ready()
    ballast.unlink()
    roomy = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    again.until("run_ended", lambda entry: entry["JOBSCHEDD_SCHEDULED_AT"] > roomy)
    again.signal(15)
    assert again.process.wait(30) == 0
    ledger = (small.parent / "ledger").read_text().split()
    assert len(set(ledger)) == len(ledger) >= 5
    assert audit(small.parent)["double"] == 0
    _, rows = jobctl(small.parent, "history", "a", "-n", "1000")
    if alone:
        assert {row["scheduled_at"] for row in rows if row["outcome"] == "succeeded"} == set(ledger)
    else:
        assert any(row["outcome"] == "missed" and row["reason"].startswith("not known: ") for row in rows)


@pytest.mark.slow
@pytest.mark.fault("F13")
def test_a_record_that_somebody_has_locked_holds_up_nothing(tmp_path: Path, begin: Begin) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND, overlap="allow")
    daemon.until("run_ended")
    other = sqlite3.connect(tmp_path / "state/record.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    daemon.until("record_failing")
    late = [int(daemon.until("run_started")["JOBSCHEDD_LATENESS_USEC"]) for _ in range(3)]
    assert max(late) < 500_000
    other.execute("ROLLBACK")
    other.close()
    daemon.until("record_healed")
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    assert audit(tmp_path)["instants"] >= 4


@pytest.mark.slow
@pytest.mark.fault("F14")
def test_a_state_directory_that_is_deleted_is_made_again(tmp_path: Path, begin: Begin) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND, overlap="allow")
    daemon.until("run_ended")
    daemon.put("long.json", "long", EVERY_SECOND, command="sleep 5", overlap="skip")
    begun = daemon.until("run_started", ran("long"))
    shutil.rmtree(tmp_path / "state")
    assert "may run again" not in daemon.until("record_failing")["message"]
    said = daemon.until("record_set_aside")
    assert (said["JOBSCHEDD_FILE"], "kept as" in said["message"]) == ("", False)
    daemon.until("record_healed")
    assert daemon.until("run_ended", ran("long"))["JOBSCHEDD_RUN"] == begun["JOBSCHEDD_RUN"]
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    second = begin()
    assert second.process.wait(30) == 1  # the lock is held again
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    audit(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state/record.db")) as record:
        (row,) = record.execute("SELECT pid, started_at, outcome FROM run WHERE run_id = ?", (begun["JOBSCHEDD_RUN"],))
    assert row[0] == int(begun["JOBSCHEDD_PID"])
    assert row[1] is not None
    assert row[2] == "succeeded"


@pytest.mark.slow
@pytest.mark.fault("F12")
@pytest.mark.parametrize("lost", [lambda f: os.truncate(f, 0), lambda f: f.unlink()])
def test_a_record_that_is_emptied_or_deleted_between_two_lives_starts_no_boot_twice(
    tmp_path: Path, begin: Begin, lost: Callable[[Path], None]
) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_ended", ran("a"))
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    lost(tmp_path / "state/record.db")
    (tmp_path / "jobs.d/boot.json").write_bytes(job_file("boot", "@reboot"))
    again: Process = begin()
    assert "emptied or deleted" in again.until("record_set_aside")["message"]
    again.until("run_ended", ran("a"))
    again.signal(15)
    assert again.process.wait(30) == 0
    audit(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state/record.db")) as record:
        assert record.execute("SELECT count(*) FROM run WHERE job_id = 'boot'").fetchone() == (0,)


@pytest.mark.slow
@pytest.mark.fault("F12")
@pytest.mark.parametrize("spoil", [lambda f: f.write_bytes(b"x" * 9_000), lambda f: os.truncate(f, 5_000)])
def test_a_record_that_is_spoilt_between_two_lives_is_set_aside(
    tmp_path: Path, begin: Begin, spoil: Callable[[Path], None]
) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_ended")
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    spoil(tmp_path / "state/record.db")
    again: Process = begin()
    aside = again.until("record_set_aside")["JOBSCHEDD_FILE"]
    assert Path(aside).exists()
    again.until("run_ended", ran("a"))
    again.signal(15)
    assert again.process.wait(30) == 0
    audit(tmp_path)


@pytest.mark.slow
@pytest.mark.fault("F09")
def test_a_log_that_cannot_be_written_stops_no_job(tmp_path: Path) -> None:
    (tmp_path / "jobs.d").mkdir(0o755)
    command = f"echo a line nobody will read; echo x >> {tmp_path}/ledger"
    (tmp_path / "jobs.d/a.json").write_bytes(job_file("a", EVERY_SECOND, command=command))
    with open("/dev/full", "w") as full:
        daemon = subprocess.Popen(
            [
                sys.executable, "-m", "jobschedd", "--jobs-dir", tmp_path / "jobs.d", "--state-dir", tmp_path / "state",
                "--runtime-dir", tmp_path / "run", "--config", tmp_path / "none", "--log-format", "text",
            ],
            stderr=full, cwd=Path(__file__).parents[1],
        )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (tmp_path / "ledger").exists() or len((tmp_path / "ledger").read_text().split()) < 3:
        assert daemon.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    daemon.terminate()
    assert daemon.wait(30) == 0
    assert audit(tmp_path)["explained"] >= 3


def test_two_instances_do_not_share_a_runtime_directory(tmp_path: Path, begin: Begin) -> None:
    daemon = begin()
    daemon.ready()
    done = subprocess.run(
        [
            sys.executable, "-m", "jobschedd", "--jobs-dir", tmp_path / "jobs.d", "--state-dir", tmp_path / "other",
            "--runtime-dir", tmp_path / "run", "--config", tmp_path / "none",
        ],
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 1
    assert f"process {daemon.pid} has it; stop that instance first, or give another --runtime-dir" in done.stderr


@as_root
@pytest.mark.slow
def test_what_cannot_be_written_before_the_end_is_said(small: Path, begin: Begin) -> None:
    daemon = begin()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_ended")
    fill(small)
    daemon.until("record_failing")
    daemon.until("run_ended")
    daemon.signal(15)
    assert daemon.process.wait(30) == 0
    assert int(daemon.until("record_unwritten")["JOBSCHEDD_COUNT"]) > 0


@as_root
@pytest.mark.slow
@pytest.mark.fault("F10")
def test_a_disk_that_becomes_read_only_stops_no_job_and_makes_none_run_twice(tmp_path: Path, begin: Begin) -> None:
    """As the kernel does it when it finds a disk spoilt: errors=remount-ro."""
    image, state, ledger = tmp_path / "image", tmp_path / "state", tmp_path / "ledger"
    state.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount = ["mount", "-o", "loop,errors=remount-ro", image, state]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no loop devices here")
    try:
        state.chmod(0o700)
        daemon = begin()
        daemon.ready()
        command = f"echo $JOBSCHEDD_SCHEDULED_AT >> {ledger}"
        daemon.put("a.json", "a", EVERY_SECOND, overlap="allow", catch_up="1h", coalesce=False, command=command)
        daemon.until("run_ended")
        device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", state], check=True, capture_output=True, text=True)
        Path(f"/sys/fs/ext4/{Path(device.stdout.strip()).name}/trigger_fs_error").write_text("1")
        assert "cannot be noted either" in daemon.until("record_failing")["message"]
        for _ in range(3):
            daemon.until("run_ended")
        daemon.kill()
        unwritten = begin()
        unwritten.until("record_failing")
        for _ in range(3):
            unwritten.until("run_ended", ran("a"))
        second = begin()
        assert second.process.wait(30) == 1  # the lock is held all the same
        unwritten.kill()
        subprocess.run(["umount", state], check=True)
        subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
        subprocess.run(mount, check=True)
        again = begin()
        again.until("run_ended", ran("a"))
        again.signal(15)
        assert again.process.wait(30) == 0
        started = ledger.read_text().split()
        assert len(set(started)) == len(started) >= 4
        assert audit(tmp_path)["unexplained"] == 0
    finally:
        subprocess.run(["umount", "-l", state], check=True)
