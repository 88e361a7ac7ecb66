"""Task types: each a model that becomes an argument vector, so all are limited, killed, logged and recorded alike.

A type is a class with a `type` that is its name and `launch`, which makes a Launch of its keys. One of ours is a file
here and a line in TASK_TYPES; one of somebody else's is an entry point in the group `jobschedd.tasks` (foreign.py).
Nothing else in the program names a type.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from jobschedd.model.rule import in_words
from jobschedd.model.span import show_value
from jobschedd.model.task.command import ExecuteCommand
from jobschedd.model.task.container import Container
from jobschedd.model.task.foreign import TaskType, TaskTypes, model_of, read_foreign
from jobschedd.model.task.http import HttpRequest
from jobschedd.model.task.unit import StartUnit
from jobschedd.model.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

    from jobschedd.model.launch import Launch

__all__ = [
    "TASK_TYPES",
    "Container",
    "ExecuteCommand",
    "HttpRequest",
    "OneOfTheTypes",
    "StartUnit",
    "Task",
    "TaskType",
    "TaskTypes",
    "model_of",
]

TASK_TYPES: dict[str, type[Any]] = {
    "execute_command": ExecuteCommand,
    "http_request": HttpRequest,
    "container": Container,
    "start_unit": StartUnit,
}


class Task(Protocol):
    @property
    def type(self) -> str: ...

    def launch(self, timezone: str | None) -> Launch:
        """How to start it, in a job that names this zone. Asked at each start, in the scheduler's thread."""


class OneOfTheTypes:
    """`Annotated[Task, OneOfTheTypes()]`: reads an object by the model that its `type` names."""

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        ours = handler.generate_schema(Annotated[reduce(or_, TASK_TYPES.values()), Field(discriminator="type")])
        return core_schema.with_info_wrap_validator_function(_read, ours)


def _read(value: Any, read_ours: Callable[[Any], Any], info: ValidationInfo) -> Any:
    name = value.get("type") if isinstance(value, dict) else None
    # One of ours is never looked up: nobody takes its name over, and nothing has to be loaded for it.
    if not isinstance(name, str) or name in TASK_TYPES:
        return read_ours(value)
    others: TaskTypes = getattr(info.context, "tasks", {})
    if name not in others:
        raise _unknown(name, others)
    return read_foreign(name, others, value, info.data.get("timezone"))


def _unknown(name: str, others: TaskTypes) -> PydanticCustomError:
    return in_words(
        ValueError(f"cannot find a task type {show_value(name)}; {nearest(name, [*TASK_TYPES, *others])}"),
    )
