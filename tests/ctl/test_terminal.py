"""What reaches a terminal, and how wide it is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from rich.cells import cell_len

from jobschedd.ctl.terminal import fit, plain, plain_line, width_of
from tests.ctl.conftest import ROOT, Tell, jobctl, on_a_terminal, without_colours

AT = "2026-11-23T02:00:00.000000Z"
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202eevil\u200b\x9b2J\rback\u2028line\x7f"
SHOWN = "\\x1b]0;owned\\x07\\x1b[31mred\\u202eevil\\u200b\\x9b2J\\x0dback\\u2028line\\x7f"


@pytest.mark.fault("A32")
def test_texts_are_measured_as_they_are_shown() -> None:
    assert [width_of(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    assert fit("日本語テキスト", 7) == "日本語…"
    assert fit("e\u0301" * 10, 5) == "e\u0301" * 4 + "…"
    assert fit("a\u200bb", 20) == "a\\u200bb"
    assert plain("\x1b[1m\u202e\u2028\U000e0041") == "\\x1b[1m\\u202e\\u2028\\U000e0041"
    began = time.process_time()
    assert len(fit("x" * 10_000_000, 80)) == 80
    assert time.process_time() - began < 1


@pytest.mark.fault("A32")
def test_what_is_cut_says_so_and_fits() -> None:
    for text in (
        "x" * 500,
        "\u65e5" * 500,
        "e\u0301" * 500,
        "\u0301" * 500,
        "\u200b" * 500,
        "\U0001f469\u200d" * 500,
        "\u3164x" * 99,
    ):
        for width in (1, 2, 7, 80):
            assert width_of(fit(text, width)) <= width
            assert fit(text, width).endswith("…")


def test_what_stands_in_columns_stays_in_columns() -> None:
    assert plain_line("a\tb\x1b") == "a       b\\x1b"
    assert plain("\ud800") == "\\ud800"


def job(job_id: str, **keys: object) -> dict[str, object]:
    about = {"job_id": job_id, "description": "", "file": f"/etc/jobs.d/{job_id}.json", "user": "root", "enabled": True}
    return about | {"schedule": "@daily", "paused": False, "running": 0, "waiting": 0} | keys


def entry(text: str, event: str = "output", priority: int = 6) -> dict[str, object]:
    return {"at": AT, "job_id": "a", "run_id": "01R", "event": event, "priority": priority, "text": text}


@pytest.mark.fault("A31")
def test_no_answer_moves_a_terminal(tell: Tell) -> None:
    row = {
        "run_id": "01R",
        "job_id": HOSTILE,
        "scheduled_at": AT,
        "outcome": "failed",
        "reason": HOSTILE,
        "cause": "manual",
    }
    its = job(HOSTILE, description=HOSTILE, schedule=HOSTILE, last=row, problem=HOSTILE, user=HOSTILE)
    runtime_dir = tell(
        {
            "Status": [{"daemon": {"version": HOSTILE, "pid": 1, "host": HOSTILE, "since": AT, "jobs": 1, "problems": 1, "running": 0,
                                   "waiting": 0, "stopping": False, "degraded": HOSTILE, "jobs_dirs": [HOSTILE]}}],
            "List": [{"jobs": [its], "problems": [{"file": HOSTILE, "text": HOSTILE}]}],
            "Show": [{"job": its, "definition": {HOSTILE: HOSTILE}, "files": [{"path": HOSTILE, "standing": HOSTILE}],
                      "coming": [], "runs": [row]}],
            "Next": [{"instants": [{"job_id": HOSTILE, "scheduled_at": AT, "starts_at": AT}]}],
            "History": [{"runs": [row]}],
            "Why": [{"answer": HOSTILE, "runs": [row]}],
            "Logs": [{"entries": [entry(HOSTILE), entry(HOSTILE, "run_ended", 3)]}],
            "Run": [{"run_id": "01R", "waits": HOSTILE}, {"entries": [entry(HOSTILE), entry(HOSTILE, "run_ended")]}, {"run": row}],
            "Reload": [{"jobs": 1, "problems": 1, "changes": [{"change": "problem", "file": HOSTILE, "text": HOSTILE}],
                        "left_out": 0, "settings_refused": HOSTILE}],
        }
    )  # fmt: skip
    for words in (
        "status",
        "list",
        "show a",
        "next",
        "history",
        "why a",
        "logs a",
        "logs a -f",
        "run a",
        "run a --wait",
        "reload",
        "timeline",
    ):
        said = without_colours(on_a_terminal(runtime_dir, *words.split(), columns=400))
        assert SHOWN in "".join(said.split("\r\n")).replace("\n", "") or words == "timeline", words
        assert not set(said.replace("\r\n", "")) & {
            *map(chr, range(32)),
            "\x7f",
            "\x9b",
            "\u202e",
            "\u200b",
            "\u2028",
        }, words
        for line in jobctl(runtime_dir, *words.split(), "--json").stdout.splitlines():
            assert json.loads(line)
            assert line.isascii()
            assert line.isprintable()


def test_output_in_a_pipe_is_as_it_was_written(tell: Tell) -> None:
    runtime_dir = tell({"Logs": [{"entries": [entry("a\tb\x1b[1m"), entry("it ended", "run_ended", 3)]}]})
    assert jobctl(runtime_dir, "logs", "a", TZ="UTC").stdout == (
        "2026-11-23 02:00:00 a\tb\x1b[1m\n2026-11-23 02:00:00 · it ended\n"
    )
    assert jobctl(runtime_dir, "logs", "a", "--raw").stdout == "a\tb\x1b[1m\n"


@pytest.mark.fault("A32")
@pytest.mark.parametrize("columns", [40, 80, 132])
def test_no_line_of_a_table_is_wider_than_its_terminal(tell: Tell, columns: int) -> None:
    names = ["a", "b" * 128, "\u65e5" * 100, "e\u0301" * 100, "\u2764\ufe0f" * 60]
    jobs = [job(name, description=name * 3, schedule=name) for name in names]
    runtime_dir = tell(
        {"List": [{"jobs": jobs}, {"problems": [{"file": "/etc/jobs.d/x.json", "text": "\u65e5" * 300}]}]}
    )
    lines = without_colours(on_a_terminal(runtime_dir, "list", columns=columns)).splitlines()
    assert len(lines) > 6
    assert max(map(cell_len, lines[:7])) <= columns


def row(job_id: str, outcome: str = "succeeded", **keys: object) -> dict[str, object]:
    return {"run_id": "01R", "job_id": job_id, "scheduled_at": AT, "outcome": outcome, "cause": "schedule"} | keys


def test_where_the_line_is_short_schedule_and_job_give_way_before_the_last_run(tell: Tell) -> None:
    many = "1,2,3,4,5,6,7,8,9,10,11,12 3 * * *"
    its = job(
        "backup-of-the-home-directories",
        schedule=many,
        next_due="2999-01-01T02:00:00Z",
        description="d" * 90,
        last=row("a"),
    )
    said = on_a_terminal(tell({"List": [{"jobs": [its]}]}), "list", TZ="UTC")
    assert "succeeded 11-23 02:00" in without_colours(said)
    assert "backup-of-" in said


def test_that_the_instants_of_a_paused_job_pass_needs_no_care(tell: Tell) -> None:
    its = job("z", paused=True, last=row("z", "skipped", reason="paused"))
    said = on_a_terminal(tell({"List": [{"jobs": [job("a"), its]}]}), "list")
    assert [line.split()[0] for line in without_colours(said).splitlines()] == ["JOB", "a", "z"]
    assert "\x1b[31m" not in said


def test_a_job_without_a_schedule_is_listed_with_what_starts_it(tell: Tell) -> None:
    jobs = [job("a", schedule=None, trigger="after import"), job("b", schedule=None), job("c", trigger=None)]
    titles, *lines = jobctl(tell({"List": [{"jobs": jobs}]}), "list").stdout.splitlines()
    schedules = slice(titles.index("SCHEDULE"), titles.index("NEXT"))
    assert [line[schedules].strip() for line in lines] == ["after import", "-", "@daily"]


def test_in_json_each_broken_file_is_told_also_where_a_good_version_of_it_is_in_force(tell: Tell) -> None:
    broken = {"file": "/etc/jobs.d/a.json", "text": "no", "keeps": "a"}
    runtime_dir = tell({"List": [{"jobs": [job("a", problem="no")]}, {"problems": [broken]}]})
    said = jobctl(runtime_dir, "list", "--json").stdout.splitlines()
    assert [json.loads(line).get("keeps") for line in said] == [None, "a"]
    assert json.loads(said[1]) == broken


def test_a_piped_table_is_as_wide_as_what_is_in_it(tell: Tell) -> None:
    name, reason = "n" * 128, "r" * 300
    found = row(name, "failed", reason=reason)
    runtime_dir = tell({"List": [{"jobs": [job(name, schedule=name, last=found)]}], "History": [{"runs": [found]}]})
    for command in ("list", "history"):
        _, line = jobctl(runtime_dir, command).stdout.splitlines()
        assert name in line
        assert line.endswith(reason)


def test_a_narrow_history_still_names_the_job(tell: Tell) -> None:
    runs = [row("backup", "failed", exit_code=3), row("n" * 128)]
    said = on_a_terminal(tell({"History": [{"runs": runs}]}), "history", columns=40, TZ="UTC")
    titles, *lines = without_colours(said).splitlines()
    assert titles.split()[:3] == ["DUE", "JOB", "OUTCOME"]
    assert [line.split()[2:4] for line in lines] == [["backup", "failed"], ["nnnnnnn…", "succeede…"]]
    assert max(map(cell_len, lines)) <= 40


def test_colour_is_for_terminals_that_want_it(tell: Tell) -> None:
    runtime_dir = tell({"Logs": [{"entries": [entry("it failed", "run_ended", 3)]}]})
    assert "\x1b[31m" in on_a_terminal(runtime_dir, "logs", "a", NO_COLOR="")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_a_terminal(runtime_dir, "logs", "a", **env)
    assert "\x1b" not in jobctl(runtime_dir, "logs", "a").stdout


def test_what_is_no_terminal_gets_no_colour_from_one_beside_it(tell: Tell) -> None:
    """`jobctl run a --wait 2>log` at a terminal."""
    row = {"run_id": "01R", "outcome": "succeeded"}
    runtime_dir = tell({"Run": [{"run_id": "01R"}, {"entries": [entry("it ended", "run_ended")]}, {"run": row}]})
    ours, its = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", "run", "a", "--wait", "--runtime-dir", runtime_dir],
        stdout=its, stderr=subprocess.PIPE, text=True, check=False, timeout=60, cwd=ROOT, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(its)
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, "it ended\n")
