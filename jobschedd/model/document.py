"""From the bytes of a file to plain values, refusing what JSON readers usually let through.

Duplicate keys (the last would win: `user: nobody`, then `user: root`), NaN and infinities, nesting without end,
NUL, lone surrogates and characters that reorder text on a screen are all refused here, so that nothing behind
this room has to think of them. Also finds the line of a key again, for error messages.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from datetime import date, datetime, time
from typing import Any

from jobschedd.model.error import BadFile, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 32

_BAD_CHARACTERS = re.compile("[\0\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")

Place = tuple[str | int, ...]
"""Where a value stands: keys and list indexes from the top."""


def show_place(place: Place) -> str:
    """`retry.delay`, `env[2]`: the form used in every error."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text


def read_document(name: str, data: bytes) -> dict[str, Any]:
    """The object that a `.json` or `.toml` file holds. Raises BadFile."""
    text = _decode(data)
    values = _read_toml(text) if name.endswith(".toml") else _read_json(text)
    if not isinstance(values, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(values), "a bare value")
        raise BadFile(Problem("", f'cannot read {kind} as a job; a job file is one object: {{"job_id": …}}'))
    # Escapes and other alphabets are rare; without them the bytes have shown all there is to see.
    if not text.isascii() or "\\" in text or name.endswith(".toml"):
        _check_characters(values, ())
    return values


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BadFile(Problem("", f"cannot read {len(data)} bytes; a job file has at most {MAX_BYTES} (1 MiB)"))
    if data[:3] == b"\xef\xbb\xbf":
        raise BadFile(Problem("", "cannot read a byte order mark; save the file as UTF-8 without BOM"))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadFile(Problem("", "cannot read UTF-16; save the file as UTF-8"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise BadFile(
            Problem("", f"cannot read byte 0x{data[error.start]:02x} as UTF-8; save the file as UTF-8", line, column),
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadFile(Problem("", "cannot read a NUL byte; a job file is text in UTF-8", line, 1))
    return text


def _read_json(text: str) -> Any:
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        values = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise BadFile(
            Problem("", f"cannot read the file as JSON: {error.msg}", error.lineno, error.colno),
        ) from None
    except _DuplicateKeyError as error:
        line, column = _place_of_second(text, error.key)
        raise BadFile(
            Problem(error.key, "stands twice in one object; keep one of them", line, column),
        ) from None
    except ValueError:
        # Python's own limit on the digits of an integer.
        raise BadFile(Problem("", "cannot read a whole number of thousands of digits; write a smaller one")) from None
    _check_finite(values, ())
    return values


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return values


# NaN comes out as a float, as 1e400 does: _check_finite finds both, with their place.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=float)


def _check_finite(value: Any, place: Place) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_finite(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_finite(inner, (*place, index))
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadFile(Problem(show_place(place), f"cannot use {value} as a number; write a finite one"))


def _check_depth(text: str) -> None:
    """Before the parser sees it: Python's recursion is not ours to exhaust."""
    depth, position, in_text = 0, 0, False
    for match in re.finditer(r'\\.|["\[\]{}]', text):
        character, position = match[0], match.start()
        if character == '"':
            in_text = not in_text
        elif not in_text and character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, position) + 1
                column = position - text.rfind("\n", 0, position)
                raise BadFile(Problem("", f"cannot read more than {MAX_DEPTH} levels of nesting", line, column))
        elif not in_text and character in "]}":
            depth -= 1


def _read_toml(text: str) -> Any:
    # tomllib recurses too; a file can open no more levels than it has brackets and dots.
    if text.count("[") + text.count("{") + text.count(".") > MAX_DEPTH:
        for line_number, line in enumerate(text.split("\n"), 1):
            if line.count("[") + line.count("{") + line.count(".") > 8 * MAX_DEPTH:
                raise BadFile(Problem("", f"cannot read more than {MAX_DEPTH} levels of nesting", line_number, 1))
    try:
        values = _plain(tomllib.loads(text), ())
    except tomllib.TOMLDecodeError as error:
        raise BadFile(Problem("", f"cannot read the file as TOML: {error}")) from None
    except RecursionError:
        raise BadFile(Problem("", f"cannot read more than {MAX_DEPTH} levels of nesting")) from None
    _check_finite(values, ())
    return values


def _plain(value: Any, place: Place) -> Any:
    """TOML's own dates and times as the texts that JSON would have."""
    if len(place) > MAX_DEPTH:
        raise BadFile(Problem(show_place(place[:3]), f"cannot read more than {MAX_DEPTH} levels of nesting"))
    if isinstance(value, dict):
        return {key: _plain(inner, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, (*place, index)) for index, inner in enumerate(value)]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value


def _check_characters(value: Any, place: Place) -> None:
    if isinstance(value, str):
        bad = _BAD_CHARACTERS.search(value)
        if bad:
            raise BadFile(
                Problem(show_place(place), f"cannot use the character U+{ord(bad[0]):04X} in a text; leave it out"),
            )
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_characters(key, place)
            _check_characters(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_characters(inner, (*place, index))


def find_line(text: str, place: Place) -> tuple[int, int]:
    """Line and column, 1-based, of what stands at `place` in JSON text that has been read without error.

    Where the place does not exist (a missing key), of the innermost object that does.
    """
    spot = position = _skip(text, 0)
    for step in place:
        found = _find_step(text, position, step)
        if found is None:
            break
        spot, position = found
    return text.count("\n", 0, spot) + 1, spot - text.rfind("\n", 0, spot)


def _find_step(text: str, position: int, step: str | int) -> tuple[int, int] | None:
    """Where an entry of the object or list at `position` begins, and where its value does."""
    closing = {"{": "}", "[": "]"}.get(text[position])
    if closing is None:
        return None
    position, index = _skip(text, position + 1), 0
    while text[position] != closing:
        start, name = position, index
        if closing == "}":
            name, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        if name == step:
            return start, position
        position = _skip(text, _DECODER.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip(text, position + 1)
        index += 1
    return None


def _skip(text: str, position: int) -> int:
    """Past white space."""
    space = _SPACE.match(text, position)
    assert space is not None
    return space.end()


def _place_of_second(text: str, key: str) -> tuple[int, int] | tuple[None, None]:
    found = [match.start() for match in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    if len(found) < 2:  # spelled with escapes
        return None, None
    return text.count("\n", 0, found[1]) + 1, found[1] - text.rfind("\n", 0, found[1])
