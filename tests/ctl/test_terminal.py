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
    for said in (on_a_terminal(runtime_dir, "list", columns=columns), jobctl(runtime_dir, "list").stdout):
        lines = without_colours(said).splitlines()
        assert len(lines) > 6
        assert max(map(cell_len, lines[:7])) <= (columns if "\r\n" in said else 80)


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
