"""jobctl and a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.ctl.conftest import ROOT, jobctl, on_a_terminal, without_colours
from tests.test_daemon import EVERY_SECOND, Process, ran, start

__all__ = ["start"]

NEVER_SOON = "0 3 1 1 *"


@pytest.fixture
def daemon(start: Callable[..., Process]) -> Process:
    process = start()
    process.ready()
    return process


def loaded(daemon: Process, job: str, *args: object, **keys: object) -> None:
    daemon.put(f"{job}.json", job, *args, **keys)
    daemon.until("job_loaded", ran(job))


def test_run_with_wait_shows_the_output_and_exits_as_the_job_does(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo out; echo err >&2; exit 7")
    done = jobctl(daemon, "run", "a", "--wait")
    assert done.returncode == 7
    assert sorted(done.stdout.split()) == ["err", "out"]
    assert done.stderr.splitlines()[-1].startswith("a: failed after")
    loaded(daemon, "k", NEVER_SOON, command="kill -9 $$")
    assert jobctl(daemon, "run", "k", "--wait").returncode == 128 + 9
    loaded(daemon, "n", NEVER_SOON, command=["/does/not/exist"])
    never = jobctl(daemon, "run", "n", "--wait")
    assert (never.returncode, "no such program: /does/not/exist" in never.stderr) == (1, True)
    assert jobctl(daemon, "run", "nope").returncode == 4


def test_every_command_says_the_same_in_json(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="exit 3")
    assert jobctl(daemon, "run", "a", "--wait").returncode == 3
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")

    def said(*words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in jobctl(daemon, *words, "--json").stdout.splitlines()]

    assert said("status")[0]["pid"] == daemon.pid
    assert [entry.get("job_id") for entry in said("list")] == ["a", None]
    assert said("show", "a")[0].keys() == {"job", "definition", "files", "coming", "runs"}
    assert said("next", "--within", "400d", "-n", "1")[0]["job_id"] == "a"
    assert said("pause", "a") == [{"changed": True}]
    assert said("resume", "a") == [{"changed": True}]
    assert said("reload")[0]["problems"] == 1
    assert said("stop", "a") == [{"run_ids": []}]
    assert said("timeline")[0]["job_id"] == "a"
    assert said("history", "a")[-1]["uid"] == os.getuid()
    begun, *_, ended = said("run", "a", "--wait")
    assert "run_id" in begun
    assert ended["run"]["exit_code"] == 3  # type: ignore[index]


def test_list_puts_what_needs_care_first_and_fits_80_columns(daemon: Process) -> None:
    for job in ("a-good", "z-bad"):
        loaded(daemon, job, NEVER_SOON, command="exit 3" if "bad" in job else "true", description="d" * 300)
        jobctl(daemon, "run", job, "--wait")
    loaded(daemon, "l" * 120, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21 3 1 1 *")
    (daemon.jobs / "stray.json").write_text('{"x": 1}')
    daemon.until("problem_found")
    said = without_colours(on_a_terminal(daemon, "list"))
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["JOB", "stray.json", "z-bad", "a-good"]
    # A path stays whole: it is there to be copied.
    assert max(len(line) for line in lines if not line.startswith(str(daemon.jobs))) <= 80
    # What is wrong is told in full, where the table has no room for it.
    assert "stray.json: job_id: is required; " in " ".join(said.split())


def test_a_name_that_only_a_broken_file_has_shows_what_is_wrong_with_that(daemon: Process) -> None:
    (daemon.jobs / "nightly.json").write_text("{")
    (daemon.jobs / "nightly.old.json").write_text("{")
    daemon.until("problem_found")
    daemon.until("problem_found")
    done = jobctl(daemon, "list", "nightly")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{daemon.jobs}/nightly.json:\n  cannot read the file as JSON" in done.stdout
    assert "nightly.old" not in done.stdout
    assert jobctl(daemon, "list", "night").returncode == 4


def test_reload_exits_1_while_there_are_problems(daemon: Process) -> None:
    assert jobctl(daemon, "reload").returncode == 0
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")
    assert jobctl(daemon, "reload").returncode == 1


def test_interrupting_a_wait_leaves_the_run_alone(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo begun; exec sleep 100")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "jobschedd.ctl", "run", "a", "--wait", "--runtime-dir", daemon.runtime],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "begun\n"
    waiting.send_signal(2)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "to end it: jobctl stop" in said
    assert "running" in jobctl(daemon, "list", "a").stdout


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202eevil\u200b\x9b2J\rback"


@pytest.mark.fault("A31")
def test_what_a_job_says_of_itself_moves_no_terminal(daemon: Process) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in HOSTILE.encode())
    script = f"printf '{octal}\\n'; exit 3"
    loaded(daemon, "a", NEVER_SOON, command=script)
    (daemon.jobs / "bad.json").write_text(json.dumps({"job_id": "b", "schedule": HOSTILE, HOSTILE: 1}))
    daemon.until("problem_found")
    for words in (
        ["list"],
        ["show", "a"],
        ["run", "a", "--wait"],
        ["history"],
        ["why", "a"],
        ["next", "--within", "400d"],
    ):
        said = on_a_terminal(daemon, *words)
        ours = without_colours(said)
        assert "\x1b" not in ours, words
        assert not set(ours) & set("\x07\x9b\u202e\u200b"), words
        assert "\rback" not in ours, words
        assert words[0] != "run" or "\\x1b]0;owned\\x07\\x1b[31mred\\u202eevil\\u200b\\x9b2J\\x0dback" in ours
    assert "\x1b]0;owned" in on_a_terminal(daemon, "run", "a", "--wait", "--raw")
    # A pipe gets what was written.
    assert "\x1b]0;owned" in jobctl(daemon, "run", "a", "--wait").stdout


def test_a_job_of_every_second_is_drawn_in_no_more_than_the_lines_columns(daemon: Process) -> None:
    loaded(daemon, "tick", EVERY_SECOND)
    daemon.until("run_ended")
    done = jobctl(daemon, "timeline")
    lines = done.stdout.splitlines()
    assert max(map(len, lines[:2])) <= 80
    assert lines[-1].startswith("crowded: ")
    assert "these are only the 5000 next instants" in done.stderr


@pytest.mark.parametrize("words", [["list", "nope"], ["show", "nope"], ["history", "nope"], ["why", "nope"], ["stop", "nope"],
                                   ["run", "nope"], ["pause", "nope"], ["resume", "nope"], ["logs", "nope", "-f"],
                                   ["next", "nope"], ["timeline", "nope"]])  # fmt: skip
def test_what_is_not_there_is_exit_code_4(daemon: Process, words: list[str]) -> None:
    for state_dir in (str(daemon.state), ""):
        done = jobctl(daemon, *words, JOBSCHEDD_STATE_DIR=state_dir)
        assert (done.returncode, done.stdout) == (4, "")
        assert "nope" in done.stderr


def test_a_job_that_is_there_and_not_due_is_no_failure(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON)
    for words in (["next", "a"], ["timeline", "a"], ["next", "nope*"], ["timeline", "nope*"]):
        done = jobctl(daemon, *words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert "nothing" in done.stdout


def test_the_record_is_that_of_the_daemon_that_is_asked(daemon: Process) -> None:
    """Not that of the instance whose record happens to be readable here."""
    loaded(daemon, "a", NEVER_SOON)
    jobctl(daemon, "run", "a", "--wait")
    for words in (["history", "a"], ["why", "a"]):
        asked = jobctl(daemon, *words, JOBSCHEDD_STATE_DIR="")
        assert (asked.returncode, asked.stderr) == (0, "")
        assert asked.stdout == jobctl(daemon, *words).stdout
