"""The lines of a crontab as cron itself reads them: load_env(), load_entry() and what do_command() does about `%`.

Debian's cron ignores a whole crontab with one line that it cannot read, and so does whoever imports it: the lines
around it may have been silent for years.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.fields import MACROS, Cron, Times, Unsaid, read_times
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_LINES = 10_000
"""Debian's cron ignores a crontab with more (MAX_TAB_LINES)."""

MOST_ENTRIES = 1_000
"""Each is proved, which takes some milliseconds."""

_LONGEST = {Cron.DEBIAN: 998, Cron.CRONIE: 131_070}
"""Characters of a command or a variable (MAX_COMMAND, MAX_ENVSTR)."""

_VARIABLE = re.compile(
    r"""(?:(?P<quote>['"])(?P<quoted>[^='"]*)(?P=quote)|(?P<plain>(?:[^\s='"][^\s=]*)?))\s*=\s*"""
    r"""(?:"(?P<double>[^"]*)"\s*|'(?P<single>[^']*)'\s*|(?P<value>[^\s'"].*))""",
    re.ASCII,
)
_EMPTY_VARIABLE = re.compile(r"[^\s='\"@][^\s='\"]*\s*=\s*", re.ASCII)
_BLANKS = " \t"


class WholeTable(ValueError):  # noqa: N818 - says what it is about
    """Nothing of a crontab can be imported."""


@dataclass(frozen=True, slots=True)
class Variable:
    number: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that runs something."""

    number: int
    schedule: str
    """As the line has it."""
    times: Times | None
    """None: `@reboot`."""
    user: str | None
    """None: a user's own crontab, which names nobody."""
    command: str
    stdin: str | None
    variables: Mapping[str, str]
    """Those that stand above it."""


@dataclass(frozen=True, slots=True)
class Bad:
    number: int
    reason: str
    ruins_all: bool
    """Debian's cron ignores the whole crontab because of it, and cronie only the line."""


Line = Variable | Entry | Bad

CheckUser = Callable[[str], None]
"""Raises ValueError for a name that cron would look up in vain."""


def read_crontab(data: bytes, *, check_user: CheckUser | None, cron: Cron | None) -> list[Line]:
    """All lines but comments and blanks. `check_user`: None where there is no column of users. Raises WholeTable."""
    if b"\0" in data:
        raise WholeTable("cannot read NUL bytes; a crontab is text")
    rows = data.split(b"\n")
    if rows.pop():
        raise WholeTable(f"cron ignores it, because line {len(rows) + 1} does not end; end it with a newline")
    if len(rows) > MOST_LINES:
        raise WholeTable(f"cron ignores crontabs of more than {MOST_LINES:,} lines, and this has {len(rows):,}")
    lines: list[Line] = []
    variables: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if row.lstrip(b" \t")[:1] in (b"", b"#"):
            continue
        line = _line(number, row, variables, check_user, cron)
        lines.append(line)
        if isinstance(line, Variable):
            variables = variables | {line.name: line.value}
        if len(lines) > MOST_ENTRIES:
            raise WholeTable(f"cannot import more than {MOST_ENTRIES:,} lines at once; split it")
    return lines


def _line(
    number: int, row: bytes, variables: Mapping[str, str], check_user: CheckUser | None, cron: Cron | None
) -> Line:
    try:
        text = row.decode().lstrip(_BLANKS)
    except UnicodeDecodeError:
        return Bad(number, "it is not UTF-8, which a job file has to be; write it in UTF-8", ruins_all=False)
    longest = _LONGEST[cron or Cron.DEBIAN]
    try:
        pair = read_variable(text[:longest], cron)
        if pair and len(row) > longest:
            raise Unsaid(f"cron cuts a variable after {longest:,} characters; shorten it")
        if pair:
            return Variable(number, *pair)
        return _entry(number, text, variables, check_user, cron)
    except Unsaid as error:
        return Bad(number, str(error), ruins_all=False)
    except ValueError as error:
        return Bad(number, str(error), ruins_all=True)


def read_variable(text: str, cron: Cron | None) -> tuple[str, str] | None:
    """Name and value where a line sets a variable. Raises ValueError where only an empty value is not read as one."""
    match = _VARIABLE.fullmatch(text)
    if match is None:
        if not _EMPTY_VARIABLE.fullmatch(text):
            return None
        name = text.partition("=")[0].rstrip()
        if cron is Cron.CRONIE:
            return name, ""
        raise ValueError(f'cron cannot read an empty value without quotes; write {name}=""')
    name = match["plain"] if match["quoted"] is None else match["quoted"]
    value = next(value for value in match.group("double", "single", "value") if value is not None)
    if cron is not Cron.CRONIE or match["value"] is not None:
        value = value.rstrip(" \t\n\v\f\r")  # of what stands in quotes too, whatever crontab(5) says
    if cron is not Cron.CRONIE and len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]  # quotes within quotes
    return name, value


def _entry(
    number: int, text: str, variables: Mapping[str, str], check_user: CheckUser | None, cron: Cron | None
) -> Entry:
    if text.startswith("-") and cron is not Cron.DEBIAN:
        if cron is None:
            raise Unsaid(which("a leading - means not to log it to cronie, and Debian's cron cannot read it"))
        text = text[1:]
    words, rest = _apart(text)
    user = None
    if check_user is not None:
        user, rest = (*re.split(r"[ \t]+", rest, maxsplit=1), "")[:2]
        if user:
            check_user(user)  # before what may be Unsaid: it counts for more
    times = None
    if words != ["@reboot"]:
        times = read_times(MACROS[words[0]].split() if words[0] in MACROS else words, cron)
    if text.endswith("\r"):
        raise Unsaid("the line ends as in Windows, and cron gives that to the command; save it with Unix line ends")
    if not rest:
        # Debian's cron runs nothing for a user; in a system crontab it takes the next line for the user's name.
        kind = ValueError if check_user or cron is Cron.CRONIE else Unsaid
        form = "user command" if check_user else "command"
        raise kind(f"cannot find a command; write: minute hour day-of-month month day-of-week {form}")
    if len(rest.encode()) > _LONGEST[cron or Cron.DEBIAN]:
        raise ValueError(f"cron cannot read a command of {len(rest.encode()):,} bytes; put it into a script")
    if rest.startswith("-") and cron is not Cron.DEBIAN:
        raise Unsaid("cronie reads an option where the command begins with -; take it off, jobschedd sends no mail")
    if r"\\" in rest and cron is None:
        raise Unsaid(which(r"Debian's cron makes one \ of \\, and cronie leaves both"))
    command, stdin = split_command(rest, halves=cron is Cron.DEBIAN)
    return Entry(number, " ".join(words), times, user, command, stdin, variables)


def _apart(text: str) -> tuple[list[str], str]:
    """The words of the schedule, and what follows them."""
    words = re.split(r"[ \t]+", text, maxsplit=1 if text.startswith("@") else 5)
    if text.startswith("@"):
        if words[0] != "@reboot" and words[0] not in MACROS:
            raise ValueError(f"cron knows no {show_value(words[0])}; write one of {', '.join(MACROS)}, @reboot")
        return words[:1], "".join(words[1:])
    if len(words) < 5:
        raise ValueError("cannot find five fields; write: minute hour day-of-month month day-of-week command")
    rest = "".join(words[5:])
    if rest.startswith("*"):
        raise ValueError("cron cannot read a sixth field that begins with *; there are five before the command")
    return words[:5], rest


def split_command(text: str, *, halves: bool) -> tuple[str, str | None]:
    r"""The command, and what stands behind the first bare `%` as its standard input, where that is anything.

    `\%` is `%`, and a bare `%` in the input a newline. `halves`: in the command `\\` is `\`, as in Debian's cron.
    """
    end = next((match.start() for match in re.finditer(r"\\.|%", text) if match[0] == "%"), len(text))
    command = re.sub(r"\\([%\\])" if halves else r"\\(%)|\\\\", lambda match: match[1] or match[0], text[:end])
    return command, _input(text[end + 1 :]) or None


def _input(text: str) -> str:
    r"""In the input only `%` is escaped; a newline ends it where none does. A `\` at its end is not looked at for that."""
    written = re.sub(r"\\%|%", lambda match: "\n" if match[0] == "%" else "%", text)
    last = written.rstrip("\\")[-1:]
    return f"{written}\n" if last not in ("", "\n") else written


def which(difference: str) -> str:
    """Why a line cannot be imported as long as nobody has said whose it is."""
    return f"{difference}; say which cron this is: --cron debian or --cron cronie"
