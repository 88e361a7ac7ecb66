"""From where a job comes from to its id."""

from __future__ import annotations

import os
import re
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 100
"""Characters, which leaves room for a number behind it."""

_SAYS_NOTHING = {
    "test",
    "command",
    "cd",
    "exec",
    "if",
    "nice",
    "ionice",
    "env",
    "sudo",
    "sh",
    "bash",
    "sleep",
    "timeout",
    "flock",
}
_WORD = re.compile(r"(?<![\w./=$-])/?[A-Za-z][\w.+-]*(?:/[\w.+-]+)*(?=[\s;&|)}]|$)")


def clean(text: str) -> str:
    """What an id may have of a text."""
    made = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._@-]+", "-", text))[:_LONGEST].strip("-._@")
    return made or "job"


def of_command(command: str) -> str:
    """The program that a shell command is about, as far as one can see that."""
    names = (os.path.basename(match[0]) for match in _WORD.finditer(command[:1_000]))
    return clean(next((name for name in names if name not in _SAYS_NOTHING), "job"))


def unique(name: str, taken: Callable[[str], bool]) -> str:
    """The name, or with the first number behind it that is free."""
    base = clean(name)
    return next(made for made in (base if n == 1 else f"{base}-{n}" for n in count(1)) if not taken(made))
