"""`start_unit`: a systemd unit whose result becomes the run's."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import CLOSED, checked
from jobschedd.model.span import show_value

_PATTERN = r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*\.(service|target|timer|socket|mount|automount|swap|path|slice)"
"""systemd.unit(5), less what cannot be started."""


@checked
def _unit(value: Any) -> str:
    form = 'write "backup.service"'
    if not isinstance(value, str) or not re.fullmatch(_PATTERN, value) or len(value) > 255:
        raise ValueError(f"cannot use {show_value(value)} as a unit; {form}")
    if "@." in value:
        raise ValueError(
            f'cannot start the template {show_value(value)}; write an instance of it: "backup@home.service"'
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class StartUnit:
    """Start a systemd unit and take over its result."""

    type: Literal["start_unit"] = Field(description="Says which task type the other keys are of.")
    unit: Annotated[str, _unit, WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$"})] = Field(
        description="Its name with its suffix. A service is waited for until it has ended.",
        examples=["backup.service"],
    )

    def launch(self, timezone: str | None) -> Launch:
        return Launch(argv=(sys.executable, "-I", "-m", "jobschedd.tasks.start_unit", self.unit), timezone=timezone)
