"""The keys of a job file that say when: zone, schedule, moments, days."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from jobschedd.model.rule import checked, in_words
from jobschedd.model.schedule import (
    MOST_EXCEPT,
    MOST_PARTS,
    UTC_ZONE,
    Schedule,
    begin_of,
    end_of,
    parse_days,
    parse_schedule,
    parse_timestamp,
    read_day,
)
from jobschedd.model.span import show_value
from jobschedd.model.task import TaskTypes


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a job file is silent."""

    zone: ZoneInfo = UTC_ZONE
    keys: dict[str, Any] = field(default_factory=dict)
    """`[defaults]` of the settings."""
    zones: Callable[[str], ZoneInfo] = ZoneInfo
    """A zone by its IANA name. Raises ValueError, OSError or KeyError."""
    tasks: TaskTypes = field(default_factory=dict)
    """The task types that other packages bring."""


_ZONE = "[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*"


def open_zone(name: str, zones: Callable[[str], ZoneInfo]) -> ZoneInfo:
    """A zone by its IANA name. Raises ValueError with the right form."""
    form = 'write an IANA name: "Europe/Berlin"'
    if not re.fullmatch(_ZONE, name) or name in ("posixrules", "localtime"):
        raise ValueError(f"cannot use {show_value(name)} as a time zone; {form}")
    try:
        return zones(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"cannot find the time zone {show_value(name)} on this machine; {form}") from None


def _timezone(value: Any, info: ValidationInfo) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError(f'cannot use {show_value(value)} as a time zone; write "Europe/Berlin"')
        open_zone(value, _defaults(info).zones)
    except ValueError as error:
        raise in_words(error) from None
    return value


def _defaults(info: ValidationInfo) -> Defaults:
    return info.context if isinstance(info.context, Defaults) else Defaults()


def _zone_of(info: ValidationInfo) -> ZoneInfo:
    # A bad `timezone` is a problem of its own; the schedule is still looked at, for its own problems.
    name = info.data.get("timezone")
    defaults = _defaults(info)
    return defaults.zones(name) if name else defaults.zone


def _schedule(value: Any, info: ValidationInfo) -> Schedule:
    try:
        return parse_schedule(value, _zone_of(info), info.data.get("job_id", "?"))
    except ValueError as error:
        raise in_words(error) from None


def _moment(value: Any, info: ValidationInfo) -> int:
    zone = _zone_of(info)
    day = read_day(value) if isinstance(value, str) else None
    if day is not None:
        return begin_of(day, zone) if info.field_name == "from_" else end_of(day, zone) - 1
    try:
        if not isinstance(value, str):
            raise ValueError(f'cannot read {show_value(value)} as a timestamp; write "2026-09-20T02:00:00Z"')
        return parse_timestamp(value, zone)
    except ValueError as error:
        raise in_words(error) from None


_ONE_SCHEDULE = [
    {"type": "string", "minLength": 1},
    {
        "type": "object",
        "properties": {
            "cron": {
                "type": "string",
                "description": "A cron expression of five fields, or of six.",
                "examples": ["0 0 2 * * *"],
            },
            "seconds": {
                "enum": ["first", "last"],
                "default": "last",
                "description": "Where the seconds of six fields stand; first is how Quartz and Spring write them.",
            },
        },
        "required": ["cron"],
        "additionalProperties": False,
    },
]

TimeZone = Annotated[str | None, PlainValidator(_timezone), WithJsonSchema({"type": "string", "pattern": f"^{_ZONE}$"})]
When = Annotated[
    Schedule | None,
    PlainValidator(_schedule),
    WithJsonSchema(
        {
            "anyOf": [
                *_ONE_SCHEDULE,
                {"type": "array", "items": {"anyOf": _ONE_SCHEDULE}, "minItems": 1, "maxItems": MOST_PARTS},
            ]
        },
    ),
]
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
Moment = Annotated[int | None, PlainValidator(_moment), WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}"})]
DaysOff = Annotated[
    tuple[tuple[date, date], ...],
    checked(parse_days),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{_DAY}(/{_DAY})?$"},
            "maxItems": MOST_EXCEPT,
        }
    ),
]
