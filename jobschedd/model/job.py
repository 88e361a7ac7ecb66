"""What a job file may say, and how its bytes become a job or problems in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from dataclasses import fields, replace
from hashlib import sha256
from sys import intern
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    StrictBool,
    StrictStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.dataclasses import dataclass

from jobschedd.model.document import Place, read_document
from jobschedd.model.error import BadFile, Problem
from jobschedd.model.limits import Limits
from jobschedd.model.part import After, AfterInShort, Retry, Watch
from jobschedd.model.rule import CLOSED, Duration, JobId, SomeTime, Whole, checked
from jobschedd.model.run import SECOND
from jobschedd.model.sandbox import Sandbox
from jobschedd.model.schedule import Schedule, bound
from jobschedd.model.span import show_value
from jobschedd.model.task import TASK_TYPES, OneOfTheTypes, Task
from jobschedd.model.timing import DaysOff, Defaults, Moment, TimeZone, When
from jobschedd.model.wording import in_file_order, required, reword

if TYPE_CHECKING:
    from jobschedd.model.launch import Launch


_LABEL = "[A-Za-z][A-Za-z0-9_]{0,39}"


@checked
def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    form = 'write {"team": "sales"}'
    if not isinstance(value, dict):
        raise ValueError(f"cannot read {show_value(value)} as labels; {form}")
    for name, text in value.items():
        if not re.fullmatch(_LABEL, name):
            raise ValueError(f"cannot use {show_value(name)} as a label; use letters, digits and _, at most 40; {form}")
        if not isinstance(text, str) or len(text) > 256:
            raise ValueError(f"cannot use {show_value(text)} as the label {name}; a text of at most 256; {form}")
    return tuple(value.items())


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Job:
    """A job file that has been read and believed."""

    job_id: JobId = Field(description="Unique over all files.", examples=["daily-report"])
    description: Annotated[StrictStr, Field(max_length=4096)] = Field(default="", description="For people.")
    enabled: StrictBool = Field(default=True, description="false: loaded and listed, never due.")
    timezone: TimeZone = Field(
        default=None,
        description="IANA name. Cron fields and timestamps without offset are read in it. Default: the system's.",
        examples=["Europe/Berlin"],
    )
    schedule: When = Field(
        default=None,
        description="When: cron, a macro, `@every`, a timestamp, or a repeating interval; a list means any of them.",
        examples=[
            "0 1 * * *",
            "@daily",
            "H H(1-4) * * *",
            "@every 90s",
            "2026-09-20T02:00:00Z",
            "R5/2026-01-01T00:00:00Z/P1D",
            {"cron": "0 0 2 * * *", "seconds": "first"},
            ["0 1 * * 1-5", "0 6 * * 6,0"],
        ],
    )
    task: Annotated[Task, OneOfTheTypes()] = Field(description="What to run.")
    jitter: Duration = Field(default=0, description="Spread starts by a delay in [0, jitter), fixed per host and job.")
    from_: Moment = Field(
        default=None, alias="from", description="No instants before this timestamp or day.", examples=["2026-12-01"]
    )
    until: Moment = Field(
        default=None, description="No instants after this timestamp or day.", examples=["2026-12-31T12:00:00"]
    )
    except_: DaysOff = Field(
        default=(),
        alias="except",
        description="Days, or spans of days with both ends, that have no instants.",
        examples=[["2026-12-25", "2026-12-24/2027-01-02"]],
    )
    catch_up: SomeTime | None = Field(
        default=None,
        description="How old an instant may be and still run. Default: a tenth of the time to the next instant,"
        " at least a minute, at most an hour.",
        examples=["7d"],
    )
    coalesce: StrictBool = Field(default=True, description="Of several instants owed at once run the newest only.")
    overlap: Literal["skip", "queue", "allow", "replace"] = Field(
        default="skip", description="What an instant does while the last run is still going."
    )
    timeout: SomeTime | None = Field(default=None, description="How long a run may take. Then SIGTERM to all of it.")
    kill_after: SomeTime = Field(
        default=10 * SECOND, json_schema_extra={"default": "10s"}, description="SIGKILL this long after the SIGTERM."
    )
    success_codes: Annotated[
        tuple[Annotated[int, Whole(0, 255)], ...],
        Field(min_length=1),
    ] = Field(default=(0,), description="Exit codes that mean success.")
    leave_children: StrictBool = Field(
        default=False, description="Leave alone what is still running when the main process has ended."
    )
    retry: Retry | None = Field(default=None, description="Try again when a run fails.")
    on_lost: Literal["record", "rerun"] = Field(
        default="record", description="What to do about a run whose end nobody saw."
    )
    after: tuple[AfterInShort, ...] = Field(
        default=(),
        description="Run when one of these jobs has ended: a job id means when it succeeds.",
        examples=[["import"], ["import", {"job": "cleanup", "on": "failure"}]],
    )
    watch: Watch | None = Field(default=None, description="Run when a file is closed after writing or moved in.")
    limits: Limits = Field(default=Limits(), json_schema_extra={"default": {}}, description="Resource limits of a run.")
    sandbox: Sandbox = Field(
        default=(),
        json_schema_extra={"default": {}},
        description="systemd.exec settings by their own names; any makes the run a unit of systemd's.",
        examples=[{"ProtectSystem": "strict", "PrivateTmp": True}],
    )
    labels: Annotated[
        tuple[tuple[str, str], ...],
        _labels,
        WithJsonSchema(
            {
                "type": "object",
                "propertyNames": {"pattern": f"^{_LABEL}$"},
                "additionalProperties": {"type": "string", "maxLength": 256},
            }
        ),
    ] = Field(
        default=(),
        json_schema_extra={"default": {}},
        description="Kept in the record and in the journal.",
        examples=[{"team": "sales"}],
    )


KEYS = tuple(item.name.rstrip("_") for item in fields(Job))


def known_keys(place: Place, values: dict[str, Any]) -> list[str]:
    """The keys of the object at `place` of a job file. Those of a task type of somebody else's are its own to tell."""
    if not place:
        return list(KEYS)
    task = values.get("task")
    kind = task.get("type") if isinstance(task, dict) else None
    rooms: dict[Any, Any] = {"task": TASK_TYPES.get(str(kind)), "retry": Retry, "after": After}
    model = (rooms | {"watch": Watch, "limits": Limits}).get(place[0])
    return [item.name for item in fields(model)] if model else []


NO_LIMITS = Limits()

JOB = TypeAdapter(Job)


@plain_dataclass(frozen=True, slots=True)
class Definition:
    """A job with the file it came from."""

    job: Job
    schedule: Schedule | None
    """The job's schedule within its `from`, `until` and `except`."""
    path: str
    digest: str
    """SHA-256 of the file's content, hexadecimal."""
    terms: str
    """JSON of the keys that say when, with the zone that was meant: all that the instants follow from."""

    def launch(self) -> Launch:
        """How to start a run of it."""
        launch = self.job.task.launch(self.job.timezone)
        job = self.job
        if job.limits == NO_LIMITS and not job.leave_children and not job.sandbox:
            return launch
        return replace(launch, limits=job.limits, leave_children=job.leave_children, sandbox=job.sandbox)


def parse(name: str, path: str, data: bytes, defaults: Defaults) -> Definition:
    """Read one file. `name` ends in `.json` or `.toml`. Raises BadFile with all problems that were found."""
    written = read_document(name, data)
    # `x-` is free for the notes of other programs; everything else has to mean something.
    values = defaults.keys | {key: value for key, value in written.items() if not key.startswith("x-")}
    problems = []
    try:
        job: Job | None = JOB.validate_python(values, context=defaults)
    except ValidationError as error:
        job = None
        problems = reword(error, values, known_keys)
    if "schedule" not in values and not values.keys() & {"after", "watch"}:
        problems.append(required("schedule"))
    schedule = None
    if job is not None and job.schedule is not None:
        try:
            schedule = _within_bounds(job, job.schedule, defaults)
        except ValueError as error:
            problems.append(Problem("schedule", str(error)))
    if job is None or problems:
        raise BadFile(*in_file_order(problems, data, name))
    return Definition(job, schedule, path, sha256(data).hexdigest(), _terms(values, defaults))


TERMS = ("enabled", "schedule", "timezone", "from", "until", "except", "catch_up", "coalesce")


_write_terms = json.JSONEncoder(sort_keys=True).encode


def _terms(values: dict[str, Any], defaults: Defaults) -> str:
    terms = {"timezone": defaults.zone.key} | {key: values[key] for key in TERMS if key in values}
    # Thousands of jobs say the same few things.
    return intern(_write_terms(terms))


def read_terms(job_id: str, terms: str, zones: Callable[[str], ZoneInfo]) -> Definition:
    """A job again from its terms, for an audit of its instants. Raises BadFile where the zone is gone."""
    try:
        said: dict[str, Any] = dict(json.loads(terms))
    except (ValueError, TypeError):
        raise BadFile(Problem("", "cannot read when it was due: these are not its terms")) from None
    # A job without a schedule comes after another one, or watches.
    values: dict[str, Any] = {"after": ["another"]} | said
    values |= {"job_id": job_id, "task": {"type": "execute_command", "command": "true"}}
    return parse("record.json", "the record", json.dumps(values).encode(), Defaults(zones=zones))


def _within_bounds(job: Job, schedule: Schedule, defaults: Defaults) -> Schedule:
    zone = defaults.zones(job.timezone) if job.timezone else defaults.zone
    return bound(schedule, zone, first=job.from_, last=job.until, off=job.except_)
