"""The objects that stand inside a job file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from jobschedd.model.rule import CLOSED, Duration, JobId, SomeTime, Whole
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.watch import WatchPath


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
    path: WatchPath
    settle: Duration = Field(default=2 * SECOND, json_schema_extra={"default": "2s"})
