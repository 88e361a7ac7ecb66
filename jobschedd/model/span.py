"""Durations and sizes, spelled as systemd spells them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND

YEAR = 31_557_600 * SECOND
MONTH = 2_629_800 * SECOND
MAX_DURATION = 100 * YEAR
_NO_SECONDS = 10**18
"""Neither these nor more, nor NaN, are a number of seconds that anybody means."""

_UNITS: dict[str, int] = {}
for _names, _usec in (
    ("us usec µs", 1),
    ("ms msec", 1_000),
    ("s sec second seconds", SECOND),
    ("m min minute minutes", MINUTE),
    ("h hr hour hours", HOUR),
    ("d day days", DAY),
    ("w week weeks", 7 * DAY),
    ("M month months", MONTH),
    ("y year years", YEAR),
):
    _UNITS.update(dict.fromkeys(_names.split(), _usec))

_PIECE = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([a-zA-Zµ]*)")
_SIZES = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([BKMGTP]?)")

_NUMBER = r"[0-9]{1,18}(\.[0-9]{1,9})?\s*"
DURATION_PATTERN = rf"^\s*({_NUMBER}|({_NUMBER}({'|'.join(_UNITS)})\s*)+)$"
SIZE_PATTERN = rf"^\s*{_SIZE.pattern}\s*$"
"""For schemas: what does not fit one of them is refused below."""

DURATION_FORM = 'write "10s", "5m", "1h30m", or a number of seconds'
SIZE_FORM = 'write "512M", "2G", or a number of bytes'


def parse_duration(value: object) -> int:
    """Microseconds of `1h30m`, `1h 30min`, `90` (seconds). systemd.time(7)'s units.

    Raises ValueError, with the right form, for anything else, negative, or over 100 years.
    """
    if isinstance(value, str):
        usec = _sum_of_pieces(value)
    # bool is an int in Python, and never a duration. A JSON file may hold numbers that no float does.
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NO_SECONDS:
        usec = round(value * SECOND)
    else:
        usec = None
    if usec is None:
        raise ValueError(f"cannot read {show_value(value)} as a duration; {DURATION_FORM}")
    if not 0 <= usec <= MAX_DURATION:
        raise ValueError(f"cannot use {show_value(value)} as a duration; it must lie between 0 and 100 years")
    return usec


def _sum_of_pieces(text: str) -> int | None:
    total, position = 0.0, 0
    text = text.strip()
    whole = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None or (not piece[2] and len(text) != piece.end() - position):
            return None
        unit = _UNITS.get(piece[2] or "s")
        if unit is None:
            return None
        if "." in piece[1]:
            total += float(piece[1]) * unit
        else:
            whole += int(piece[1]) * unit
        position = piece.end()
    return whole + round(total) if text else None


def parse_size(value: str | int) -> int:
    """Bytes of `512M` (512 MiB, as systemd reads it) or of a number. Raises ValueError with the right form."""
    size: int | None = None
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match:
            number = float(match[1]) if "." in match[1] else int(match[1])
            size = round(number * _SIZES[match[2]])
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if size is None or not 0 <= size < 2**63:
        raise ValueError(f"cannot read {show_value(value)} as a size; {SIZE_FORM}")
    return size


def show_duration(usec: int) -> str:
    """The two largest units that say it: `1h 30min`, `2.5s`, `340us`."""
    if usec < 1_000:
        return f"{usec}us"
    if usec < SECOND - 500:  # the rest is rounded to it
        return f"{usec / 1_000:.3g}ms"
    if usec < MINUTE:
        return f"{usec / SECOND:.3g}s"
    for name, unit, small_name, small in (
        ("d", DAY, "h", HOUR),
        ("h", HOUR, "min", MINUTE),
        ("min", MINUTE, "s", SECOND),
    ):
        if usec >= unit:
            rest = usec % unit // small
            return f"{usec // unit}{name}" + (f" {rest}{small_name}" if rest else "")
    raise AssertionError(usec)


def write_duration(usec: int) -> str:
    """All of it, in the form that `parse_duration` reads: `1h 30min 5s`."""
    pieces = []
    units = {"d": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1_000, "us": 1}
    for name, unit in units.items():
        if usec >= unit:
            pieces.append(f"{usec // unit}{name}")
            usec %= unit
    return " ".join(pieces) or "0s"


def show_span(first: int, last: int, zone: ZoneInfo) -> str:
    """From one moment to another on the clock of a zone, with the days where they are two."""
    begin, end = (datetime.fromtimestamp(moment // SECOND, zone) for moment in (first, last))
    form = "%H:%M" if begin.date() == end.date() else "%Y-%m-%d %H:%M"
    if last - first < 120 * SECOND:
        form += ":%S"
    return f"{begin:{form}}–{end:{form}}"


def show_value(value: object) -> str:
    """A value as the file's author wrote it, cut where it is long."""
    text = f'"{value}"' if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= 60 else f"{text[:57]}..."  # one line of a terminal
