"""Variables that a job file sets. Their values may be secrets: no error repeats one."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import WithJsonSchema

from jobschedd.model.rule import checked
from jobschedd.model.span import show_value

MAX_ENVIRONMENT = 128 * 1024
"""Bytes; and the kernel's MAX_ARG_STRLEN, which is what one variable may have."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORM = 'write {"NAME": "value"}'


def kind_of(value: Any) -> str:
    """What a value is, without saying it."""
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a date or time")  # TOML's


@checked
def _environment(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError(f"cannot read {kind_of(value)} as an environment; {_FORM}")
    for name, text in value.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(
                f"cannot use {show_value(name)} as the name of a variable; use letters, digits and _; {_FORM}",
            )
        if not isinstance(text, str):
            raise ValueError(f'cannot use {kind_of(text)} as the value of {name}; write a text: {{"{name}": "…"}}')
    size = sum(len(name) + len(text.encode()) + 2 for name, text in value.items())
    if size > MAX_ENVIRONMENT:
        raise ValueError(f"cannot pass an environment of {size} bytes; at most {MAX_ENVIRONMENT} are allowed")
    return tuple(value.items())


Environment = Annotated[
    tuple[tuple[str, str], ...],
    _environment,
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{_VARIABLE.pattern}$"},
            "additionalProperties": {"type": "string"},
        },
    ),
]
