"""Task types: each a model that becomes an argument vector, so all are limited, killed, logged and recorded alike.

A new type is a class here (or, later, behind an entry point in the group `jobschedd.tasks`) and a line in
TASK_TYPES. Nothing else in the program names a type.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictStr, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import (
    CLOSED,
    CleanText,
    Duration,
    GroupName,
    Path,
    Umask,
    UserName,
    Whole,
    checked,
)
from jobschedd.model.span import show_value

MAX_ENVIRONMENT = 128 * 1024
MAX_ARGUMENT = 128 * 1024 - 1
"""The kernel's MAX_ARG_STRLEN less the NUL: a longer one is E2BIG at every start."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMAND_FORM = 'write "/usr/bin/true --option" or ["/usr/bin/true", "--option"]'


@checked
def _command(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        words: tuple[str, ...] = (value,)
        result: str | tuple[str, ...] = value
    elif isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]:
        words = result = tuple(value)
    else:
        raise ValueError(f"cannot run {show_value(value)}; {_COMMAND_FORM}")
    for word in words:
        if len(word.encode()) > MAX_ARGUMENT:
            raise ValueError(f"cannot pass {len(word.encode())} bytes as one argument; the kernel takes {MAX_ARGUMENT}")
    return result


@checked
def _shell(value: Any) -> tuple[str, ...]:
    words = tuple(value.split()) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not words or not all(isinstance(word, str) for word in words) or not words[0].startswith("/"):
        raise ValueError(f'cannot use {show_value(value)} as a shell; write "/bin/bash -c"')
    return words


@checked
def _environment(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError(f'cannot read {show_value(value)} as an environment; write {{"NAME": "value"}}')
    for name, text in value.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"cannot use {show_value(name)} as the name of a variable; use letters, digits and _")
        if not isinstance(text, str):
            raise ValueError(f'cannot use {show_value(text)} as the value of {name}; write a text: "{text}"')
    size = sum(len(name) + len(text.encode()) + 2 for name, text in value.items())
    if size > MAX_ENVIRONMENT:
        raise ValueError(f"cannot pass an environment of {size} bytes; at most {MAX_ENVIRONMENT} are allowed")
    return tuple(value.items())


_COMMAND_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ],
}
_ENVIRONMENT_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "additionalProperties": {"type": "string"},
}


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class ExecuteCommand:
    """Run a command."""

    type: Literal["execute_command"]
    command: Annotated[str | tuple[str, ...], _command, WithJsonSchema(_COMMAND_SCHEMA)] = Field(
        description="A string is run by `shell`; a list is run as it is, without a shell.",
        examples=["/usr/bin/python3 /opt/report.py", ["/usr/bin/rsync", "-a", "/srv", "/backup"]],
    )
    shell: Annotated[tuple[str, ...], _shell, WithJsonSchema(_COMMAND_SCHEMA)] = Field(
        default=("/bin/sh", "-c"),
        description="What runs a command string, as text or list; the command is added as the last argument.",
        examples=["/bin/bash -c"],
    )
    user: UserName | None = Field(default=None, description="Run as this user, with all its groups.")
    group: GroupName | None = Field(default=None, description="Primary group, instead of the user's own.")
    cwd: Path | None = Field(default=None, description="Working directory; the home of `user`, else `/`.")
    env: Annotated[tuple[tuple[str, str], ...], _environment, WithJsonSchema(_ENVIRONMENT_SCHEMA)] = Field(
        default=(),
        description="Added to the run's clean environment.",
        examples=[{"LANG": "de_DE.UTF-8"}],
    )
    env_file: Path | None = Field(default=None, description="A file of NAME=value lines, read at each start.")
    umask: Umask = Field(
        default=0o022,
        json_schema_extra={"default": "022"},
        description="Permission bits that new files do not get, as octal text.",
    )
    stdin: CleanText | None = Field(default=None, description="Text on standard input; without it /dev/null.")

    NOT_YET: ClassVar[tuple[str, ...]] = ("env_file",)

    def launch(self, timezone: str | None) -> Launch:
        argv = (*self.shell, self.command) if isinstance(self.command, str) else self.command
        return Launch(
            argv=argv,
            shell=self.shell[0],
            user=self.user,
            group=self.group,
            cwd=self.cwd,
            umask=self.umask,
            env=self.env,
            stdin=self.stdin,
            timezone=timezone,
        )


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class HttpRequest:
    """Send one HTTP request and judge the answer."""

    type: Literal["http_request"]
    url: Annotated[StrictStr, Field(pattern=r"^https?://[^\s/]+")] = Field(examples=["https://example.org/ping"])
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    body: StrictStr | None = None
    expect_status: tuple[Annotated[int, Whole(100, 599)], ...] = (200,)
    timeout: Duration | None = None

    NOT_YET: ClassVar[tuple[str, ...]] = ("type",)


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Container:
    """Run a container image."""

    type: Literal["container"]
    image: Annotated[StrictStr, Field(min_length=1)]
    args: tuple[StrictStr, ...] = ()
    env: Annotated[tuple[tuple[str, str], ...], _environment, WithJsonSchema(_ENVIRONMENT_SCHEMA)] = ()
    volumes: tuple[StrictStr, ...] = ()
    pull: Literal["always", "missing", "never", "newer"] = "missing"
    engine: Literal["podman", "docker"] = "podman"

    NOT_YET: ClassVar[tuple[str, ...]] = ("type",)


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class StartUnit:
    """Start a systemd unit and take over its result."""

    type: Literal["start_unit"]
    unit: Annotated[
        StrictStr, Field(pattern=r"^[A-Za-z0-9:_.\\@-]+\.(service|target|timer|socket|mount|path|scope|slice)$")
    ]

    NOT_YET: ClassVar[tuple[str, ...]] = ("type",)


Task = Annotated[ExecuteCommand | HttpRequest | Container | StartUnit, Field(discriminator="type")]

TASK_TYPES: dict[str, type[Any]] = {
    "execute_command": ExecuteCommand,
    "http_request": HttpRequest,
    "container": Container,
    "start_unit": StartUnit,
}
