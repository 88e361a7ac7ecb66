"""`jobctl schema` says what the parser does: read by a validator that knows nothing of us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from jobschedd.ctl.schema import schema
from jobschedd.model.error import BadFile
from jobschedd.model.job import KEYS, parse
from jobschedd.model.span import parse_duration, parse_size
from jobschedd.model.task import TASK_TYPES
from jobschedd.model.timing import Defaults
from tests.conftest import job_values

SCHEMA = schema()
VALIDATOR = Draft202012Validator(SCHEMA)

TASKS: dict[str, dict[str, Any]] = {
    "execute_command": {"command": "true"},
    "http_request": {"url": "https://example.org/"},
    "container": {"image": "alpine"},
    "start_unit": {"unit": "backup.service"},
}
"""Of each type the least that may be said."""

WITH_WHAT_THEY_NEED = {"pam_session": {"user": "www-data"}}
"""Keys that are refused without another."""


def with_task(kind: str, **keys: Any) -> dict[str, Any]:
    return job_values() | {"task": {"type": kind} | TASKS[kind] | keys}


def is_read(values: dict[str, Any]) -> bool:
    try:
        parse("x.json", "x", json.dumps(values).encode(), Defaults())
    except BadFile:
        return False
    return True


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """The object that a key holds, where it holds one of ours."""
    for branch in (part, *part.get("anyOf", ()), *part.get("items", {}).get("anyOf", ())):
        if "$ref" in branch:
            return dict(SCHEMA["$defs"][branch["$ref"].rpartition("/")[2]])
    return {}


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a job file: what it is called here, and its schema."""
    yield "job", SCHEMA
    for key, part in SCHEMA["properties"].items():
        if found := resolve(part):
            yield key, found
    for kind, model in TASK_TYPES.items():
        yield kind, SCHEMA["$defs"][model.__name__]
    yield "sandbox", SCHEMA["properties"]["sandbox"]
    yield "schedule", SCHEMA["properties"]["schedule"]["anyOf"][1]


def keys() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, found in objects():
        for key, part in found["properties"].items():
            yield name, key, part


def place(name: str, key: str, value: Any) -> dict[str, Any]:
    """A job file in which a key of one of its objects has a value."""
    if name == "job":
        return job_values() | {key: value}
    if name in TASKS:
        return with_task(name, **WITH_WHAT_THEY_NEED.get(key, {}) | {key: value})
    least = {"watch": {"path": "/srv/in"}, "after": {"job": "a"}, "schedule": {"cron": "* * * * * *"}}.get(name, {})
    inner = least | {key: value}
    return job_values() | {name: [inner] if name == "after" else inner}


def test_it_is_a_schema_and_has_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(SCHEMA["properties"]) == set(KEYS)
    assert {name for name, _ in objects()} >= {"retry", "after", "watch", "limits", *TASK_TYPES}


def test_every_object_is_closed_and_x_is_free_at_the_top_alone() -> None:
    for name, found in objects():
        assert found["additionalProperties"] is False, name
        assert list(found.get("patternProperties", ())) == (["^x-"] if name == "job" else []), name


def test_every_key_is_described() -> None:
    found = list(keys())
    assert len(found) > 150
    assert [(name, key) for name, key, part in found if not part.get("description", "").endswith(".")] == []


def test_a_form_that_is_not_obvious_has_an_example() -> None:
    """A text that has to fit a pattern, and a value that may have several forms."""
    lacking = []
    for name, key, part in keys():
        branches = [branch for branch in part.get("anyOf", [part]) if branch.get("type") != "null"]
        formed = len(branches) > 1 or any("pattern" in branch or "anyOf" in branch for branch in branches)
        shown = "examples" in part or part.get("default") or any("examples" in branch for branch in branches)
        if formed and not shown and name != "sandbox":  # those say the form in the description
            lacking.append((name, key))
    assert lacking == []


def test_what_it_shows_as_an_example_or_a_default_is_good() -> None:
    shown = 0
    for name, key, part in keys():
        parts = [part, *(branch for branch in part.get("anyOf", ()) if key != "schedule" or name != "job")]
        examples = [example for one in parts for example in one.get("examples", ())]
        examples += [one["default"] for one in parts if "default" in one]
        for example in examples:
            values = place(name, key, example)
            VALIDATOR.validate(values)
            parse("x.json", "x", json.dumps(values).encode(), Defaults())
            shown += 1
    assert shown > 60


BAD = [
    *(place("job", key, value) for key in KEYS for value in (["x", 1, None], {"a": {"b": 1}})),
    {},
    {"job_id": "a", "schedule": "@daily"},
    {"job_id": "a", "task": {"type": "execute_command", "command": "true"}},
    job_values() | {"timout": "5m"},
    job_values() | {"X-note": 1},
    job_values() | {"task": "true"},
    job_values() | {"task": {"command": "true"}},
    job_values() | {"task": {"type": "exec_command", "command": "true"}},
    job_values() | {"task": {"type": "execute_command", "x-note": 1, "command": "true"}},
    *({**job_values(), "task": {"type": kind}} for kind in TASKS),
    *(with_task(kind, comand="true") for kind in TASKS),
    *(place(name, key, value) for name, key, _ in keys() for value in ([[]], {"a": []}) if name != "job"),
    *(place("job", "job_id", value) for value in (5, "", "a b", "a..b", "-a", "x" * 129)),
    *(
        place("job", "schedule", value)
        for value in (5, "", [], ["@daily"] * 9, {}, {"cron": 1}, {"cron": "@daily", "x": 1})
    ),
    *(place("job", "schedule", {"cron": "* * * * * *", "seconds": value}) for value in ("middle", 1, None)),
    *(place("job", key, value) for key in ("enabled", "coalesce", "leave_children") for value in ("yes", 1, None)),
    *(
        place("job", key, value)
        for key in ("timeout", "kill_after", "jitter")
        for value in ("10 parsecs", "", -1, True)
    ),
    *(place("job", key, 0) for key in ("timeout", "kill_after", "catch_up")),
    *(place("job", "overlap", value) for value in ("never", "SKIP", None, True)),
    *(place("job", "on_lost", value) for value in ("retry", 1)),
    *(place("job", "success_codes", value) for value in ([], [256], [-1], ["0"], [True], 0)),
    *(place("job", "except", value) for value in ("2026-12-25", ["tomorrow"], ["2026-12-25"] * 101, [20261225])),
    *(place("job", key, value) for key in ("from", "until") for value in (5, "soon")),
    *(place("job", "labels", value) for value in ({"a b": "x"}, {"a": 1}, {"a": "x" * 257}, [])),
    *(place("job", "after", value) for value in ("a", ["a b"], [{"on": "end"}], [{"job": "a", "on": "ok"}])),
    *(place("job", "sandbox", value) for value in ({"PrivateTemp": True}, {"PrivateTmp": 5}, {"ProcSubset": "none"})),
    *(place("job", "timezone", value) for value in (1, "", "../UTC", "UTC\nX")),
    *(place("retry", "attempts", value) for value in (0, 1001, "3", True)),
    *(place("retry", "factor", value) for value in (0.5, 101, "2")),
    *(place("watch", "path", value) for value in ("relative", 5)),
    *(place("limits", "memory", value) for value in ("lots", -1, True, "5X")),
    *(place("limits", "cpu", value) for value in (150, "150", "0%", "1.5%")),
    *(place("limits", key, "7") for key in ("tasks", "io_weight", "nice", "nofile", "oom_score_adj")),
    *(place("limits", "nice", value) for value in (-21, 20)),
    *(place("execute_command", "command", value) for value in ("", [], ["a", 1], None, 5)),
    *(place("execute_command", "user", value) for value in ("0day", 0, "", "a b", "x" * 64, True)),
    *(place("execute_command", "umask", value) for value in (22, "9", "0o22")),
    *(place("execute_command", "env", value) for value in ({"A=B": "x"}, {"A": 1}, {"A": None}, ["A"])),
    *(place("execute_command", "cwd", value) for value in ("~/work", 5)),
    *(place("http_request", "url", value) for value in ("ftp://example.org", "example.org", 5)),
    *(place("http_request", "method", value) for value in ("get", "TRACE")),
    *(place("http_request", "expect_status", value) for value in (99, 600, "2xx", [], [True])),
    *(place("container", "image", value) for value in ("-v", "", 5)),
    *(place("container", "pull", value) for value in ("often", True)),
    *(place("container", "engine", value) for value in ("rkt", None)),
    *(place("start_unit", "unit", value) for value in ("backup", "-x.service", "a/b.service", 5)),
]


@pytest.mark.parametrize("values", BAD, ids=lambda values: json.dumps(values)[:200])
def test_what_the_parser_refuses_for_its_form_the_schema_refuses(values: dict[str, Any]) -> None:
    assert not is_read(values), "this is no bad file"
    assert not VALIDATOR.is_valid(values)


GOOD = [
    job_values() | {"x-owner": {"any": ["thing"]}},
    job_values(schedule=None, after=["a", {"job": "b"}]),
    job_values(schedule=None, watch={"path": "/srv/in/*.csv", "settle": 0}),
    *(place("job", "timeout", value) for value in ("1h 30min", " 90 ", "2.5s", 0.5, "1w2d", "90", "3 µs 1s", None)),
    *(place("job", "jitter", value) for value in (0, "0")),
    *(place("job", "from", value) for value in ("2026-12-25", "20261225T020000Z", "2026-12-25 02:00")),
    *(place("limits", "memory", value) for value in ("512M", "1.5 G", 0, "100B", "7", None)),
    *(place("execute_command", "user", value) for value in ("_apt", "host$", "a.b", None)),
    *(place("execute_command", "groups", value) for value in ([], ["adm"], None)),
    *(place("http_request", "expect_status", value) for value in ("200-299", [200, "400-499"], 599)),
    *(place("sandbox", "PrivateTmp", value) for value in (True, "yes", "no")),
    *(with_task(kind) for kind in TASKS),
]


@pytest.mark.parametrize("values", GOOD, ids=lambda values: json.dumps(values)[:200])
def test_what_the_parser_reads_the_schema_lets_through(values: dict[str, Any]) -> None:
    assert is_read(values), "this is no good file"
    VALIDATOR.validate(values)


PIECES = st.lists(
    st.sampled_from(["1", "30", "2.5", ".", "s", "m", "min", "months", "µs", "us", "G", "B", " ", "\t", "x"])
)


@given(PIECES.map("".join))
def test_a_span_that_is_read_fits_its_pattern(text: str) -> None:
    for read, values in ((parse_duration, place("job", "jitter", text)), (parse_size, place("limits", "core", text))):
        try:
            read(text)
        except ValueError:
            continue
        assert VALIDATOR.is_valid(values)
