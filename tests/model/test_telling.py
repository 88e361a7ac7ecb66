"""A job, told in the words of a job file, is that job again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobschedd.model.job import parse
from jobschedd.model.telling import tell
from jobschedd.model.timing import Defaults
from tests.conftest import job_file

COMMAND = {"type": "execute_command", "command": "true"}


def again(values: dict[str, Any]) -> dict[str, Any]:
    """What is told of a job; it has to be read as the same one."""
    first = parse("a.json", "/etc/jobs.d/a.json", json.dumps(values).encode(), Defaults())
    told = tell(first)
    second = parse("a.json", "/etc/jobs.d/a.json", json.dumps(told).encode(), Defaults())
    assert second.job == first.job
    assert second.schedule == first.schedule
    return told


def test_what_stands_at_its_default_is_not_told() -> None:
    values = {"job_id": "a", "schedule": "0 1 * * *", "task": COMMAND}
    assert again(values | {"overlap": "skip", "jitter": 0, "labels": {}}) == values


@pytest.mark.parametrize(
    "more",
    [
        {
            "schedule": ["0 1 * * *", "@every 5m"],
            "timezone": "Europe/Berlin",
            "from": "2026-01-01",
            "until": "2027-02-03",
        },
        {"schedule": {"cron": "0 0 2 * * *", "seconds": "first"}, "except": ["2026-12-25", "2026-12-26/2027-01-02"]},
        {"jitter": "90s", "timeout": "1h1m1s", "kill_after": "1500ms", "catch_up": "7d", "coalesce": False},
        {"retry": {"attempts": 5, "delay": "10s", "factor": 1.5, "max_delay": "2h"}, "success_codes": [0, 3]},
        {"after": ["b", {"job": "c", "on": "failure"}], "watch": {"path": "/srv/*.csv", "settle": "0"}},
        {"limits": {"memory": "512M", "cpu": "150%", "nice": 5, "ionice": "idle", "core": 0}, "leave_children": True},
        {"sandbox": {"PrivateTmp": True, "ReadOnlyPaths": ["/x", "/y"], "ProtectSystem": "strict"}, "on_lost": "rerun"},
        {"labels": {"team": "sales", "tier": "2"}, "enabled": False, "description": "a → b"},
        {
            "task": COMMAND
            | {"command": ["a", "b"], "umask": "077", "env": {"A": "1"}, "user": "www-data", "stdin": "x"}
        },
        {"task": COMMAND | {"shell": "/bin/bash -ec", "groups": ["adm"], "user": "www-data", "pam_session": True}},
        {"task": {"type": "http_request", "url": "http://localhost/x", "headers": {"A": "b"}, "expect_status": [204]}},
        {"task": {"type": "container", "image": "docker.io/library/alpine", "args": ["ls"], "env": {"A": "b"}}},
        {"task": {"type": "start_unit", "unit": "backup.service"}},
    ],
)
def test_every_key_is_told_in_the_form_that_the_file_has(more: dict[str, Any]) -> None:
    told = again({"job_id": "a", "schedule": "0 1 * * *", "task": COMMAND} | more)
    for key, value in more.items():
        if key not in ("after", "watch", "task", "limits", "jitter", "timeout", "kill_after", "retry"):
            assert told[key] == value


def test_the_examples_are_told_as_they_are() -> None:
    for path in sorted(Path(__file__).parents[2].glob("examples/jobs.d/*.json")):
        again(json.loads(path.read_bytes()))
    again(json.loads(job_file("a", "@daily")))
