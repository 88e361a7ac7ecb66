"""Durations and sizes."""

from __future__ import annotations

from typing import Any

import pytest

from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND
from jobschedd.model.span import parse_duration, parse_size, show_duration


@pytest.mark.parametrize(
    ("text", "usec"),
    [
        ("90s", 90 * SECOND), ("5m", 5 * MINUTE), ("1h30m", 90 * MINUTE), ("2d", 2 * DAY), ("1h 30min", 90 * MINUTE),
        (90, 90 * SECOND), (1.5, 1_500_000), ("1.5s", 1_500_000), ("90", 90 * SECOND), ("2 weeks", 14 * DAY),
        ("10ms", 10_000), ("7us", 7), ("1M", 2_629_800 * SECOND), (" 3 h ", 3 * HOUR), (0, 0),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_systemd_reads_it(text: Any, usec: int) -> None:
    assert parse_duration(text) == usec


@pytest.mark.fault("A18")
@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "10 parsecs", "-5s", "5s 3", "1e3", "1..5s", "0x10", "٣s", -1, True, float("nan"), float("inf"),
     10**30, "1e9d", "101y", "9" * 30 + "s", "1h30"],
)  # fmt: skip
def test_what_is_not_a_duration_is_refused_with_the_form(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^cannot (read|use) "):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("512M", 512 << 20), ("1.5K", 1536), (7, 7), ("2G", 2 << 30), ("0", 0)])
def test_a_size_is_read_as_systemd_reads_it(text: Any, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "1X", "1MB", -1, True, 2**63, "9" * 18 + "P", 1.5])
def test_what_is_not_a_size_is_refused_with_the_form(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^cannot read "):
        parse_size(text)


@pytest.mark.parametrize(
    ("usec", "text"),
    [(0, "0us"), (340, "340us"), (2_500, "2.5ms"), (1_500_000, "1.5s"), (90 * MINUTE, "1h 30min"), (3 * DAY, "3d"),
     (61 * SECOND, "1min 1s")],
)  # fmt: skip
def test_a_duration_is_shown_with_its_unit(usec: int, text: str) -> None:
    assert show_duration(usec) == text
