"""The objects that stand inside a job file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema

from jobschedd.model.rule import CLOSED, JOB_ID_SCHEMA, Duration, JobId, SomeTime, Whole
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.watch import WatchPath


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Retry:
    attempts: Annotated[int, Whole(1, 1000)] = Field(default=3, description="Starts in all, the first one included.")
    delay: SomeTime = Field(
        default=10 * SECOND,
        json_schema_extra={"default": "10s"},
        description="From the end of the first attempt to the second. Up to a tenth is added by chance.",
    )
    factor: Annotated[float, Field(strict=True, ge=1, le=100)] = Field(
        default=2, description="How many times as long each further delay is as the one before it."
    )
    max_delay: SomeTime = Field(
        default=10 * MINUTE, json_schema_extra={"default": "10m"}, description="No delay gets longer than this."
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class After:
    job: JobId = Field(description="The id of the other job.", examples=["import"])
    on: Literal["success", "failure", "end"] = Field(
        default="success",
        description="How it has to end; failure: failed, timed out, lost, or could not be started. With `retry`"
        " the last attempt counts.",
    )


def _in_short(value: Any) -> Any:
    return {"job": value} if isinstance(value, str) else value


class _OrItsId:
    """The schema of what is read when a job id alone may stand for the object."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [JOB_ID_SCHEMA, handler(core)]}


AfterInShort = Annotated[After, BeforeValidator(_in_short), _OrItsId()]


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Watch:
    path: WatchPath = Field(
        description="A directory, a file, or a pattern with `*`, `?` and `[abc]`. The files that have come are in"
        " `JOBSCHEDD_PATH`, one a line.",
        examples=["/srv/in/*.csv", "/srv/in"],
    )
    settle: Duration = Field(
        default=2 * SECOND,
        json_schema_extra={"default": "2s"},
        description="How long nothing may be heard of the files before a run is told of them.",
    )
