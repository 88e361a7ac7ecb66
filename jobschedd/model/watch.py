"""Files that a job waits for: which of them a path means, when they have come to rest, and how a run is told."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from jobschedd.model.rule import Path, in_words
from jobschedd.model.run import MINUTE
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_PATHS = 1_000
"""In one batch."""

MOST_BYTES = 100 * 1024
"""Of the paths of one batch together. The kernel takes no variable of more than 128 KiB (MAX_ARG_STRLEN)."""

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Step:
    """One component of a path, which may be a glob."""

    text: str
    wild: bool
    fits: Callable[[str], bool]
    """Whether a name is meant. A hidden name only where the component begins with a dot too, as in a shell."""


def read_step(text: str) -> Step:
    if not _WILD.search(text):
        return Step(text, wild=False, fits=text.__eq__)
    match = re.compile(translate(text)).match
    if text.startswith("."):
        return Step(text, wild=True, fits=lambda name: match(name) is not None)
    return Step(text, wild=True, fits=lambda name: not name.startswith(".") and match(name) is not None)


ANY_NAME = read_step("*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path that has been taken apart: `/srv/*/in/*.csv` is `/srv`, `*` and `in`, and `*.csv`."""

    fixed: str
    """The part before the first glob, a directory."""
    steps: tuple[Step, ...]
    """Directories below it."""
    last: Step
    """The files in those. Where it is no glob, and a directory has that name, every file in that directory."""


def read_pattern(path: str) -> Pattern:
    """Take an absolute path apart. Raises ValueError, with the form that would work."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        raise ValueError(f'cannot watch {show_value(path)} as a whole; write a directory in it: "/srv/in"')
    for part in parts:
        if "**" in part:
            raise ValueError(
                f"cannot watch {show_value(path)}: ** is not supported, each directory takes a watch of the kernel's;"
                ' write one * for each level: "/srv/*/in/*.csv"'
            )
        if part in {".", ".."}:
            raise ValueError(f'cannot watch {show_value(path)}: write it without {part}: "/srv/in/*.csv"')
        if len(os.fsencode(part)) > 255:  # NAME_MAX
            raise ValueError(f"cannot watch {show_value(path)}: no name is longer than 255 bytes")
    steps = [read_step(part) for part in parts]
    if path.endswith("/"):
        steps.append(ANY_NAME)
    directories, last = steps[:-1], steps[-1]
    count = next((place for place, step in enumerate(directories) if step.wild), len(directories))
    return Pattern("/" + "/".join(parts[:count]), tuple(directories[count:]), last)


# -- batches -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Arrival:
    signature: int
    """Of the file when it was last looked at: it changes when the file does."""
    since: int
    """The last moment at which something is known to have happened to it, elapsed time."""
    patience: int
    """How long it has to rest from then on, microseconds."""

    @property
    def due(self) -> int:
        return self.since + self.patience


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a file has shown."""

    signature: int | None
    """None: there is no such file (any more)."""
    patience: int
    """How long it has to rest before it is believed to be whole, where it has changed and nobody said so."""


class Batch:
    """The files of one job that have come and are not told yet. Elapsed time and durations in microseconds.

    Told arrivals, of which the kernel said that they were closed or moved in, wait for each other: the batch goes when
    for `settle` none of them was heard of, or, in a steady stream, after `longest`, with those that have rested
    `settle`. Doubtful ones, which were found and not told, go each by itself when they have not changed for as long as
    was said when they were found.
    """

    def __init__(self, settle: int) -> None:
        self.settle = settle
        self._told: dict[str, _Arrival] = {}
        self._doubtful: dict[str, _Arrival] = {}
        self._told_due: int | None = None
        self._doubts_due: int | None = None
        self._latest = 0
        """The elapsed time at which the batch goes at the latest."""
        self._not_before = 0
        """None of the told arrivals has rested earlier."""

    def __len__(self) -> int:
        return len(self._told) + len(self._doubtful)

    def __contains__(self, path: object) -> bool:
        return path in self._told or path in self._doubtful

    @property
    def longest(self) -> int:
        return max(10 * self.settle, MINUTE)

    @property
    def due(self) -> int | None:
        """When to look at the `ripe` ones; None: nothing waits."""
        moments = [due for due in (self._told_due, self._doubts_due) if due is not None]
        return min(moments, default=None)

    def tell(self, path: str, signature: int, now: int) -> None:
        """A file was closed after writing, moved in or linked in."""
        self._doubtful.pop(path, None)
        if not self._told:
            self._latest = now + self.longest
            self._not_before = now
        self._told[path] = _Arrival(signature, now, self.settle)
        self._told_due = max(min(now + self.settle, self._latest), self._not_before)

    def doubt(self, path: str, signature: int, now: int, patience: int) -> None:
        """A file was found that is new or has changed; it may be in the middle of being written."""
        # One that was told of is looked at again anyway.
        if path in self._told:
            return
        known = self._doubtful.get(path)
        if known is None or known.signature != signature:
            self._doubtful[path] = _Arrival(signature, now, patience)
            if self._doubts_due is None or self._doubts_due > now + patience:
                self._doubts_due = now + patience

    def touch(self, path: str, signature: int, now: int) -> None:
        """Something else than a change of its content was heard of a file. One that is not waited for is not meant."""
        if path in self._told:
            self.tell(path, signature, now)
        elif arrival := self._doubtful.get(path):
            arrival.signature, arrival.since = signature, now

    def ripe(self, now: int) -> list[str]:
        """The files that go now, provided that they are as they were: look at each, then `take`."""
        ripe = []
        if self._told_due is not None and now >= self._told_due:
            ripe += [path for path, arrival in self._told.items() if now >= arrival.due]
        if self._doubts_due is not None and now >= self._doubts_due:
            ripe += [path for path, arrival in self._doubtful.items() if now >= arrival.due]
        return ripe

    def take(self, now: int, looks: Mapping[str, Look]) -> list[str]:
        """Of the files that were looked at those that have arrived, sorted; those that have changed wait on."""
        gone = []
        went = False
        for path, look in looks.items():
            arrival = self._told.pop(path, None)
            went = went or arrival is not None
            arrival = arrival or self._doubtful.pop(path)
            if look.signature is None:
                continue
            if look.signature == arrival.signature:
                gone.append(path)
            else:
                # Somebody writes to it again: the next close will be told, or its rest will be seen.
                self._doubtful[path] = _Arrival(look.signature, now, look.patience)
        self._plan(now, went=went)
        return sorted(gone)

    def _plan(self, now: int, *, went: bool) -> None:
        self._doubts_due = min((arrival.due for arrival in self._doubtful.values()), default=None)
        self._told_due = None
        if not self._told:
            return
        if went:
            self._latest = now + self.longest
        self._not_before = min(arrival.due for arrival in self._told.values())
        last = max(arrival.due for arrival in self._told.values())
        self._told_due = max(min(last, self._latest), self._not_before)


# -- what a run is given -----------------------------------------------------------------------------------------------


def can_be_named(path: str) -> bool:
    """Whether a path can be told as a line. One with a newline would read as two, the second a stranger's choice."""
    return "\n" not in path


def cut(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut paths, all of which can be named, into batches that fit into the environment of a run each."""
    batch: list[str] = []
    size = 0
    for path in paths:
        length = len(os.fsencode(path)) + 1
        if batch and (len(batch) == MOST_PATHS or size + length > MOST_BYTES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield tuple(batch)


def environment(paths: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The variables that tell a run its batch: JOBSCHEDD_PATH, one path a line, no newline after the last.

    Bytes that are no UTF-8 stand as surrogates in it, as everywhere in Python: os.fsencode gives them back.
    """
    return (("JOBSCHEDD_PATH", "\n".join(paths)),)


def _watchable(path: str) -> str:
    try:
        read_pattern(path)
    except ValueError as error:
        raise in_words(error) from None
    return path


WatchPath = Annotated[Path, AfterValidator(_watchable)]
