"""A job in the words of a job file: what is in force, even where the file by now says something else."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from jobschedd.model.span import write_duration

if TYPE_CHECKING:
    from jobschedd.model.job import Definition

_DURATIONS = frozenset({"jitter", "timeout", "kill_after", "delay", "max_delay", "settle"})
_OBJECTS = frozenset({"labels", "env", "headers", "sandbox"})
"""Keys whose values are kept as pairs."""


def tell(definition: Definition) -> dict[str, Any]:
    """The keys that are not at their defaults; parsed again they make the same job."""
    # What says when is kept as it was written, with the zone that was meant.
    terms = json.loads(definition.terms)
    if definition.job.timezone is None:
        del terms["timezone"]
    told = _tell_object(definition.job)
    return {key: terms.get(key, value) for key, value in told.items()}


def _tell_object(value: Any) -> dict[str, Any]:
    told = {}
    for item in fields(value):
        held = getattr(value, item.name)
        if held != _default(item) or item.name == "type":
            told[item.name.rstrip("_")] = _tell(item.name, held)
    return told


def _default(item: Field[Any]) -> Any:
    default = item.default
    # pydantic's fields say more than their default.
    default = default.default if isinstance(default, FieldInfo) else default
    return item.default_factory() if item.default_factory is not MISSING else default


def _tell(name: str, value: Any) -> Any:
    if name in _DURATIONS and isinstance(value, int):
        return write_duration(value)
    if name == "umask":
        return f"{value:03o}"
    if name == "cpu":
        return f"{value}%"
    if name == "expect_status":
        return [first if first == last else f"{first}-{last}" for first, last in value]
    if name in _OBJECTS:
        return {key: _tell("", held) for key, held in dict(value).items()}
    if is_dataclass(value):
        return _tell_object(value)
    if isinstance(value, tuple):
        return [_tell("", held) for held in value]
    return value if isinstance(value, str | int | float | dict | list | None) else str(value)
