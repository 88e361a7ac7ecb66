"""What is shown to people: text that a terminal does not obey, columns that fit, times on the clock of this place."""

from __future__ import annotations

import itertools
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 80
"""Columns of prose and drawings that are piped: they may be read anywhere."""

MOST_FRAMED = 500
"""Rows that are laid out by rich; more would take longer than they are looked at."""

CUT = "…"
"""At the end of what does not fit."""

RED, YELLOW, GREEN, DIM, BOLD = "red", "yellow", "green", "dim", "bold"
_CODES = {RED: 31, YELLOW: 33, GREEN: 32, DIM: 2, BOLD: 1}

GOOD = ("succeeded", "running", "waiting")
"""Outcomes that need no look."""


def is_terminal(stream: TextIO | None = None) -> bool:
    return (stream or sys.stdout).isatty()


def writes_unicode() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()


def colours(stream: TextIO | None = None) -> bool:
    """https://no-color.org"""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def plain(text: str) -> str:
    """Without what a terminal would obey, or would not show: controls, marks of direction, what has no width."""
    if not text.isascii() and not writes_unicode():
        text = text.encode("ascii", "backslashreplace").decode()
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(ord(each)) for each in text)


def _escaped(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def plain_line(text: str) -> str:
    """A line of output: as plain text, but what stands in columns stays in columns."""
    return plain(text.expandtabs())


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and colours(stream) else text


def width_of(text: str) -> int:
    """Columns that it takes on a terminal."""
    if text.isascii() or (text[-1] == CUT and text[:-1].isascii()):
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - most of what is shown is ASCII, and needs no table

    return cell_len(text)


def fit(text: str, width: int) -> str:
    """At most so many columns of it."""
    begun = text[: 4 * width + 64]
    shown = plain(begun)
    if len(begun) == len(text) and width_of(shown) <= width:
        return shown
    cut = CUT if writes_unicode() else "..."[:width]
    if shown.isascii():
        return shown[: width - len(cut)] + cut
    from rich.cells import set_cell_size  # noqa: PLC0415 - as above

    # Where half of a wide character would fit there is a space instead.
    return set_cell_size(shown, width - len(cut)).rstrip() + cut


def pad(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def columns() -> int:
    # A terminal that nobody has told its size says 0.
    return (os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH) if is_terminal() else WIDTH


def table_columns() -> int:
    """A table that is piped is as wide as what is in it: programs want names whole."""
    return columns() if is_terminal() else sys.maxsize


def show_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = (), *, soft: int = 0
) -> None:
    """Rows under titles; the last column gets what is left of the line. `styles`: of each row.

    `soft`: so many of the first columns give way before the others do.
    """
    last = len(titles) - 1
    room = table_columns()
    widths = [min(room, max(width_of(plain(row[column])) for row in (titles, *rows))) for column in range(last)]
    # Where they leave the last one nothing, the widest gives way; on a narrow terminal all of them.
    for yielding, its, narrowest in ((soft, 20, 12), (soft, 8, 8), (last, 8, 4)):
        while sum(widths) + 2 * last + its > room and (widest := max(widths[:yielding], default=0)) > narrowest:
            widths[widths.index(widest)] -= 1
    rest = max(8, room - sum(widths) - 2 * last)
    if is_terminal() and len(rows) <= MOST_FRAMED:
        _show_framed(titles, rows, styles, [*widths, rest])
        return
    for number, row in enumerate((titles, *rows)):
        cells = [pad(fit(cell, width), width) for cell, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, fit(row[last], rest)]).rstrip()
        print(styled(line, styles[number - 1] if number and styles else ""))


def _show_framed(
    titles: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str], widths: Sequence[int]
) -> None:
    # They take longer to import than most answers take, and a pipe has no use for them.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=BOLD)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, width=width, no_wrap=True, overflow="ellipsis")
    for number, row in enumerate(rows):
        cells = (Text(fit(cell, width)) for cell, width in zip(row, widths, strict=True))
        table.add_row(*cells, style=styles[number] if styles else "")
    Console(highlight=False, width=columns()).print(table)


# -- time ------------------------------------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    """Of a time as the daemon writes it."""
    return datetime.fromisoformat(text)


def clock(text: str | None) -> str:
    """On the clock of this place, to the second."""
    return "-" if text is None else f"{moment(text).astimezone():%Y-%m-%d %H:%M:%S}"


def now() -> datetime:
    return datetime.now(UTC)  # the one clock of who sits before the screen


def ahead(text: str | None) -> str:
    """How long until then: `in 5min`."""
    if text is None:
        return ""
    left = moment(text) - now()
    return f"in {span(left)}" if left >= timedelta(0) else f"{span(-left)} ago"


def span(length: timedelta) -> str:
    """In its largest unit, and the next one: `1d 3h`."""
    seconds = int(length.total_seconds())
    units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
    for (name, size), (small_name, small) in itertools.pairwise([*units, ("", 1)]):
        if seconds >= size:
            rest = seconds % size // small
            return f"{seconds // size}{name}" + (f" {rest}{small_name}" if rest else "")
    return "0s"


def many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def took(run: dict[str, object]) -> str:
    """How long a run took, to three digits."""
    started, ended = run.get("started_at"), run.get("ended_at")
    if not isinstance(started, str) or not isinstance(ended, str):
        return "-"
    seconds = max(0.0, (moment(ended) - moment(started)).total_seconds())
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}us"
    if seconds < 1:
        return f"{seconds * 1e3:.3g}ms"
    return f"{seconds:.3g}s" if seconds < 60 else span(timedelta(seconds=seconds))
