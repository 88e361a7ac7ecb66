"""What a job file may say, and what is said about one that says something else."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model.error import BadFile
from jobschedd.model.job import parse
from jobschedd.model.timing import Defaults
from tests.conftest import definition, job_file, job_values


def problems(data: bytes | dict[str, Any], name: str = "x.json", defaults: Defaults | None = None) -> list[str]:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(BadFile) as caught:
        parse(name, f"/etc/jobs.d/{name}", raw, defaults or Defaults())
    return [f"{problem.where}: {problem.text}" if problem.where else problem.text for problem in caught.value.problems]


SMALLEST = b"""{
  "job_id": "daily-report",
  "description": "Sales report for the board",
  "schedule": "0 1 * * *",
  "task": {"type": "execute_command", "command": "/usr/bin/python3 /opt/report.py"}
}"""


def test_the_smallest_job_file_is_valid_as_it_stands() -> None:
    made = parse("daily.json", "/etc/jobs.d/daily.json", SMALLEST, Defaults())
    assert made.job.job_id == "daily-report"
    assert made.launch().argv == ("/bin/sh", "-c", "/usr/bin/python3 /opt/report.py")
    assert made.digest == sha256(SMALLEST).hexdigest()


def test_toml_says_the_same() -> None:
    data = b"""
    # For people who want comments.
    job_id = "daily-report"
    schedule = 2026-12-24T18:00:00Z
    [task]
    type = "execute_command"
    command = ["/usr/bin/true"]
    """
    made = parse("daily.toml", "/etc/jobs.d/daily.toml", data, Defaults())
    assert made.job.schedule is not None
    assert made.job.schedule.text == "2026-12-24T18:00:00+00:00"
    assert made.launch().argv == ("/usr/bin/true",)


def test_a_problem_names_the_place_what_is_wrong_and_the_right_form() -> None:
    data = job_values(retry={"attempts": 3, "delay": "10 parsecs"})
    expected = 'retry.delay: cannot read "10 parsecs" as a duration; write "10s", "5m", "1h30m", or a number of seconds'
    assert expected in problems(data)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"retry": {"factor": -1}}, "retry.factor: cannot use -1 here; write a number, 1 or more"),
        ({"retry": {"factor": 101}}, "retry.factor: cannot use 101 here; write a number, 100 or less"),
        ({"success_codes": []}, "success_codes: cannot use [] here; write at least one"),
        ({"success_codes": ["a"]}, 'success_codes[0]: cannot use "a" here; write a whole number from 0 to 255'),
    ],
)
def test_a_problem_is_told_once_and_in_our_words(keys: dict[str, Any], told: str) -> None:
    assert problems(job_values(**keys)) == [told]


def test_a_problem_knows_its_line_and_column() -> None:
    data = b'{\n  "job_id": "a",\n  "schedule": "0 1 * * *",\n  "task": {\n    "type": "execute_command",\n    "command": []\n  }\n}'
    with pytest.raises(BadFile) as caught:
        parse("x.json", "/etc/jobs.d/x.json", data, Defaults())
    (problem,) = caught.value.problems
    assert (problem.where, problem.line, problem.column) == ("task.command", 6, 5)


def test_several_problems_are_reported_together_in_the_order_of_the_file() -> None:
    found = problems(job_values("a b", "61 * * * *", enabled="yes", timezone="Mars/Olympus"))
    assert [text.partition(":")[0] for text in found] == ["job_id", "schedule", "enabled", "timezone"]


@pytest.mark.fault("A17")
@pytest.mark.parametrize(
    ("key", "hint"),
    [("timout", 'did you mean "timeout"?'), ("shedule", 'did you mean "schedule"?'), ("zzz", "known are after")],
)
def test_an_unknown_key_names_the_nearest_known_one(key: str, hint: str) -> None:
    (found,) = problems(job_values() | {key: 1})
    assert found.startswith(f"{key}: unknown key; {hint}")


@pytest.mark.fault("A17")
def test_an_unknown_key_inside_is_known_by_its_surroundings() -> None:
    values = job_values()
    values["task"]["comand"] = "x"
    assert 'task.comand: unknown key; did you mean "command"?' in problems(values)


@pytest.mark.fault("A17")
def test_keys_that_begin_with_x_are_free_for_others() -> None:
    assert definition("a", **{"x-owner": {"any": ["thing"]}}).job.job_id == "a"


@pytest.mark.fault("A08")
@pytest.mark.parametrize(
    "job_id",
    ["../../etc/x", "/", ".", "", "a..b", "x" * 10_240, "-rf", "a b", "a\n", "\u0430dmin", "a/b", "%s", None, 5, ["a"]],
)  # one begins with a Cyrillic letter
def test_an_id_is_letters_digits_and_a_few_signs(job_id: Any) -> None:
    (found,) = problems(job_values(job_id))
    assert found.startswith("job_id: cannot use ")


@pytest.mark.fault("A08")
@pytest.mark.parametrize("job_id", ["a", "A.b_c@d-9", "con", "x" * 128])
def test_every_other_id_is_an_id(job_id: str) -> None:
    assert definition(job_id).job.job_id == job_id


@pytest.mark.fault("A15")
@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"enabled": 1}, "enabled"),
        ({"enabled": "true"}, "enabled"),
        ({"description": 5}, "description"),
        ({"success_codes": [True]}, "success_codes[0]"),
        ({"success_codes": [0.0]}, "success_codes[0]"),
        ({"success_codes": ["0"]}, "success_codes[0]"),
        ({"success_codes": [256]}, "success_codes[0]"),
        ({"success_codes": [2**63]}, "success_codes[0]"),
        ({"success_codes": []}, "success_codes"),
        ({"retry": {"attempts": True}}, "retry.attempts"),
        ({"retry": {"attempts": 10**30}}, "retry.attempts"),
        ({"limits": {"nofile": "many"}}, "limits.nofile"),
        ({"limits": {"memory": True}}, "limits.memory"),
        ({"timezone": 1}, "timezone"),
        ({"labels": {"a": 1}}, "labels"),
        ({"schedule": 5}, "schedule"),
        ({"schedule": {"cron": "* * * * *", "extra": 1}}, "schedule"),
        ({"after": "job"}, "after"),
        ({"watch": {"path": "relative"}}, "watch.path"),
        ({"except": ["tomorrow"]}, "except"),
        ({"except": "2026-12-25"}, "except"),
        ({"except": ["2026-02-30"]}, "except"),
        ({"except": ["2026-12-26/2026-12-25"]}, "except"),
        ({"except": ["2026-12-24/2026-12-25/2026-12-26"]}, "except"),
        ({"except": ["1969-12-25"]}, "except"),
        ({"except": ["2026-12-25"] * 101}, "except"),
        ({"except": [20261225]}, "except"),
        ({"from": 5}, "from"),
        ({"until": "2026-02-30"}, "until"),
        ({"coalesce": 1}, "coalesce"),
        ({"jitter": "-5s"}, "jitter"),
        ({"from": "soon"}, "from"),
    ],
)
def test_types_are_strict_and_numbers_have_bounds(keys: dict[str, Any], where: str) -> None:
    assert any(found.startswith(f"{where}: cannot ") for found in problems(job_values() | keys))


@pytest.mark.fault("A18")
@pytest.mark.parametrize("key", ["timeout", "kill_after", "catch_up"])
@pytest.mark.parametrize(
    "value", [0, -1, "0s", "1us", 1e-9, 1e30, 10**30, "1e9d", "99999999999999999999y", True, 10**400, [[]], {"a": 1}]
)
def test_times_have_a_least_and_a_most(key: str, value: Any) -> None:
    found = problems(job_values() | {key: value})
    assert any(text.startswith(f"{key}: cannot ") for text in found)


@pytest.mark.fault("A21")
@pytest.mark.parametrize("key", ["user", "group"])
@pytest.mark.parametrize("name", ["0day", "-1", "4294967295", "4294967296", "root ", "0", 0, "", "a b", "x" * 64, True])
def test_a_user_is_a_name_and_never_a_number(key: str, name: Any) -> None:
    values = job_values()
    values["task"][key] = name
    (found,) = problems(values)
    assert found.startswith(f"task.{key}: cannot use ")


@pytest.mark.fault("A23")
@pytest.mark.parametrize(
    "env",
    [{"": "x"}, {"A=B": "x"}, {"A B": "x"}, {"1A": "x"}, {"A": 1}, {"A": None}, ["A"], {"A": "x" * (128 * 1024)}],
)
def test_an_environment_has_names_texts_and_a_size(env: Any) -> None:
    values = job_values()
    values["task"]["env"] = env
    (found,) = problems(values)
    assert found.startswith("task.env: cannot ")


@pytest.mark.fault("A25")
@pytest.mark.parametrize("command", ["", "  ", [], [""], ["a", 1], None, 5, {"a": 1}, "x" * 200_000, ["x" * 200_000]])
def test_a_command_is_a_text_or_a_list_of_texts(command: Any) -> None:
    (found,) = problems(job_values(command=command))
    assert found.startswith("task.command: cannot ")


@pytest.mark.fault("A25")
def test_a_list_is_run_as_it_is_and_a_string_by_the_shell() -> None:
    assert definition(command=["-x", "$HOME;", ""]).launch().argv == ("-x", "$HOME;", "")
    assert definition(command="-x $HOME;").launch().argv == ("/bin/sh", "-c", "-x $HOME;")
    values = job_values(command="echo")
    values["task"]["shell"] = "/bin/bash -euc"
    assert parse("x.json", "x", json.dumps(values).encode(), Defaults()).launch().argv == ("/bin/bash", "-euc", "echo")


@pytest.mark.fault("A50")
@pytest.mark.parametrize(
    "zone",
    [
        "../../etc/passwd",
        "/etc/localtime",
        "posixrules",
        "leapseconds",
        "localtime",
        ":UTC",
        "Europe",
        "",
        "UTC\n",
        "x" * 500,
    ],
)
def test_a_zone_is_a_name_of_the_zone_database(zone: str) -> None:
    (found,) = problems(job_values(timezone=zone))
    assert found.startswith("timezone: cannot ")


@pytest.mark.fault("A51")
@pytest.mark.parametrize("path", ["~/work", "$HOME/work", "*/x", "work"])
def test_nothing_is_expanded_in_paths(path: str) -> None:
    values = job_values()
    values["task"]["cwd"] = path
    (found,) = problems(values)
    assert found.startswith("task.cwd: cannot use ")


@pytest.mark.fault("A51")
@pytest.mark.parametrize("key", ["include", "$ref", "$schema", "import"])
def test_files_do_not_include_others(key: str) -> None:
    assert any(found.startswith(f"{key}: unknown key") for found in problems(job_values() | {key: "/etc/passwd"}))


def test_missing_keys_are_named_with_their_form() -> None:
    found = problems({})
    assert [text.partition(";")[0] for text in found] == [
        "job_id: is required",
        "task: is required",
        "schedule: is required",
    ]


def test_a_task_type_that_does_not_exist_names_the_nearest() -> None:
    values = job_values() | {"task": {"type": "exec_command", "command": "x"}}
    assert problems(values) == ['task: cannot find a task type "exec_command"; did you mean "execute_command"?']


@pytest.mark.parametrize("task", [None, "ls", [], {}, {"command": "ls"}])
def test_a_task_is_an_object_with_a_type(task: Any) -> None:
    (found,) = problems(job_values() | {"task": task})
    assert found.startswith("task: ")


def test_defaults_stand_where_the_file_is_silent() -> None:
    defaults = Defaults(ZoneInfo("Europe/Berlin"), {"overlap": "allow", "timezone": "Asia/Tokyo"})
    made = parse("x.json", "x", job_file(), defaults)
    assert (made.job.overlap, made.job.timezone) == ("allow", "Asia/Tokyo")
    made = parse("x.json", "x", job_file(overlap="skip"), defaults)
    assert made.job.overlap == "skip"


def test_without_a_timezone_the_system_s_is_meant() -> None:
    berlin = parse("x.json", "x", job_file(schedule="2026-07-01T12:00:00"), Defaults(ZoneInfo("Europe/Berlin")))
    assert berlin.job.schedule is not None
    assert berlin.job.schedule.next(0) == 1_782_900_000_000_000


def test_a_file_of_the_largest_size_is_read_in_bounded_time() -> None:
    """Whatever a megabyte holds, the loader is not kept busy by it."""
    hostile = [
        b'{"a":' * 150_000,
        b'{"job_id": "' + b"x" * 1_000_000 + b'"}',
        json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
        json.dumps({"job_id": "a", "schedule": "1," * 400_000}).encode(),
        json.dumps({"success_codes": list(range(150_000))}).encode(),
    ]
    for data in hostile:
        began = time.process_time()
        problems(data)
        assert time.process_time() - began < 5
