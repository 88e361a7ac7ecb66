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

    def until(
        self, *, name: tuple[int, str] | None = None, hint: Hint | None = None, directory: int | None = None
    ) -> None:
        """Until this file was hinted at (as this), or this directory."""
        while (name is not None and (name not in self.names or self.names[name] != (hint or self.names[name]))) or (
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
    for name, given in (
        (b"a.json", (Hint.DONE, Hint.MADE)),
        (b"b.json", (Hint.MADE, Hint.DONE)),
        (b"c.json", (Hint.MADE,)),
    ):
        for hint in given:
            hints.name(0, name, hint)
    assert hints.take() == ({(0, "a.json"): Hint.DONE, (0, "b.json"): Hint.DONE, (0, "c.json"): Hint.MADE}, set())
    assert hints.take() == ({}, set())


def test_a_name_that_is_no_job_file_s_wakes_nobody() -> None:
    """A careful writer's temporary file would, and the loader rests after each time it is woken."""

    def woken() -> None:
        raise AssertionError("woken")

    hints = Hints(woken)
    for name in (b".a.json.new", b"a.json~", b"4913", b"\xff.json"):
        hints.name(0, name, Hint.DONE)
    assert hints.take() == ({}, set())


def test_watching_again_leaves_no_gap(hinted: Hinted, directory: Path) -> None:
    watch(hinted, 0, directory)
    for number in range(500):
        (directory / f"{number}.json").touch()
        watch(hinted, 0, directory)
    hinted.until(name=(0, "499.json"), hint=Hint.DONE)
    assert hinted.names == {(0, f"{number}.json"): Hint.DONE for number in range(500)}


def test_a_job_directory_below_another_does_not_take_hints_from_it(hinted: Hinted, directory: Path) -> None:
    inner = directory / "inner"
    inner.mkdir()
    watch(hinted, 0, directory)
    watch(hinted, 1, inner)
    (directory / "a.json").touch()
    hinted.until(name=(0, "a.json"), hint=Hint.DONE)
    (inner / "b.json").touch()
    hinted.until(name=(1, "b.json"), hint=Hint.DONE)
    assert hinted.names == {(0, "a.json"): Hint.DONE, (1, "b.json"): Hint.DONE}
    inner.rename(directory / "away")
    hinted.until(directory=1)


def test_a_file_that_is_closed_counts_as_done_however_it_began(hinted: Hinted, directory: Path) -> None:
    watch(hinted, 0, directory)
    with (directory / "a.json").open("w"):
        hinted.until(name=(0, "a.json"))
        assert hinted.names[0, "a.json"] is Hint.MADE
    (directory / "a.json").chmod(0o600)
    (directory / "b.json").touch()
    hinted.until(name=(0, "b.json"))
    hinted.names.clear()
    (directory / "a.json").chmod(0o644)
    (directory / "b.json").touch()
    hinted.until(name=(0, "b.json"))
    assert hinted.names[0, "a.json"] is Hint.MADE


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
