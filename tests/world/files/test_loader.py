"""Files are levels, events are hints: what people and programs do to a job directory, on a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from jobschedd.model.event import WARNING, DirectoryChanged, Remark
from jobschedd.model.job import Definition
from jobschedd.model.message import JobsChanged
from jobschedd.model.run import SECOND
from tests.conftest import job_file
from tests.world.files.conftest import Files, age, parse_plainly

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, or give files away")


def test_what_is_there_at_the_start_is_loaded(directory: Path) -> None:
    for name in ("a.json", "b.json"):
        (directory / name).write_bytes(job_file(name[0], description="there"))
    files = Files(directory)
    files.start()
    assert files.jobs == {"a.json": "there", "b.json": "there"}
    files.close()


def test_very_many_files_come_in_several_messages(directory: Path) -> None:
    for number in range(2_500):
        (directory / f"{number}.json").touch()
    files = Files(directory)
    loaded = threading.Event()
    files.loader.start()
    files.loader.rescan(force=True, done=loaded.set)
    assert loaded.wait(10)
    messages = [files.inbox.get_nowait() for _ in range(3)]
    assert [len(message.changes) for message in messages if isinstance(message, JobsChanged)] == [1000, 1000, 500]
    assert files.inbox.empty()
    files.close()


def test_an_atomic_rename_in_from_elsewhere_is_loaded(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="moved in"))
    outside.rename(files.directory / "a.json")
    files.until({"a.json": "moved in"})
    assert files.settled() == {"a.json": "moved in"}
    assert files.loads == ["a.json"]


def test_a_write_in_place_is_loaded_once_at_its_close(files: Files) -> None:
    data = job_file("a", description="written")
    with (files.directory / "a.json").open("wb", buffering=0) as file:
        for byte in data:
            file.write(bytes([byte]))
        assert files.settled() == {}
    files.until({"a.json": "written"})
    files.settled()
    assert files.loads == ["a.json"]


def test_an_overwrite_in_place_keeps_the_old_version_until_its_close(files: Files) -> None:
    files.put("a.json", "old")
    files.until({"a.json": "old"})
    with (files.directory / "a.json").open("wb", buffering=0) as file:  # now it is empty, and no mask
        file.write(b'{"job_id"')
        assert files.settled() == {"a.json": "old"}
        file.seek(0)
        file.write(job_file("a", description="new"))
    files.until({"a.json": "new"})
    assert files.problems == {}


def test_a_rename_within_the_directory_moves_the_job(files: Files) -> None:
    path = files.put("a.json", "x", job_id="x")
    files.until({"a.json": "x"})
    path.rename(files.directory / "b.json")
    files.until({"b.json": "x"})


def test_a_rename_out_takes_the_job_away(files: Files, tmp_path: Path) -> None:
    path = files.put("a.json", "x")
    files.until({"a.json": "x"})
    path.rename(tmp_path / "elsewhere.json")
    files.until({})


def test_a_rename_to_a_name_that_does_not_count_takes_the_job_away(files: Files) -> None:
    path = files.put("a.json", "x")
    files.until({"a.json": "x"})
    path.rename(files.directory / "a.json.off")
    files.until({})


def test_a_deleted_file_takes_the_job_away(files: Files) -> None:
    path = files.put("a.json", "x")
    files.until({"a.json": "x"})
    path.unlink()
    files.until({})


@pytest.mark.fault("A04")
def test_a_hard_link_is_loaded(files: Files, tmp_path: Path) -> None:
    """Another name of a trusted file in a trusted directory: no reason not to run it (CVE-2007-1856)."""
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="linked"))
    os.link(outside, files.directory / "a.json")
    assert files.settled() == {"a.json": "linked"}
    remark = files.events.get(timeout=10)
    assert isinstance(remark, Remark)
    assert remark.priority == WARNING
    outside.write_bytes(job_file("a", description="changed under its other name"))
    age(outside)
    files.rescan()
    assert files.jobs == {"a.json": "changed under its other name"}


@pytest.mark.fault("A03")
def test_a_symbolic_link_to_a_trusted_file_is_followed(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="linked"))
    (files.directory / "a.json").symlink_to(outside)
    assert files.settled() == {"a.json": "linked"}


@pytest.mark.fault("A03")
def test_a_link_to_nowhere_is_a_problem_until_it_leads_somewhere(files: Files, tmp_path: Path) -> None:
    (files.directory / "a.json").symlink_to(tmp_path / "a.json")
    files.until(problem="a.json")
    assert "cannot follow the link" in files.problems["a.json"]
    (tmp_path / "a.json").write_bytes(job_file("a", description="there"))
    age(tmp_path / "a.json")
    files.rescan()
    assert files.jobs == {"a.json": "there"}


def test_a_change_behind_a_link_is_seen_by_the_next_rescan(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="old"))
    (files.directory / "a.json").symlink_to(outside)
    files.until({"a.json": "old"})
    outside.write_bytes(job_file("a", description="new"))
    age(outside)
    files.rescan()
    assert files.jobs == {"a.json": "new"}


@pytest.mark.fault("F22")
def test_the_swap_of_a_data_link_changes_all_files_at_once(files: Files) -> None:
    """How container platforms change a mounted directory: files link to ..data/…, and ..data is swapped."""

    def publish(version: str) -> None:
        made = files.directory / f"..{version}"
        made.mkdir()
        for name in ("a", "b"):
            (made / f"{name}.json").write_bytes(job_file(name, description=version))
            age(made / f"{name}.json")
        beside = files.directory / "..data_tmp"
        beside.symlink_to(f"..{version}")
        beside.rename(files.directory / "..data")

    publish("v1")
    for name in ("a.json", "b.json"):
        (files.directory / name).symlink_to(f"..data/{name}")
    files.until({"a.json": "v1", "b.json": "v1"})
    publish("v2")
    files.until({"a.json": "v2", "b.json": "v2"})


@pytest.mark.fault("F22")
def test_a_directory_that_is_a_link_may_be_swapped(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        age(tmp_path / version)
        (tmp_path / version / "a.json").write_bytes(job_file("a", description=version))
        age(tmp_path / version / "a.json")
    (tmp_path / "jobs.d").symlink_to("v1")
    files = Files(tmp_path / "jobs.d")
    files.start()
    assert files.jobs == {"a.json": "v1"}
    (tmp_path / "new").symlink_to("v2")
    (tmp_path / "new").rename(tmp_path / "jobs.d")
    files.until({"a.json": "v2"})
    files.put("b.json", "in the new one")
    files.until({"a.json": "v2", "b.json": "in the new one"})
    (tmp_path / "v2").rename(tmp_path / "away")
    assert "does not exist" in files.told().text
    files.close()


@pytest.mark.fault("F22")
def test_a_swap_between_check_and_read_never_brings_the_wrong_content(directory: Path, tmp_path: Path) -> None:
    """A trusted and an untrusted file change places as fast as they can; only the trusted one is ever believed."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(job_file("a", description="good"))
    bad.write_bytes(job_file("a", description="bad"))
    bad.chmod(0o666)
    target = directory / "a.json"
    os.link(good, target)
    files = Files(directory)
    files.start()
    for turn in range(1, 10_001):
        beside = directory / ".swap"
        os.link(bad if turn % 2 else good, beside)
        os.rename(beside, target)
        if turn % 100 == 0:
            files.take_all()
            assert set(files.jobs.values()) <= {"good"}
    files.rescan()
    assert set(files.jobs.values()) <= {"good"}
    files.close()


def test_a_mode_that_lets_others_write_is_a_problem_and_the_last_good_version_stays(files: Files) -> None:
    path = age(files.put("a.json", "x"))
    files.until({"a.json": "x"})
    files.settled()
    path.chmod(0o666)
    files.until(problem="a.json")
    assert "can be written by others (mode 0666); chmod go-w" in files.problems["a.json"]
    assert files.jobs == {"a.json": "x"}
    path.chmod(0o644)
    while files.problems:
        files.take(files.inbox.get(timeout=10))
    assert files.jobs == {"a.json": "x"}


@pytest.mark.fault("F23")
def test_an_editor_s_temporary_files_are_not_looked_at(files: Files) -> None:
    for name in (".a.json.swp", "a.json~", "4913", ".#a.json", "a.json.tmp", "#a.json#"):
        (files.directory / name).write_bytes(job_file("a"))
    assert files.settled() == {}
    assert files.loads == []


@pytest.mark.fault("F23")
def test_a_slow_write_is_not_taken_for_finished_by_rescans(files: Files) -> None:
    """A byte every 10 ms, for longer than a file has to rest before it is believed without a close."""
    files.put("old.json", "old")
    files.until({"old.json": "old"})
    parts = {name: job_file(name, description="new", labels={"x": "y" * 40}) for name in ("old", "new")}
    with (
        (files.directory / "old.json").open("wb", buffering=0) as old,
        (files.directory / "new.json").open("wb", buffering=0) as new,
    ):
        for byte in zip(parts["old"], parts["new"], strict=True):
            old.write(bytes(byte[:1]))
            new.write(bytes(byte[1:]))
            time.sleep(0.01)  # the writer's pace is what is tried
            files.rescan()
            assert (files.jobs, files.problems) == ({"old.json": "old"}, {})
    files.until({"old.json": "new", "new.json": "new"})
    assert files.loads == ["old.json", "new.json", "old.json"]


@pytest.mark.fault("F23")
def test_a_file_written_behind_a_link_is_read_by_a_rescan_when_it_has_rested(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="old"))
    (files.directory / "a.json").symlink_to(outside)
    files.until({"a.json": "old"})
    outside.write_bytes(b'{"job_id": "a", ')
    files.rescan()
    assert (files.jobs, files.problems) == ({"a.json": "old"}, {})
    outside.write_bytes(job_file("a", description="new"))
    files.until({"a.json": "new"})
    assert files.problems == {}


def test_a_time_to_come_does_not_hold_a_file_up(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="old"))
    (files.directory / "a.json").symlink_to(outside)
    files.until({"a.json": "old"})
    outside.write_bytes(job_file("a", description="new"))
    os.utime(outside, (4e9, 4e9))
    files.rescan()
    assert files.jobs == {"a.json": "new"}


@pytest.mark.fault("A07")
def test_names_that_cannot_be_shown_are_not_looked_at(files: Files) -> None:
    for name in (b"a\n.json", b"a\x1b[2J.json", b"a\xff.json", b"..json"):
        (files.directory / os.fsdecode(name)).write_bytes(job_file("a"))
    longest = "x" * 250 + ".json"
    files.put("-rf.json", "x", job_id="rf")
    (files.directory / longest).write_bytes(job_file("longest", description="x"))
    files.until({"-rf.json": "x", longest: "x"})
    files.rescan(force=True)
    assert set(files.loads) == {"-rf.json", longest}


def test_a_file_that_is_linked_in_from_nowhere_is_found(files: Files) -> None:
    """O_TMPFILE and linkat(2): a create without a close."""
    unnamed = os.open(files.directory, os.O_TMPFILE | os.O_WRONLY, 0o644)
    os.write(unnamed, job_file("a", description="linked"))
    os.link(f"/proc/self/fd/{unnamed}", files.directory / "a.json", src_dir_fd=unnamed, follow_symlinks=True)
    os.close(unnamed)
    files.until({"a.json": "linked"})


def test_a_touch_changes_nothing(files: Files) -> None:
    path = files.put("a.json", "x")
    files.until({"a.json": "x"})
    path.open("ab").close()
    files.settled()
    assert files.loads == ["a.json"]


def test_a_mode_that_changes_soon_after_a_write_is_seen_at_once(files: Files) -> None:
    path = files.put("a.json", "x")
    files.until({"a.json": "x"})
    path.chmod(0o666)
    files.settled()
    assert "a.json" in files.problems


@pytest.mark.fault("A06")
def test_a_change_that_forges_its_times_is_seen(files: Files) -> None:
    """Same size, same mtime: the change time and the content's digest tell (CVE-2010-0424)."""
    path = files.put("a.json", "one")
    files.until({"a.json": "one"})
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    files.until({"a.json": "two"})


def test_a_masked_name_is_no_job(files: Files, tmp_path: Path) -> None:
    files.put("a.json", "x")
    files.until({"a.json": "x"})
    (files.directory / ".empty").touch()
    (files.directory / ".empty").rename(files.directory / "a.json")
    files.until({})


def test_layers_the_higher_file_wins_a_mask_hides_and_the_lower_comes_back(tmp_path: Path) -> None:
    high, low = tmp_path / "high", tmp_path / "low"
    for path, text in ((high, "high"), (low, "low")):
        path.mkdir()
        (path / "a.json").write_bytes(job_file("a", description=text))
    files = Files(high, low)
    files.start()
    assert files.jobs == {"a.json": "high"}
    (high / "a.json").unlink()
    files.until({"a.json": "low"})
    (high / "a.json").symlink_to("/dev/null")
    files.until({})
    (high / "a.json").unlink()
    files.until({"a.json": "low"})
    (low / "b.json").write_bytes(job_file("b", description="low"))
    files.until({"a.json": "low", "b.json": "low"})
    files.put("b.json", "high")
    files.until({"a.json": "low", "b.json": "high"})
    loads = len(files.loads)
    (low / "b.json").unlink()
    assert files.settled() == {"a.json": "low", "b.json": "high"}
    assert len(files.loads) == loads
    files.close()


# -- the directory itself ------------------------------------------------------------------------------------------


def test_a_directory_that_does_not_exist_is_made(tmp_path: Path) -> None:
    files = Files(tmp_path / "deep" / "jobs.d")
    files.start()
    assert (tmp_path / "deep" / "jobs.d").stat().st_mode & 0o777 == 0o755
    files.put("a.json", "x")
    files.until({"a.json": "x"})
    files.close()


def test_a_directory_that_was_taken_away_is_not_made_again(files: Files) -> None:
    files.directory.rmdir()
    assert "does not exist" in files.told().text
    files.rescan(force=True)
    assert not files.directory.exists()


@as_root
def test_a_directory_that_cannot_be_made_is_waited_for(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", tmp_path], check=True)
    try:
        files = Files(tmp_path / "jobs.d")
        files.start()
        assert "does not exist; waiting for it" in files.told().text
        subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
        (tmp_path / "jobs.d").mkdir(0o755)
        assert files.told().good
        files.put("a.json", "x")
        files.until({"a.json": "x"})
        files.close()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.fault("F21")
def test_a_directory_moved_away_keeps_its_jobs_and_a_new_one_is_believed(files: Files) -> None:
    age(files.put("a.json", "old"))
    age(files.put("b.json", "old"))
    files.until({"a.json": "old", "b.json": "old"})
    files.directory.rename(files.directory.with_name("away"))
    assert "does not exist" in files.told().text
    files.rescan()
    assert files.jobs == {"a.json": "old", "b.json": "old"}
    files.directory.mkdir(0o755)
    assert "is empty; the 2 files of the old one stay" in files.told().text
    files.rescan()
    assert files.jobs == {"a.json": "old", "b.json": "old"}
    files.put("a.json", "new")
    files.until({"a.json": "new"})
    (files.directory.with_name("away") / "a.json").unlink()
    assert files.settled() == {"a.json": "new"}


@pytest.mark.fault("F21")
def test_a_directory_removed_and_made_again_is_watched_again(files: Files) -> None:
    files.put("a.json", "old")
    files.until({"a.json": "old"})
    for path in files.directory.iterdir():
        path.unlink()
    files.directory.rmdir()
    files.told()
    files.directory.mkdir(0o755)
    files.put("b.json", "new")
    files.until({"b.json": "new"})


@pytest.mark.fault("F21")
def test_a_reload_accepts_an_empty_directory(files: Files) -> None:
    files.put("a.json", "old")
    files.until({"a.json": "old"})
    files.directory.rename(files.directory.with_name("away"))
    files.told()
    files.directory.mkdir(0o755)
    files.told()
    files.rescan(force=False)
    assert files.jobs == {"a.json": "old"}
    files.rescan(force=True)
    assert files.jobs == {}


@as_root
@pytest.mark.fault("F21")
def test_a_mount_over_the_directory_is_seen_and_its_unmount_deletes_nothing(files: Files) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", files.directory], check=True)
    try:
        age(files.put("mounted.json", "mounted"))
        files.until({"mounted.json": "mounted"})
    finally:
        subprocess.run(["umount", "-l", files.directory], check=True)
    assert "is empty; the 1 files of the old one stay" in files.told().text
    files.rescan()
    assert files.jobs == {"mounted.json": "mounted"}
    files.put("a.json", "below")
    files.until({"a.json": "below"})


# -- hints that are lost, or never come ----------------------------------------------------------------------------


def test_ten_thousand_files_at_once_are_all_loaded(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(10_000):
        (outside / f"{number}.json").write_bytes(job_file(f"j{number}", description="x"))
    for number in range(10_000):
        os.rename(outside / f"{number}.json", files.directory / f"{number}.json")
    files.until({f"{number}.json": "x" for number in range(10_000)})


@pytest.mark.fault("F20")
def test_an_overflow_of_the_kernel_s_queue_is_a_rescan(files: Files) -> None:
    """The reading thread is held up while more happens than the queue holds."""
    watcher = files.loader._watcher
    assert watcher is not None
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    held = watcher._inotify._lock
    with held:
        for number in range(limit // 2 + 500):
            path = files.directory / "storm.txt"
            path.touch()
            path.unlink()
            if number % 1000 == 0:
                age(files.put(f"s{number}.json", "x"))
        age(files.put("last.json", "x"))
    files.until({"last.json": "x"} | {f"s{number}.json": "x" for number in range(0, limit // 2 + 500, 1000)})


def test_the_timer_finds_what_no_hint_told(directory: Path, tmp_path: Path) -> None:
    outside = tmp_path / "a.json"
    outside.write_bytes(job_file("a", description="old"))
    (directory / "a.json").symlink_to(outside)
    files = Files(directory, rescan_every=SECOND // 5)
    files.start()
    outside.write_bytes(job_file("a", description="new"))
    age(outside)
    files.until({"a.json": "new"})
    files.close()


def test_a_watching_thread_that_has_died_is_replaced(files: Files) -> None:
    watcher = files.loader._watcher
    assert watcher is not None
    watcher.close()
    assert not watcher.alive()
    files.rescan()
    files.put("a.json", "x")
    files.until({"a.json": "x"})


def test_an_error_in_the_watching_thread_is_loud_and_the_next_look_mends_it_for_all_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    files = Files(one, other)
    files.start()
    died: SimpleQueue[threading.ExceptHookArgs] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", died.put)
    with monkeypatch.context() as broken:
        broken.setattr(files.loader._hints, "name", None)
        (one / "lost.txt").touch()
        assert died.get(timeout=10).exc_type is TypeError
    (other / "a.json").write_bytes(job_file("a", description="meanwhile"))
    age(other / "a.json")
    files.loader._hints.directory(0)
    files.until({"a.json": "meanwhile"})
    files.put("b.json", "x")
    files.until({"a.json": "meanwhile", "b.json": "x"})
    files.close()


UNSEEN = """
import pathlib, subprocess, tempfile
from jobschedd.world import inotify
from jobschedd.world.files import loader
loader.POLL_EVERY = 100_000
inotify.UNSEEN = {"tmpfs"}
from tests.world.files.conftest import Files, age
directory = pathlib.Path(tempfile.mkdtemp())
outside = pathlib.Path(tempfile.mkdtemp()) / "a.json"
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", directory], check=True)
files = Files(directory)
files.start()
print(files.told().text)
age(files.put("b.json", "x"))
(directory / "a.json").symlink_to(outside)
files.until({"b.json": "x"}, problem="a.json")
outside.write_bytes((directory / "b.json").read_bytes().replace(b'"b"', b'"a"'))
files.until({"b.json": "x", "a.json": "x"})
files.close()
"""


@as_root
def test_a_file_system_that_tells_nothing_is_polled() -> None:
    text = run_limited(UNSEEN, "unshare", "--mount")
    assert "cannot watch the directory: changes made elsewhere do not show on tmpfs" in text


def run_limited(script: str, *prefix: str) -> str:
    """Run a piece of Python in a process of its own, behind a command that limits it."""
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WATCHLESS = """
import sys, tempfile, pathlib
from jobschedd.world.files import loader
loader.POLL_EVERY = 100_000
from tests.world.files.conftest import Files, age
if "LIMIT":
    pathlib.Path("/proc/sys/fs/inotify/LIMIT").write_text("0")
directory = pathlib.Path(tempfile.mkdtemp())
files = Files(directory)
files.start()
print(files.told().text)
age(files.put("a.json", "polled"))
files.until({"a.json": "polled"})
files.close()
"""


@as_root
@pytest.mark.fault("F19")
@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_without_an_inotify_instance_or_watch_left_the_directory_is_polled(limit: str) -> None:
    script = WATCHLESS.replace("/proc/sys/fs/inotify/LIMIT", f"/proc/sys/user/{limit}")
    text = run_limited(script, "unshare", "--user", "--map-root-user", "--mount-proc", "--pid", "--fork")
    assert "cannot watch the directory: inotify" in text
    assert "every 30 s instead" in text


FEW_FILES = """
import os, resource, tempfile, pathlib
from tests.world.files.conftest import Files, age
directory = pathlib.Path(tempfile.mkdtemp())
files = Files(directory)
files.start()
files.put("a.json", "old")
files.until({"a.json": "old"})
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
made = files.put("b.json", "x")
files.until({"a.json": "old", "b.json": "x"})
beside = directory / ".c"
beside.write_bytes((directory / "a.json").read_bytes().replace(b"old", b"new"))
soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
beside.rename(directory / "a.json")
files.until(problem="a.json")
print(files.problems["a.json"], files.jobs["a.json"])
files.rescan()
print(files.told().text)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
files.until({"a.json": "new", "b.json": "x"})
print(files.problems)
files.close()
"""


@pytest.mark.fault("F15")
def test_without_a_file_descriptor_left_jobs_stay_and_the_file_is_looked_at_again() -> None:
    text = run_limited(FEW_FILES)
    assert text.splitlines() == [
        "cannot read it: Too many open files; looking again soon old",
        "cannot open the directory: Too many open files; its last good jobs stay, looking again soon",
        "{}",
    ]


@pytest.mark.fault("F16")
def test_a_file_that_we_fail_on_takes_no_other_along(files: Files) -> None:
    """No memory, or a bug of ours, while one file is read."""

    def parse(name: str, path: str, data: bytes) -> Definition:
        if name == "b.json":
            raise MemoryError
        return parse_plainly(name, path, data)

    files.parse = parse
    for name in ("a.json", "b.json", "c.json"):
        (files.directory / name).write_bytes(job_file(name[0], description="x"))
    files.until({"a.json": "x", "c.json": "x"}, problem="b.json")
    assert "jobschedd failed on it: MemoryError()" in files.problems["b.json"]


# -- what may not be believed --------------------------------------------------------------------------------------


@as_root
@pytest.mark.fault("A01")
def test_a_file_of_another_owner_is_refused(files: Files) -> None:
    path = files.directory / ".a"
    path.write_bytes(job_file("a"))
    os.chown(path, 65534, 65534)
    path.rename(files.directory / "a.json")
    files.until(problem="a.json")
    assert "belongs to nobody, who could have written it; chown root" in files.problems["a.json"]
    assert files.jobs == {}


@pytest.mark.fault("A02")
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_may_write_is_refused(files: Files, mode: int) -> None:
    path = files.directory / ".a"
    path.write_bytes(job_file("a"))
    path.chmod(mode)
    if os.geteuid() != 0 and mode == 0o664:
        return  # a user's own private group is the user
    path.rename(files.directory / "a.json")
    files.until(problem="a.json")
    assert f"(mode {mode:04o}); chmod go-w" in files.problems["a.json"]


@pytest.mark.fault("A02")
@pytest.mark.parametrize("which", ["jobs.d", "."])
def test_a_directory_that_others_may_write_is_refused_whole_and_its_jobs_stay(files: Files, which: str) -> None:
    files.put("a.json", "x")
    files.until({"a.json": "x"})
    bad = files.directory if which == "jobs.d" else files.directory.parent
    mode = bad.stat().st_mode & 0o7777
    bad.chmod(0o777)
    files.rescan()
    told = files.told()
    assert f"cannot trust the directory: {bad} can be written by others" in told.text
    files.put("b.json", "x")
    files.rescan()
    assert files.jobs == {"a.json": "x"}
    bad.chmod(mode)
    files.rescan()
    assert files.jobs in ({"a.json": "x"}, {"a.json": "x", "b.json": "x"})
    assert files.told().good
    files.rescan(force=True)
    assert files.jobs == {"a.json": "x", "b.json": "x"}


@as_root
@pytest.mark.fault("A03")
def test_a_link_through_a_directory_of_somebody_else_is_refused(files: Files, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "a.json").write_bytes(job_file("a"))
    os.chown(theirs, 65534, 65534)
    (files.directory / "a.json").symlink_to(theirs / "a.json")
    files.until(problem="a.json")
    assert f"cannot trust the link: {theirs} belongs to nobody" in files.problems["a.json"]


@pytest.mark.fault("A05")
def test_what_is_no_file_is_not_opened(files: Files) -> None:
    os.mkfifo(files.directory / "fifo.json")
    (files.directory / "dir.json").mkdir()
    files.rescan()
    assert files.problems["fifo.json"].startswith("cannot read a FIFO")
    assert files.problems["dir.json"].startswith("cannot read a directory")


@as_root
@pytest.mark.fault("A05")
def test_a_device_is_not_opened(files: Files) -> None:
    os.mknod(files.directory / "tty.json", 0o600 | 0o020000, os.makedev(5, 0))
    files.rescan()
    assert files.problems["tty.json"].startswith("cannot read a device")


@pytest.mark.fault("A10")
def test_a_file_of_a_hundred_megabytes_is_refused_unread(files: Files) -> None:
    sizes: list[int] = []

    def parse(name: str, path: str, data: bytes) -> Definition:
        sizes.append(len(data))
        return parse_plainly(name, path, data)

    files.parse = parse
    with (files.directory / "big.json").open("wb") as file:
        file.truncate(100 << 20)
    files.until(problem="big.json")
    assert sizes == []
    assert files.problems["big.json"].startswith("cannot read 104857600 bytes")


@pytest.mark.fault("F24")
def test_one_bad_file_among_good_ones_is_named_and_the_good_ones_load(files: Files) -> None:
    for number in range(100):
        files.put(f"g{number}.json", "good")
    (files.directory / "bad.json").write_text('{\n "job_id": "bad",\n "schedule": "61 * * * *"\n}')
    files.until({f"g{number}.json": "good" for number in range(100)}, problem="bad.json")
    assert "(line 3, column 2)" in files.problems["bad.json"]


@pytest.mark.fault("F27")
def test_a_storm_of_touches_costs_little_and_loads_nothing(files: Files) -> None:
    paths = [files.put(f"{number}.json", "x") for number in range(10)]
    files.until({path.name: "x" for path in paths})
    loads = len(files.loads)
    script = "import sys, time\nfor n in range(2000):\n open(sys.argv[1 + n % 10], 'ab').close(); time.sleep(0.001)"
    storm = subprocess.Popen([sys.executable, "-c", script, *map(str, paths)])
    used, began = time.process_time(), time.monotonic()
    storm.wait()
    share = (time.process_time() - used) / (time.monotonic() - began)
    files.settled()
    assert len(files.loads) == loads
    assert share < 0.2


def test_new_settings_bring_other_directories(files: Files, tmp_path: Path) -> None:
    files.put("a.json", "old")
    files.until({"a.json": "old"})
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.json").write_bytes(job_file("b", description="new"))
    files.loader.replace([str(other)], parse_plainly, 300 * SECOND)
    files.rescan(force=True)
    assert files.jobs == {"b.json": "new"}


def test_new_settings_change_nothing_about_directories_that_stay(files: Files, tmp_path: Path) -> None:
    files.put("a.json", "x")
    files.put("b.json", "low")
    files.until({"a.json": "x", "b.json": "low"})
    higher = tmp_path / "higher"
    higher.mkdir()
    (higher / "b.json").write_bytes(job_file("b", description="high"))
    files.directory.chmod(0o777)  # it cannot be read just now
    files.loader.replace([str(higher), str(files.directory)], parse_plainly, 300 * SECOND)
    files.rescan(force=True)
    assert files.jobs == {"a.json": "x", "b.json": "high"}
    files.directory.chmod(0o755)
    files.loader.replace([str(higher)], parse_plainly, 300 * SECOND)
    files.rescan(force=True)
    assert files.jobs == {"b.json": "high"}
    assert files.gone == ["a.json"]


def test_events_about_a_directory_are_said_once(files: Files) -> None:
    files.directory.chmod(0o777)
    for _ in range(3):
        files.rescan()
    files.directory.chmod(0o755)
    files.rescan()
    said: list[Any] = []
    while not files.events.empty():
        said.append(files.events.get())
    assert [event.good for event in said if isinstance(event, DirectoryChanged)] == [False, True]
