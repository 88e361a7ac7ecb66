"""The table of faults, attacks and bad input: each row that is held has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

HELD = {f"F{n:02}" for n in range(1, 50) if n != 43} | {
    f"A{n:02}" for n in (*range(1, 31), *range(33, 41), 44, 50, 51, 52, 53, 58, 59)
}


def test_every_row_that_is_held_is_named_by_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    named = set(re.findall(r'mark\.fault\("([AF]\d\d)"\)', tests))
    assert HELD - named == set()
