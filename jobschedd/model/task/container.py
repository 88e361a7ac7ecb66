"""`container`: an image that podman or docker runs."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import CLOSED, UserName, checked, in_words
from jobschedd.model.span import show_value
from jobschedd.model.task.command import MAX_ARGUMENT
from jobschedd.model.task.environment import Environment

_IMAGE_FORM = 'write "docker.io/library/alpine:3.20"'
_VOLUME_FORM = 'write "/srv/data:/data", "/srv/data:/data:ro" or "name:/data"'
_PULLS = ("always", "missing", "never", "newer")


@checked
def _image(value: Any) -> str:
    # Never one that begins with "-": it would be an option of the engine.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][\x21-\x7e]{0,1023}", value):
        raise ValueError(f"cannot use {show_value(value)} as an image; {_IMAGE_FORM}")
    return value


@checked
def _arguments(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f'cannot use {show_value(value)} as arguments; write a list of texts: ["--verbose", "/data"]')
    longest = max((len(word.encode()) for word in value), default=0)
    if longest > MAX_ARGUMENT:
        raise ValueError(f"cannot pass {longest} bytes as one argument; the kernel takes {MAX_ARGUMENT}")
    return tuple(value)


@checked
def _volumes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"cannot use {show_value(value)} as volumes; write a list: [{_VOLUME_FORM[6:22]}]")
    for volume in value:
        # A path or the name of a volume, a path in the container, options.
        form = r"(/[^:\x00-\x1f\x7f]*|[A-Za-z0-9][A-Za-z0-9_.-]*):/[^:\x00-\x1f\x7f]*(:[A-Za-z0-9,=-]+)?"
        if not isinstance(volume, str) or not re.fullmatch(form, volume):
            raise ValueError(f"cannot use {show_value(volume)} as a volume; {_VOLUME_FORM}")
    return tuple(value)


def _pull(value: Any, info: ValidationInfo) -> str:
    choices = _PULLS if info.data.get("engine") == "podman" else _PULLS[:3]
    if value not in choices:
        form = ", ".join(f'"{choice}"' for choice in choices)
        raise in_words(ValueError(f"cannot use {show_value(value)} here; write one of {form}"))
    return str(value)


_TEXTS = {"type": "array", "items": {"type": "string"}}


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Container:
    """Run a container image."""

    type: Literal["container"] = Field(description="Says which task type the other keys are of.")
    image: Annotated[str, _image, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9][!-~]*$"})] = Field(
        description="With its registry and tag, as the engine takes it.",
        examples=["docker.io/library/alpine:3.20"],
    )
    args: Annotated[tuple[str, ...], _arguments, WithJsonSchema(_TEXTS)] = Field(
        default=(), description="After the image: its command, or what its entry point takes."
    )
    env: Environment = Field(
        default=(),
        json_schema_extra={"default": {}},
        description="Set in the container, beside `TZ` and what every run is told as `JOBSCHEDD_*`.",
    )
    volumes: Annotated[tuple[str, ...], _volumes, WithJsonSchema(_TEXTS)] = Field(
        default=(),
        description="What the container sees of the machine: source, place in the container, options.",
        examples=[["/srv/data:/data:ro", "cache:/var/cache"]],
    )
    engine: Literal["podman", "docker"] = Field(default="podman", description="What runs it; it has to be installed.")
    pull: Annotated[str, PlainValidator(_pull), WithJsonSchema({"enum": list(_PULLS)})] = Field(
        default="missing", description="When the image is fetched; `newer` is podman's alone."
    )
    user: UserName | None = Field(
        default=None, description="Who calls the engine: for podman, whose rootless container it is."
    )

    def launch(self, timezone: str | None) -> Launch:
        order = {
            "engine": self.engine,
            "image": self.image,
            "args": self.args,
            "env": self.env,
            "volumes": self.volumes,
            "pull": self.pull,
        }
        return Launch(
            argv=(sys.executable, "-I", "-m", "jobschedd.tasks.container"),
            user=self.user,
            stdin=json.dumps(order),
            timezone=timezone,
        )
