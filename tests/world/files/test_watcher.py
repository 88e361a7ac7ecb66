"""Hints: none is lost without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from jobschedd.world.files.watcher import Hint, Hints, Looks, Watcher


class Hinted:
    """A watcher, and all that it has hinted at so far."""

    def __init__(self) -> None:
        self._woken = Event()
        self.hints = Hints(self._woken.set)
        self.watcher = Watcher(self.hints)
        self.names: Looks = {}
        self.directories: set[int] = set()

    def until(self, *, name: tuple[int, str] | None = None, directory: int | None = None) -> None:
        while (name is not None and name not in self.names) or (
            directory is not None and directory not in self.directories
        ):
            assert self._woken.wait(10), f"hinted at: {self.names}, {self.directories}"
            self._woken.clear()
            names, directories = self.hints.take()
            self.names |= names
            self.directories |= directories


@pytest.fixture
def hinted() -> Iterator[Hinted]:
    made = Hinted()
    yield made
    made.watcher.close()


def watch(hinted: Hinted, number: int, path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    hinted.watcher.watch_above(number, str(path))
    hinted.watcher.watch_inside(number, opened)
    os.close(opened)


def test_of_several_hints_at_a_file_the_one_that_knows_most_counts() -> None:
    hints = Hints(lambda: None)
    for name, given in ((b"a", (Hint.DONE, Hint.MADE)), (b"b", (Hint.MADE, Hint.DONE)), (b"c", (Hint.MADE,))):
        for hint in given:
            hints.name(0, name, hint)
    assert hints.take() == ({(0, "a"): Hint.DONE, (0, "b"): Hint.DONE, (0, "c"): Hint.MADE}, set())
    assert hints.take() == ({}, set())


def test_watching_again_leaves_no_gap(hinted: Hinted, directory: Path) -> None:
    watch(hinted, 0, directory)
    for number in range(500):
        (directory / f"{number}").touch()
        watch(hinted, 0, directory)
    hinted.until(name=(0, "499"))
    assert hinted.names == {(0, str(number)): Hint.DONE for number in range(500)}


def test_a_job_directory_below_another_does_not_take_hints_from_it(hinted: Hinted, directory: Path) -> None:
    inner = directory / "inner"
    inner.mkdir()
    watch(hinted, 0, directory)
    watch(hinted, 1, inner)
    (directory / "a").touch()
    hinted.until(name=(0, "a"))
    (inner / "b").touch()
    hinted.until(name=(1, "b"))
    assert hinted.names == {(0, "a"): Hint.DONE, (1, "b"): Hint.DONE}
    inner.rename(directory / "away")
    hinted.until(directory=1)


def test_a_file_that_is_closed_counts_as_done_however_it_began(hinted: Hinted, directory: Path) -> None:
    watch(hinted, 0, directory)
    with (directory / "a").open("w"):
        hinted.until(name=(0, "a"))
        assert hinted.names[0, "a"] is Hint.MADE
    (directory / "a").chmod(0o600)
    (directory / "b").touch()
    hinted.until(name=(0, "b"))
    hinted.names.clear()
    (directory / "a").chmod(0o644)
    (directory / "b").touch()
    hinted.until(name=(0, "b"))
    assert hinted.names[0, "a"] is Hint.MADE


@pytest.mark.parametrize("what", ["made", "moved in", "taken away", "taken away with its parent"])
def test_the_way_to_a_directory_is_watched(hinted: Hinted, tmp_path: Path, what: str) -> None:
    path = tmp_path / "a" / "b" / "jobs.d"
    if what.startswith("taken away"):
        path.mkdir(parents=True)
    hinted.watcher.watch_above(7, str(path))
    if what == "made":
        path.mkdir(parents=True)
    elif what == "moved in":
        (tmp_path / "x").mkdir()
        (tmp_path / "x").rename(tmp_path / "a")
    else:
        (path if what == "taken away" else path.parent).rename(tmp_path / "elsewhere")
    hinted.until(directory=7)


def test_after_closing_nothing_is_watched_and_nothing_is_open(directory: Path) -> None:
    before = os.listdir("/proc/self/fd")
    hinted = Hinted()
    watch(hinted, 0, directory)
    hinted.watcher.close()
    assert not hinted.watcher.alive()
    assert os.listdir("/proc/self/fd") == before
