"""A booted systemd with the service in it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machine import Machine, why_not


@pytest.fixture(scope="package")
def machine() -> Iterator[Machine]:
    reason = why_not()
    if reason:
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    made = Machine(Path(tempfile.mkdtemp(prefix="jobschedd-system-")))
    try:
        yield made
    finally:
        made.close()


def job(job_id: str, command: str, schedule: str = "* * * * * *", **keys: Any) -> str:
    return json.dumps(
        {"job_id": job_id, "schedule": schedule, "task": {"type": "execute_command", "command": command}} | keys
    )


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    """A machine on which the service runs and no job files lie about."""
    machine.systemctl("start", "jobschedd")
    yield machine
    machine.run("sh", "-c", "rm -rf /etc/jobs.d/* /etc/jobschedd")
    machine.systemctl("start", "jobschedd")
