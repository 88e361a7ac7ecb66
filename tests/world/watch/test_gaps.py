"""What happens to directories, to the way to them, and to events, loses no file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobschedd.model.run import SECOND
from jobschedd.world.watch.way import Place
from tests.world.watch.conftest import Arrivals

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


def test_a_directory_that_is_not_there_yet_is_waited_for(arrivals: Arrivals, tmp_path: Path) -> None:
    arrivals.watch(tmp_path / "a/b/in/*.csv")
    assert f"{tmp_path}/a/b/in does not exist; waiting for it" in arrivals.told()
    (tmp_path / "a/b/in").mkdir(parents=True)
    (tmp_path / "a/b/in/1.csv").touch()
    assert arrivals.batch() == [f"{tmp_path}/a/b/in/1.csv"]
    assert "every directory is there" in arrivals.told()
    (tmp_path / "a/b/in/2.csv").touch()
    assert arrivals.batch() == [f"{tmp_path}/a/b/in/2.csv"]


def test_the_last_name_may_become_a_directory_and_a_file_again(arrivals: Arrivals, tmp_path: Path) -> None:
    path = tmp_path / "in"
    arrivals.watch(path)
    path.mkdir()
    (path / "a").touch()
    assert arrivals.batch() == [str(path / "a")]
    shutil.rmtree(path)
    path.touch()
    assert arrivals.until(path) == [str(path)]


@pytest.mark.parametrize("how", ["removed", "renamed", "renamed with its parent", "replaced by rename"])
def test_a_directory_that_is_made_again_is_watched_again(arrivals: Arrivals, tmp_path: Path, how: str) -> None:
    path = tmp_path / "above" / "in"
    path.mkdir(parents=True)
    (path / "old").touch()
    arrivals.watch(path / "*")
    fresh = tmp_path / "fresh"
    if how == "removed":
        shutil.rmtree(path)
        path.mkdir()
    elif how == "renamed":
        path.rename(path.with_name("away"))
        path.mkdir()
    elif how == "renamed with its parent":
        path.parent.rename(tmp_path / "away")
        path.mkdir(parents=True)
    else:
        fresh.mkdir()
        (path / "old").unlink()
        fresh.rename(path)
    (path / "a").touch()
    arrivals.until(path / "a")
    (path / "b").touch()
    assert arrivals.batch() == [str(path / "b")]


def test_a_directory_that_comes_back_as_it_was_brings_no_news(arrivals: Arrivals, directory: Path) -> None:
    """As a file system that is unmounted and mounted again."""
    for number in range(3):
        (directory / f"old{number}").touch()
    arrivals.watch(f"{directory}/")
    away = directory.with_name("away")
    directory.rename(away)
    assert "does not exist" in arrivals.told()
    directory.mkdir()
    (directory / "between").touch()
    assert arrivals.batch() == [str(directory / "between")]
    directory.rename(directory.with_name("other"))
    (away / "new").touch()
    away.rename(directory)
    assert arrivals.batch() == [str(directory / "new")]
    arrivals.nothing_more()


def test_links_on_the_way_are_followed_and_watched(arrivals: Arrivals, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "in").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to("one")
    arrivals.watch(link / "in")
    (tmp_path / "one/in/a").touch()
    assert arrivals.batch() == [str(link / "in/a")]
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(link)
    (tmp_path / "two/in/b").touch()
    assert arrivals.batch() == [str(link / "in/b")]
    (tmp_path / "two/in/c").touch()
    assert arrivals.batch() == [str(link / "in/c")]


def test_globs_in_directories_find_those_that_come_later(arrivals: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "old/in").mkdir(parents=True)
    (tmp_path / "old/in/0.csv").touch()
    arrivals.watch(tmp_path / "*/in/*.csv")
    (tmp_path / "old/in/1.csv").touch()
    assert arrivals.batch() == [f"{tmp_path}/old/in/1.csv"]
    (tmp_path / "new/in").mkdir(parents=True)
    (tmp_path / "new/in/2.csv").touch()
    assert arrivals.batch() == [f"{tmp_path}/new/in/2.csv"]
    (tmp_path / ".hidden/in").mkdir(parents=True)
    (tmp_path / ".hidden/in/3.csv").touch()
    made = tmp_path / "elsewhere"
    (made / "in").mkdir(parents=True)
    (made / "in/4.csv").touch()
    made.rename(tmp_path / "moved")
    told = arrivals.until(f"{tmp_path}/moved/in/4.csv")
    assert not [path for path in told if "hidden" in path]
    shutil.rmtree(tmp_path / "new")
    (tmp_path / "new/in").mkdir(parents=True)
    (tmp_path / "new/in/5.csv").touch()
    assert arrivals.until(f"{tmp_path}/new/in/5.csv") == [f"{tmp_path}/new/in/5.csv"]


def test_a_file_that_is_found_half_written_waits_for_its_close(arrivals: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / "made").mkdir()
    arrivals.watch(tmp_path / "srv/*/*")
    arrivals.watch(tmp_path / "srv", job="later", settle="1500ms")
    with (tmp_path / "made/a").open("w") as file:
        (tmp_path / "made").rename(tmp_path / "srv/moved")
        arrivals.heard(tmp_path / "srv/moved/a")
        file.write("x")
        file.flush()
        (tmp_path / "srv/b").touch()
        assert arrivals.batch("later") == [f"{tmp_path}/srv/b"]
    assert arrivals.batch() == [f"{tmp_path}/srv/moved/a"]


def test_behind_a_glob_no_link_is_followed(arrivals: Arrivals, tmp_path: Path) -> None:
    """Whoever owns a directory there could else have any directory of the machine watched."""
    secret = tmp_path / "secret"
    (secret / "in").mkdir(parents=True)
    (tmp_path / "srv/good/in").mkdir(parents=True)
    (tmp_path / "srv/half").mkdir()
    arrivals.watch(tmp_path / "srv/*/in/*")
    (tmp_path / "srv/bad").symlink_to(secret)
    (tmp_path / "srv/half/in").symlink_to(secret / "in")
    (secret / "in/a").touch()
    (tmp_path / "srv/good/in/b").touch()
    assert arrivals.batch() == [f"{tmp_path}/srv/good/in/b"]
    arrivals.nothing_more()


def test_a_directory_that_becomes_a_link_between_two_looks_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "real/in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with Place(f"{tmp_path}/link", ("in",)).opened() as opened:
        assert os.listdir(opened) == []
    with pytest.raises(NotADirectoryError), Place(str(tmp_path), ("link", "in")).opened():
        pass


def test_a_second_job_finds_a_new_directory_as_new_as_the_first(arrivals: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    arrivals.watch(tmp_path / "a/in/*", job="one")
    arrivals.watch(tmp_path / "*/in/*", job="other")
    (tmp_path / "a/in").mkdir()
    (tmp_path / "a/in/1").touch()
    told = [arrivals.inbox.get(timeout=10) for _ in range(2)]
    assert sorted((message.job_id, *message.paths) for message in told) == [  # type: ignore[union-attr] # FilesArrived
        ("one", f"{tmp_path}/a/in/1"),
        ("other", f"{tmp_path}/a/in/1"),
    ]


def test_a_directory_that_was_forgotten_with_a_file_on_the_way_is_no_matter(arrivals: Arrivals, tmp_path: Path) -> None:
    arrivals.watch(tmp_path / "*/*", job="soon", settle="100ms")
    arrivals.watch(tmp_path / "*/*", job="late", settle="500ms")
    (tmp_path / "a").mkdir()
    arrivals.catch_up()
    (tmp_path / "a/1").touch()
    arrivals.heard(tmp_path / "a/1", job="late")
    shutil.rmtree(tmp_path / "a")
    arrivals.heard_nothing(job="soon")
    (tmp_path / "b").mkdir()
    arrivals.heard_nothing(job="late")
    arrivals.nothing_more()


def test_what_is_the_matter_is_said_once_a_second_at_most(arrivals: Arrivals, tmp_path: Path) -> None:
    path = tmp_path / "in"
    arrivals.watch(path / "*")
    assert "does not exist" in arrivals.told()
    for _ in range(100):
        path.mkdir()
        arrivals.catch_up()
        path.rmdir()
        arrivals.catch_up()
    path.mkdir()
    assert "every directory is there" in arrivals.told()
    assert arrivals.events.empty()


@pytest.mark.fault("F20")
def test_an_overflow_of_the_kernel_s_queue_loses_no_file(arrivals: Arrivals, directory: Path) -> None:
    """The reading thread is held up while more happens than the queue holds."""
    arrivals.watch(directory)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    paths = [directory / f"{number:05}" for number in range(limit // 2 + 500)]
    inotify = arrivals.watches._scene._inotify
    assert inotify is not None
    with inotify._lock:
        for path in paths:
            path.touch()
    assert arrivals.until(*paths) == [str(path) for path in paths]
    arrivals.nothing_more()


def test_a_reading_thread_that_has_died_is_replaced(
    arrivals: Arrivals, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals.watch(directory)
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())
    with monkeypatch.context() as broken:
        broken.setattr(arrivals.watches._hearing, "name", None)
        (directory / "a").touch()
        assert died.wait(10)
    arrivals.catch_up()
    (directory / "b").touch()
    assert arrivals.until(directory / "a", directory / "b") == [str(directory / "a"), str(directory / "b")]


def test_the_timer_finds_what_no_event_told(tmp_path: Path) -> None:
    """A file that is written through another name of it."""
    (tmp_path / "in").mkdir()
    arrivals = Arrivals(rescan_every=SECOND // 5)
    (tmp_path / "other").write_text("x")
    os.link(tmp_path / "other", tmp_path / "in/a")
    arrivals.watch(tmp_path / "in")
    (tmp_path / "other").write_text("xy")
    assert arrivals.batch() == [f"{tmp_path}/in/a"]
    arrivals.watches.close()


def test_a_file_that_appears_whole_is_found_when_its_directory_is_looked_through(
    arrivals: Arrivals, directory: Path
) -> None:
    """open(2) with O_TMPFILE, then linkat(2): the kernel tells of a file that is made, and of no close."""
    arrivals.watch(directory)
    made = os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o644)
    os.write(made, b"x")
    here = os.open(directory, os.O_PATH)
    os.link(f"/proc/self/fd/{made}", "a", dst_dir_fd=here, follow_symlinks=True)
    os.close(here)
    os.close(made)
    for name in ("b", "c"):
        (directory / name).touch()
        assert arrivals.batch() == [str(directory / name)]
        # What is heard of it meanwhile must not make it a known one.
        (directory / "a").chmod(0o600)
    arrivals.watches._hearing.directory(1)
    assert arrivals.batch() == [str(directory / "a")]


def test_how_often_is_looked_may_change_while_a_batch_settles(arrivals: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/old").touch()
    (tmp_path / "other").hardlink_to(tmp_path / "in/old")
    arrivals.watch(tmp_path / "in", settle="300ms")
    (tmp_path / "in/a").touch()
    arrivals.watches.replace(SECOND // 5)
    assert arrivals.batch() == [f"{tmp_path}/in/a"]
    arrivals.watches._hearing.directory(1)
    arrivals.catch_up()
    (tmp_path / "other").write_text("x")
    assert arrivals.batch() == [f"{tmp_path}/in/old"]


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


BEGIN = """
import encodings.ascii, os, pathlib, subprocess, tempfile
from jobschedd.world import inotify
from jobschedd.world.watch import scene
from jobschedd.world.watch.way import Place
from tests.world.watch.conftest import Arrivals
directory = pathlib.Path(tempfile.mkdtemp())
def mount(): subprocess.run(["mount", "-t", "tmpfs", "none", directory], check=True)
def unmount(): subprocess.run(["umount", directory], check=True)
"""

MOUNTED = """
(directory / "old").touch()
arrivals = Arrivals()
arrivals.watch(directory)
mount()
(directory / "a").touch()
print(*arrivals.batch())
(directory / "b").touch()
print(*arrivals.batch())
unmount()
(directory / "c").touch()
arrivals.until(directory / "c")
arrivals.nothing_more()
arrivals.watches.close()
"""


@as_root
def test_what_is_mounted_over_a_directory_and_unmounted_again_is_watched() -> None:
    told = run_limited(BEGIN + MOUNTED, "unshare", "--mount").split()
    assert [path[-1] for path in told] == ["a", "b"]


POLLED = """
scene.POLL_EVERY = 100_000
inotify.UNSEEN = {"tmpfs"}
mount()
(directory / "old").touch()
(directory / "other").touch()
arrivals = Arrivals()
arrivals.watch(directory / "o*")
print(arrivals.told())
os.link(directory / "other", directory / "o1")
(directory / "other").write_text("x")
arrivals.until(directory / "o1", directory / "other")
arrivals.watches.close()
"""


@as_root
def test_a_file_system_that_tells_nothing_is_polled() -> None:
    text = run_limited(BEGIN + POLLED, "unshare", "--mount")
    assert "changes made elsewhere do not show on tmpfs; looking through it every 30 s instead" in text


LIMITED = """
scene.POLL_EVERY = 100_000
limit = pathlib.Path("/proc/sys/user/LIMIT")
limit.write_text("0")
arrivals = Arrivals()
arrivals.watch(directory)
print(arrivals.told())
(directory / "a").touch()
print(*arrivals.batch())
limit.write_text("1000")
print(arrivals.told())
arrivals.watches.close()
"""


@as_root
@pytest.mark.fault("F19")
@pytest.mark.parametrize(
    ("limit", "sysctl"), [("max_inotify_instances", "max_user_instances"), ("max_inotify_watches", "max_user_watches")]
)
def test_without_an_inotify_instance_or_watch_left_directories_are_polled(limit: str, sysctl: str) -> None:
    script = BEGIN + LIMITED.replace("LIMIT", limit)
    text = run_limited(script, "unshare", "--user", "--map-root-user", "--mount-proc", "--pid", "--fork")
    assert f"raise the sysctl fs.inotify.{sysctl}" in text.splitlines()[0]
    assert "every directory is there, and watched" in text.splitlines()[2]


UNREADABLE = """
closed = directory / "closed"
(closed / "in").mkdir(parents=True)
os.chmod(directory, 0o711)
os.chmod(closed, 0o711)
os.chown(closed / "in", 1000, 1000)
os.setresuid(1000, 1000, 1000)
arrivals = Arrivals()
arrivals.watch(closed / "in/*")
(closed / "in/a").touch()
print(*arrivals.batch())
assert arrivals.events.empty()
arrivals.watch(closed / "*", job="blind")
print(arrivals.told())
arrivals.watches.close()
"""


@as_root
def test_directories_above_need_not_be_readable_and_the_watched_one_must() -> None:
    lines = run_limited(BEGIN + UNREADABLE).splitlines()
    assert lines[0].endswith("/in/a")
    assert "cannot look through" in lines[1]
    assert "Permission denied; looking again every 30 s" in lines[1]


FORGED = """
os.chmod(directory, 0o755)
(directory / "a\\n<3>forged").mkdir(mode=0o700)
os.setresuid(1000, 1000, 1000)
arrivals = Arrivals()
arrivals.watch(directory / "*/*")
print(arrivals.told())
arrivals.watches.close()
"""


@as_root
def test_a_directory_s_name_that_others_chose_forges_no_line() -> None:
    (line,) = run_limited(BEGIN + FORGED).splitlines()
    assert "forged: Permission denied" in line
