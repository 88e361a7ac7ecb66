"""Task types of other packages: read by their own models, asked once for their Launch, believed in nothing.

Whatever such a type does wrong is a problem of the files that name it. Nothing of it runs after a file has been read:
its Launch is made then, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails

from jobschedd.model.document import read_document
from jobschedd.model.error import BadFile
from jobschedd.model.launch import Launch
from jobschedd.model.rule import in_words
from jobschedd.model.task.command import ExecuteCommand
from jobschedd.model.wording import nearest

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class TaskType:
    """A type that some package brings, as it was found."""

    origin: str
    """For people: the package and the class."""
    load: Callable[[], Any]
    """Gives what the package calls its class. May raise anything: it runs the package's code."""


TaskTypes = Mapping[str, TaskType]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a task of a foreign type when its file was read."""

    type: str
    made: Launch

    @property
    def user(self) -> str | None:
        return self.made.user

    @property
    def group(self) -> str | None:
        return self.made.group

    def launch(self, _timezone: str | None) -> Launch:
        return self.made


def model_of(name: str, types: TaskTypes) -> type[Any]:
    """The class of a type that is among `types`. Raises ValueError with a whole sentence."""
    found = types[name]
    try:
        model = found.load()
        named = get_args(keys_of(model)["type"].annotation)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's code, which may even want to exit
        raise ValueError(f"cannot load the task type {name} from {found.origin}: {_say(error)}") from None
    if name not in named or not callable(getattr(model, "launch", None)):
        raise ValueError(
            f"cannot use the task type {name} from {found.origin}; its class has to have"
            f' type: Literal["{name}"] and launch(self, timezone) -> Launch',
        )
    # What an entry point loads may be anything: it has just been looked at.
    return model  # type: ignore[no-any-return]


def keys_of(model: Any) -> dict[str, Any]:
    """The fields of a pydantic dataclass or BaseModel by name. Raises TypeError for anything else."""
    found = getattr(model, "__pydantic_fields__", None)
    if not isinstance(model, type) or not isinstance(found, dict) or "type" not in found:
        raise TypeError("it is not a pydantic dataclass or BaseModel with a field `type`")
    return found


def read_foreign(name: str, types: TaskTypes, value: dict[str, Any], timezone: str | None) -> Made:
    """The task that `value` describes. Raises ValidationError, or ValueError with a whole sentence for pydantic."""
    try:
        model = model_of(name, types)
    except ValueError as error:
        raise in_words(error) from None
    known = {field.alias or key for key, field in keys_of(model).items()}
    unknown = [
        InitErrorDetails(type=in_words(ValueError(f"unknown key; {nearest(key, known)}")), loc=(key,), input=None)
        for key in value
        if key not in known
    ]
    if unknown:
        raise ValidationError.from_exception_data(name, unknown)
    try:
        task = TypeAdapter(model).validate_python(value)
        launch = task.launch(timezone)
    except ValidationError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        raise _bad(name, types, _say(error)) from None
    fault = _fault_of(launch)
    if fault:
        raise _bad(name, types, fault)
    return Made(name, replace(launch, timezone=timezone))


def _bad(name: str, types: TaskTypes, fault: str) -> PydanticCustomError:
    return in_words(
        ValueError(f"cannot start what the task type {name} from {types[name].origin} makes of it: {fault}")
    )


def _fault_of(launch: Any) -> str:
    """Why a Launch is not one that we would have made; empty: it is."""
    if type(launch) is not Launch:
        return f"launch() returned {type(launch).__name__}, not a jobschedd.model.launch.Launch"
    plain = {field.name for field in fields(ExecuteCommand)} & {field.name for field in fields(Launch)}
    try:
        values = {key: getattr(launch, key) for key in plain} | {
            "type": "execute_command",
            "command": list(launch.argv),
            "shell": [launch.shell],
            "env": dict(launch.env),
            "umask": f"{launch.umask:03o}",
        }
        written = read_document("launch.json", json.dumps(values).encode())
        same = TypeAdapter(ExecuteCommand).validate_python(written).launch(None)
    except BadFile as error:
        return str(error.problems[0])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = {"command": "argv"}.get(str(first["loc"][0]), first["loc"][0])
        return f"{key}: {first['msg']}"
    except (TypeError, ValueError) as error:
        return str(error)
    # Tuples all through, and nothing that is the job's to say: its limits, its sandbox.
    return "" if replace(launch, timezone=None) == same else "its parts are not what Launch says they are"


def _say(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
