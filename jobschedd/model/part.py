"""The objects that stand inside a job file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.rule import Duration, JobId, Path, Size, SomeTime, Whole, checked
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.span import show_value
from jobschedd.model.task import CLOSED


@checked
def _percent(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,5}%", value):
        raise ValueError(f'cannot read {show_value(value)} as a share of a CPU; write "150%"')
    return int(value[:-1])


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Retry:
    attempts: Annotated[int, Whole(1, 1000)] = 3
    delay: SomeTime = Field(default=10 * SECOND, json_schema_extra={"default": "10s"})
    factor: Annotated[float, Field(ge=1, le=100)] = 2
    max_delay: SomeTime = Field(default=10 * MINUTE, json_schema_extra={"default": "10m"})


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class After:
    job: JobId
    on: Literal["success", "failure", "end"] = "success"


def after_in_short(value: Any) -> Any:
    return {"job": value} if isinstance(value, str) else value


AFTER_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"job": {"type": "string"}, "on": {"enum": ["success", "failure", "end"]}},
            "required": ["job"],
            "additionalProperties": False,
        },
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Watch:
    path: Path
    settle: Duration = Field(default=2 * SECOND, json_schema_extra={"default": "2s"})


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Limits:
    memory: Size | None = None
    memory_high: Size | None = None
    cpu: Annotated[int | None, _percent, WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]*%$"})] = None
    tasks: Annotated[int, Whole(1, 4_194_304)] | None = None
    io_weight: Annotated[int, Whole(1, 10_000)] | None = None
    nice: Annotated[int, Whole(-20, 19)] | None = None
    ionice: Literal["idle", "best-effort", "realtime"] | None = None
    nofile: Annotated[int, Whole(3, 1_073_741_816)] | None = None
    core: Size | None = None
    oom_score_adj: Annotated[int, Whole(-1000, 1000)] | None = None
