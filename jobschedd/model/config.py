"""The daemon's own settings: flags beat the environment, which beats the settings file."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from jobschedd.model.error import BadFile, BadSetting
from jobschedd.model.job import parse
from jobschedd.model.places import Places
from jobschedd.model.rule import CLOSED, Duration, Path, SomeTime, Whole
from jobschedd.model.run import DAY, MINUTE, SECOND
from jobschedd.model.timing import Defaults
from jobschedd.model.wording import nearest, reword

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobschedd.model.document import Place


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _number(value: Any) -> Any:
    # The environment and the command line know texts only.
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else value


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Settings:
    jobs_dirs: Annotated[tuple[Path, ...], Field(min_length=1)] = Field(
        default=("/etc/jobs.d", "/run/jobs.d", "/usr/lib/jobs.d"),
        description="Job directories, highest first.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="The least important thing that is said."
    )
    log_format: Annotated[Literal["auto", "journal", "text", "json"], BeforeValidator(_lower)] = Field(
        default="auto", description="auto: the journal when started by systemd, else text on stderr."
    )
    catch_up_parallel: Annotated[int, Whole(1, 10_000), BeforeValidator(_number)] = Field(
        default=4, description="How many runs that are owed from before go on at once."
    )
    max_running: Annotated[int, Whole(1, 1_000_000), BeforeValidator(_number)] | None = Field(
        default=None, description="How many runs go on at once, of all jobs together; others wait. Default: no limit."
    )
    stop_runs: StrictBool = Field(
        default=False, description="End running jobs when the daemon stops; always so when systemd did not start it."
    )
    stop_grace: Duration = Field(
        default=30 * SECOND,
        json_schema_extra={"default": "30s"},
        description="What a run has to end by itself at such a stop, before it is killed.",
    )
    rescan_every: SomeTime = Field(
        default=5 * MINUTE,
        json_schema_extra={"default": "5m"},
        description="How often all files are looked at, whether the kernel reported a change or not.",
    )
    keep_runs_for: SomeTime = Field(
        default=90 * DAY, json_schema_extra={"default": "90d"}, description="How long the record keeps what happened."
    )
    keep_runs_per_job: Annotated[int, Whole(1, 100_000_000), BeforeValidator(_number)] = Field(
        default=1000, description="How many runs of one job the record keeps."
    )
    store: Annotated[StrictStr | None, Field(pattern=r"^sqlite:///[^\x00]+$")] = Field(
        default=None,
        description="Where the record is. Default: `record.db` in the state directory.",
        examples=["sqlite:///srv/jobschedd/record.db"],
    )
    defaults: dict[StrictStr, Any] = Field(
        default_factory=dict, description="Values for keys that a job file leaves out."
    )


SETTINGS = TypeAdapter(Settings)
KEYS = tuple(item.name for item in fields(Settings))


def read_settings(
    file: str, text: str | None, env: Mapping[str, str], flags: Mapping[str, Any], standard: Places
) -> Settings:
    """Settings from the text of the settings file (None: there is none), the environment and the flags.

    Raises BadSetting, naming the place, with every problem that was found.
    """
    values: dict[str, Any] = {"jobs_dirs": list(standard.jobs_dirs)}
    problems = []
    for source, layer in ((file, _from_file(file, text)), ("environment", _from_env(env)), ("flags", dict(flags))):
        problems += [f"{source}: {text}" for text in _problems(layer)]
        values |= layer
    if problems:
        raise BadSetting("; ".join(problems))
    settings: Settings = SETTINGS.validate_python(values)
    _check_defaults(file, settings.defaults)
    return settings


def _from_file(file: str, text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadSetting(f"{file}: cannot read the file as TOML: {error}") from None


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    for key in KEYS:
        value = env.get(f"JOBSCHEDD_{key.upper()}")
        if not value or key == "defaults":
            continue
        if key == "jobs_dirs":
            layer[key] = value.split(":")
        elif key == "stop_runs":
            layer[key] = {"true": True, "false": False, "1": True, "0": False}.get(value.lower(), value)
        else:
            layer[key] = value
    return layer


def _problems(layer: dict[str, Any]) -> list[str]:
    unknown = [f"{key}: unknown setting; {nearest(key, KEYS)}" for key in layer if key not in KEYS]
    try:
        SETTINGS.validate_python({key: value for key, value in layer.items() if key in KEYS})
    except ValidationError as error:
        return unknown + [str(problem) for problem in reword(error, layer, _no_keys)]
    return unknown


def _no_keys(_place: Place, _values: dict[str, Any]) -> list[str]:
    return list(KEYS)


def _check_defaults(file: str, keys: dict[str, Any]) -> None:
    """Each default must be good in a job file; better said once here than for every job."""
    own = {"job_id", "schedule", "task"} & keys.keys()
    if own:
        raise BadSetting(f"{file}: defaults.{min(own)}: belongs into each job file; leave it out of [defaults]")
    probe = b'{"job_id": "probe", "schedule": "@daily", "task": {"type": "execute_command", "command": "true"}}'
    try:
        parse("probe.json", file, probe, Defaults(keys=keys))
    except BadFile as error:
        text = "; ".join(f"defaults.{problem.where}: {problem.text}" for problem in error.problems)
        raise BadSetting(f"{file}: {text}") from None
