"""anacrontab(5), as anacron's readtab.c reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.crontab import MOST_ENTRIES, MOST_LINES, Bad, Variable, WholeTable

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"[ \t]*([^ \t=]+)[ \t]*=(.*)")
_JOB = re.compile(r"[ \t]*([0-9]+|@[^ \t]+)[ \t]+([0-9]+)[ \t]+([^ \t/]+)[ \t]+([^ \t].*)")
_NAMED = {"@daily": 1, "@weekly": 7, "@monthly": 31, "@yearly": 366}


@dataclass(frozen=True, slots=True)
class Period:
    """A job of anacron's: every so many days, at its first chance."""

    number: int
    days: int
    command: str
    variables: Mapping[str, str]


def read_anacrontab(data: bytes) -> list[Variable | Period | Bad]:
    """Raises WholeTable."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise WholeTable("it is not UTF-8, which a job file has to be; write it in UTF-8") from None
    if "\0" in text or text.count("\n") > MOST_LINES:
        raise WholeTable(f"cannot read NUL bytes, or more than {MOST_LINES:,} lines")
    lines: list[Variable | Period | Bad] = []
    variables: dict[str, str] = {}
    number = 1
    for row in re.split(r"(?<!\\)\n", text):
        line = _line(number, row.replace("\\\n", " "), variables)
        number += row.count("\n") + 1
        if line is not None:
            lines.append(line)
        if isinstance(line, Variable):
            variables = variables | {line.name: line.value}
        if len(lines) > MOST_ENTRIES:
            raise WholeTable(f"cannot import more than {MOST_ENTRIES:,} lines at once; split it")
    return lines


def _line(number: int, row: str, variables: Mapping[str, str]) -> Variable | Period | Bad | None:
    if row.lstrip(" \t")[:1] in ("", "#"):
        return None
    if match := _VARIABLE.fullmatch(row):
        return Variable(number, match[1], match[2])
    match = _JOB.fullmatch(row)
    days = (_NAMED.get(match[1]) or int(match[1][:6] if match[1].isdigit() else 0)) if match else 0
    if match is None or days < 1:
        return Bad(number, "anacron cannot read it; write: days delay name command", ruins_all=False)
    return Period(number, days, match[4], variables)
