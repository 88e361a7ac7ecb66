"""What counts as arrived, and what does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jobschedd.model.event import ArrivalsRefused
from tests.world.watch.conftest import Arrivals


def test_a_file_that_is_written_or_moved_in_has_arrived(arrivals: Arrivals, directory: Path, tmp_path: Path) -> None:
    arrivals.watch(directory / "*.csv")
    (directory / "a.csv").write_text("x")
    (tmp_path / "b").write_text("x")
    (tmp_path / "b").rename(directory / "b.csv")
    assert arrivals.until(directory / "a.csv", directory / "b.csv") == [
        str(directory / "a.csv"),
        str(directory / "b.csv"),
    ]


def test_what_was_there_before_has_not_arrived(arrivals: Arrivals, directory: Path) -> None:
    (directory / "old").touch()
    arrivals.watch(directory)
    (directory / "new").touch()
    assert arrivals.batch() == [str(directory / "new")]
    (directory / "old").write_text("x")
    assert arrivals.batch() == [str(directory / "old")]


def test_a_file_is_told_once_however_often_it_was_closed_meanwhile(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, settle="200ms")
    for _ in range(20):
        (directory / "a").write_text("x")
    (directory / "b").write_text("x")
    assert arrivals.batch() == [str(directory / "a"), str(directory / "b")]


def test_a_file_that_is_still_being_written_has_not_arrived(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory)
    with (directory / "a").open("w") as file:
        file.write("x")
        file.flush()
        (directory / "b").touch()
        assert arrivals.batch() == [str(directory / "b")]
    assert arrivals.batch() == [str(directory / "a")]


def test_a_file_that_is_opened_again_and_written_to_waits_for_its_second_close(
    arrivals: Arrivals, directory: Path
) -> None:
    arrivals.watch(directory, settle="500ms")
    (directory / "a").touch()
    (directory / "b").touch()
    arrivals.heard(directory / "a")
    with (directory / "a").open("w") as file:
        file.write("x")
        file.flush()
        assert arrivals.batch() == [str(directory / "b")]
    assert arrivals.batch() == [str(directory / "a")]


def test_times_that_are_set_after_closing_hold_nothing_up(arrivals: Arrivals, directory: Path) -> None:
    """As tar and unzip do. Times of a file that has arrived before are nobody's business."""
    (directory / "old").touch()
    arrivals.watch(directory, settle="300ms")
    (directory / "a").touch()
    os.utime(directory / "a", (1, 1))
    os.utime(directory / "old", (1, 1))
    assert arrivals.batch() == [str(directory / "a")]


def test_a_file_that_is_gone_again_starts_nothing(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, settle="100ms")
    arrivals.watch(directory, job="later", settle="300ms")
    (directory / "a").touch()
    arrivals.heard(directory / "a")
    (directory / "a").unlink()
    arrivals.heard_nothing()
    (directory / "b").touch()
    assert arrivals.batch() == [str(directory / "b")]
    assert arrivals.batch("later") == [str(directory / "b")]


def test_hard_links_arrive_and_other_things_do_not(arrivals: Arrivals, directory: Path, tmp_path: Path) -> None:
    """Maildirs are filled by link(2). A symbolic link could make any file of the machine arrive."""
    (tmp_path / "file").touch()
    arrivals.watch(directory)
    (directory / "symbolic").symlink_to(tmp_path / "file")
    (directory / "directory").mkdir()
    os.mkfifo(directory / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "socket"))
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "link").rename(directory / "moved")
    os.link(tmp_path / "file", directory / "hard")
    assert arrivals.batch() == [str(directory / "hard")]
    arrivals.nothing_more()


def test_hidden_names_are_left_out_unless_the_pattern_is_hidden_too(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory)
    arrivals.watch(directory / ".*", job="hidden")
    (directory / ".a").touch()
    assert arrivals.batch("hidden") == [str(directory / ".a")]
    (directory / "a~").touch()
    assert arrivals.batch() == [str(directory / "a~")]
    arrivals.nothing_more()


def test_one_file_is_watched_for_as_well(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory / "flag", settle=0)
    (directory / "other").touch()
    for _ in range(3):
        (directory / "new").touch()
        (directory / "new").rename(directory / "flag")
        assert arrivals.batch() == [str(directory / "flag")]
    arrivals.nothing_more()


def test_names_that_are_no_utf_8_or_very_long_are_told_as_they_are(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory)
    odd = [b"\xff\xfe", b"'; rm -rf $HOME #", b"\x1b[2J", "ä".encode() * 127, b"x" * 255, b"-rf", b" "]
    for name in odd:
        os.close(os.open(os.fsencode(directory) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    paths = [os.fsdecode(os.fsencode(directory) + b"/" + name) for name in odd]
    assert arrivals.until(*paths) == sorted(paths)


def test_a_path_with_a_newline_is_told_to_the_log_and_to_no_run(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, settle="200ms")
    (directory / "a\n").touch()
    (directory / "b").touch()
    assert arrivals.batch() == [str(directory / "b")]
    event = arrivals.events.get_nowait()
    assert isinstance(event, ArrivalsRefused)
    assert event.count == 1
    assert event.example == repr(f"{directory}/a\n")
    assert "\n" not in event.line()


def test_two_jobs_may_wait_for_one_file(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, job="one", settle=0)
    arrivals.watch(directory / "*.csv", job="other", settle="300ms")
    (directory / "a.csv").touch()
    assert arrivals.batch("one") == [str(directory / "a.csv")]
    assert arrivals.batch("other") == [str(directory / "a.csv")]


def test_a_job_that_watches_no_longer_is_told_nothing(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, settle="100ms")
    arrivals.watch(directory, job="other", settle="200ms")
    (directory / "a").touch()
    arrivals.watches.watch("job", None)
    assert arrivals.batch("other") == [str(directory / "a")]
    arrivals.watches.watch("other", None)
    arrivals.watches.watch("unknown", None)
    arrivals.catch_up()
    assert not arrivals.watches._scene._numbers
    assert not arrivals.watches._scene._inotify._watch_for_wd  # type: ignore[union-attr] # it is there
    arrivals.nothing_more()


@pytest.mark.parametrize("settle", ["1s", "500ms"])
def test_what_is_settling_survives_a_reload(arrivals: Arrivals, directory: Path, settle: str) -> None:
    arrivals.watch(directory, settle="1s")
    (directory / "a").touch()
    arrivals.watch(directory, settle=settle)
    assert arrivals.batch() == [str(directory / "a")]
    (directory / "b").touch()
    assert arrivals.batch() == [str(directory / "b")]


def test_another_path_is_another_watch(arrivals: Arrivals, directory: Path) -> None:
    arrivals.watch(directory, settle="1s")
    (directory / "a").touch()
    (directory / "c.csv").touch()
    arrivals.watch(directory / "*.csv")
    (directory / "b.csv").touch()
    assert arrivals.batch() == [str(directory / "b.csv")]
