"""docs/jobctl.md shows what jobctl says. With JOBSCHEDD_WRITE_DOCS=1 the page is written again where it says something else.

The block of `logs`, which needs a journal, is compared with what jobctl makes of the same entries.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.transcript import steady, transcribe
from tests.ctl.conftest import Tell, jobctl, sockets, tell
from tests.test_daemon import Process, as_root, ran, start

__all__ = ["sockets", "start", "tell"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/jobctl.md"

JOBS = {
    "backup": {
        "description": "Copies what matters",
        "schedule": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "timeout": "2h",
        "task": {"type": "execute_command", "command": "echo copied 3 files"},
    },
    "report": {
        "description": "Numbers for the board",
        "schedule": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "task": {"type": "execute_command", "command": "echo no database >&2; sleep 0.5; exit 3"},
    },
}


@as_root
@pytest.mark.slow
def test_the_page_shows_what_jobctl_says(tmp_path: Path, start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    for job, values in JOBS.items():
        (daemon.jobs / f"{job}.json").write_text(json.dumps({"job_id": job} | values))
        daemon.until("job_loaded", ran(job))
    (daemon.jobs / "sync.json").write_text(
        json.dumps({"job_id": "sync", "schedule": "61 * * * *", "task": JOBS["backup"]["task"]})
    )
    daemon.until("problem_found")

    def run(line: str) -> str:
        words = shlex.split(line.replace("/etc/jobs.d", str(daemon.jobs)))
        assert words[0] == "jobctl"
        done = subprocess.run(
            [sys.executable, "-m", "jobschedd.ctl", *words[1:]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60, cwd=ROOT,
            env=os.environ | {"JOBSCHEDD_RUNTIME_DIR": str(daemon.runtime), "JOBSCHEDD_STATE_DIR": str(daemon.state),
                              "JOBSCHEDD_CONFIG": str(tmp_path / "none.toml")},
        )  # fmt: skip
        if words[1:3] == ["run", "report"]:
            daemon.until("run_started", ran("report"))
        if words[1:3] == ["stop", "report"]:
            daemon.until("run_ended", ran("report"))
        return done.stdout.replace(str(daemon.jobs), "/etc/jobs.d")

    for job in ("report",):
        run(f"jobctl run {job} --wait")
        daemon.until("run_ended", ran(job))
    now = transcribe(PAGE.read_text(), run)
    if os.environ.get("JOBSCHEDD_WRITE_DOCS") and steady(now) != steady(PAGE.read_text()):
        PAGE.write_text(now)
    assert steady(now).splitlines() == steady(PAGE.read_text()).splitlines()
    assert "due" in now.partition("$ jobctl timeline")[2].partition("```")[0]


def test_the_page_shows_logs_as_jobctl_does(tell: Tell) -> None:
    def entry(at: str, event: str, text: str) -> dict[str, object]:
        return {
            "at": f"2026-11-23T01:00:{at}Z",
            "job_id": "backup",
            "run_id": "01R",
            "event": event,
            "priority": 6,
            "text": text,
        }

    entries = [
        entry("00.001100", "run_started", "backup: started as process 4711, due 2026-11-23T01:00:00Z, 1.1ms late"),
        entry("03.987654", "output", "copied 3 files"),
        entry("04.021100", "run_ended", "backup: succeeded after 4.02s, exit code 0"),
    ]
    done = jobctl(tell({"Logs": [{"entries": entries}]}), "logs", "backup", "-n", "3", TZ="Europe/Berlin")
    assert f"```text\n$ jobctl logs backup -n 3\n{done.stdout}```" in PAGE.read_text()
