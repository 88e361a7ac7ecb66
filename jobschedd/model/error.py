"""Whose fault it is. Theirs (a bad file, a bad setting) and the world's; our own bugs have no type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, in words for whoever wrote it."""

    where: str
    """Path inside the file, `retry.delay`; empty when it is the file as a whole."""
    text: str
    """What is wrong, then the form that would work."""
    line: int | None = None
    """1-based, where it is known."""
    column: int | None = None

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        spot = f" (line {self.line}, column {self.column})" if self.line is not None else ""
        return f"{place}{self.text}{spot}"


class BadFile(Exception):  # noqa: N818 - says whose fault, not that it is an error
    """A job file that cannot be used, with every problem that was found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class BadSetting(Exception):  # noqa: N818 - says whose fault, not that it is an error
    """A setting, flag or variable that cannot be used. The text names place and right form."""


class CannotRun(Exception):  # noqa: N818 - what it means for the daemon, in the contract's words
    """The machine does not let the daemon run: state directory, lock, permissions."""
