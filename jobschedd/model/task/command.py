"""`execute_command`: a command line, or an argument list."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import CLOSED, GroupName, Path, Umask, UserName, checked, in_words
from jobschedd.model.span import show_value
from jobschedd.model.task.environment import Environment, kind_of

MAX_ARGUMENT = 128 * 1024 - 1
"""The kernel's MAX_ARG_STRLEN less the NUL: a longer one is E2BIG at every start."""

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
def _stdin(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f'cannot pass {kind_of(value)} on standard input; write a text: "…"')
    return value


def _pam_session(value: Any, info: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise in_words(ValueError(f"cannot use {show_value(value)} here; write true or false"))
    # A `user` that is there but bad is a problem of its own.
    if value and info.data.get("user", "") is None:
        raise in_words(ValueError('cannot open a session for nobody; write the user too: "user": "www-data"'))
    return value


_COMMAND_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class ExecuteCommand:
    """Run a command."""

    type: Literal["execute_command"] = Field(description="Says which task type the other keys are of.")
    command: Annotated[str | tuple[str, ...], _command, WithJsonSchema(_COMMAND_SCHEMA)] = Field(
        description="A string is run by `shell`; a list is run as it is, without a shell.",
        examples=["/usr/bin/python3 /opt/report.py", ["/usr/bin/rsync", "-a", "/srv", "/backup"]],
    )
    shell: Annotated[tuple[str, ...], _shell, WithJsonSchema(_COMMAND_SCHEMA)] = Field(
        default=("/bin/sh", "-c"),
        description="What runs a command string, as text or list; the command is added as the last argument.",
        examples=["/bin/bash -c"],
    )
    user: UserName | None = Field(default=None, description="Run as this user, with its groups.")
    group: GroupName | None = Field(default=None, description="Primary group, instead of the user's own.")
    groups: tuple[GroupName, ...] | None = Field(
        default=None,
        description="Supplementary groups, instead of the user's own; an empty list: none.",
        examples=[["adm", "backup"]],
    )
    cwd: Path | None = Field(
        default=None, description="Working directory. Default: the home of `user`, else `/`.", examples=["/srv/www"]
    )
    env: Environment = Field(
        default=(),
        json_schema_extra={"default": {}},
        description="Added to the run's clean environment, last.",
        examples=[{"LANG": "de_DE.UTF-8"}],
    )
    env_file: Path | None = Field(
        default=None,
        description="A file of NAME=value lines, read at each start as the user of the run; `env` goes over it.",
        examples=["/etc/default/backup"],
    )
    umask: Umask = Field(
        default=0o022,
        json_schema_extra={"default": "022"},
        description="Permission bits that new files do not get, as octal text.",
    )
    stdin: Annotated[str | None, _stdin, WithJsonSchema({"type": "string"})] = Field(
        default=None, description="Text on standard input; without it /dev/null."
    )
    pam_session: Annotated[bool, PlainValidator(_pam_session), WithJsonSchema({"type": "boolean"})] = Field(
        default=False,
        description="Open a session with PAM around the run, as a login has one; needs `user`.",
    )

    def launch(self, timezone: str | None) -> Launch:
        argv = (*self.shell, self.command) if isinstance(self.command, str) else self.command
        return Launch(
            argv=argv,
            shell=self.shell[0],
            user=self.user,
            group=self.group,
            groups=self.groups,
            pam_session=self.pam_session,
            cwd=self.cwd,
            umask=self.umask,
            env=self.env,
            env_file=self.env_file,
            stdin=self.stdin,
            timezone=timezone,
        )
