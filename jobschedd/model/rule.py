"""The kinds of value that a job file holds, each with its rule and the words for breaking it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from jobschedd.model.span import (
    DURATION_FORM,
    DURATION_PATTERN,
    SIZE_FORM,
    SIZE_PATTERN,
    parse_duration,
    parse_size,
    show_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

CLOSED = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
"""Unknown keys are errors. Strictness stands at each field: a dataclass that is strict as a whole takes no dict."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_USER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,30}\$?")


def in_words(error: ValueError) -> PydanticCustomError:
    """A ValueError whose text is already the sentence for the person who wrote the file."""
    # Braces would be taken for placeholders.
    return PydanticCustomError("in_words", "{text}", {"text": str(error)})


def _sentence(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            return rule(value)
        except ValueError as error:
            raise in_words(error) from None

    return check


def checked(rule: Callable[[Any], Any]) -> PlainValidator:
    """Use `rule` alone to read a value; it raises ValueError with a whole sentence."""
    return PlainValidator(_sentence(rule))


def _job_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}", value) or ".." in value:
        raise ValueError(
            f"cannot use {show_value(value)} as an id; write letters, digits and ._@-, at most 128,"
            ' the first a letter or digit: "daily-report"',
        )
    return value


def _clean_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'cannot use {show_value(value)} as a text; write "…"')
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or _CONTROL.search(value):
        raise ValueError(f'cannot use {show_value(value)} as a path; write an absolute one: "/srv/data"')
    if len(value.encode()) > 4095:  # PATH_MAX less the NUL
        raise ValueError("cannot use a path of more than 4095 bytes")
    return value


def _name(kind: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        # Never a number: systemd once read "0day" as user 0, sudo took -1 for "leave root as it is".
        if not isinstance(value, str) or not _USER.fullmatch(value):
            raise ValueError(f'cannot use {show_value(value)} as a {kind}; write its name: "www-data"')
        return value

    return check


def _umask(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError(f'cannot use {show_value(value)} as a umask; write octal digits as a text: "022"')
    return int(value, 8)


class Whole:
    """`Annotated[int, Whole(0, 255)]`: a whole number within bounds; `true` is not one."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def _check(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self._low <= value <= self._high:
            raise in_words(
                ValueError(
                    f"cannot use {show_value(value)} here; write a whole number from {self._low} to {self._high}"
                ),
            )
        return value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        bounds = core_schema.int_schema(ge=self._low, le=self._high)
        return core_schema.no_info_before_validator_function(self._check, bounds)


def _some_time(value: Any) -> int:
    usec = parse_duration(value)
    if usec < 1_000:  # nothing here can be measured in less than a millisecond
        raise ValueError(f"cannot use {show_value(value)} here; write a duration of at least a millisecond")
    return usec


def _duration_schema(least: float) -> dict[str, Any]:
    text = {"type": "string", "pattern": DURATION_PATTERN, "patternErrorMessage": DURATION_FORM}
    return {"anyOf": [text, {"type": "number", "minimum": least}], "examples": ["10s", "5m", "1h30m"]}


_SIZE_SCHEMA = {
    "anyOf": [
        # VS Code says the message where it would show the pattern; others pass over it.
        {"type": "string", "pattern": SIZE_PATTERN, "patternErrorMessage": SIZE_FORM},
        {"type": "integer", "minimum": 0},
    ],
    "examples": ["512M", "2G"],
}
_NAME_SCHEMA = {"type": "string", "pattern": f"^{_USER.pattern}$", "examples": ["www-data"]}

JOB_ID_SCHEMA = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$",
    "not": {"pattern": r"\.\."},
}

JobId = Annotated[str, checked(_job_id), WithJsonSchema(JOB_ID_SCHEMA)]
CleanText = Annotated[str, checked(_clean_text), WithJsonSchema({"type": "string"})]
Path = Annotated[str, checked(_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
UserName = Annotated[str, checked(_name("user")), WithJsonSchema(_NAME_SCHEMA)]
GroupName = Annotated[str, checked(_name("group")), WithJsonSchema(_NAME_SCHEMA)]
Umask = Annotated[int, checked(_umask), WithJsonSchema({"type": "string", "pattern": "^0?[0-7]{3}$"})]
Duration = Annotated[int, checked(parse_duration), WithJsonSchema(_duration_schema(0))]
SomeTime = Annotated[int, checked(_some_time), WithJsonSchema(_duration_schema(0.001))]
Size = Annotated[int, checked(_sentence(parse_size)), WithJsonSchema(_SIZE_SCHEMA)]
