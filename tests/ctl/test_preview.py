"""`jobctl preview`, as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from jobschedd.ctl.__main__ import main

Captured = pytest.CaptureFixture[str]


def preview(*arguments: str) -> int:
    return main(["preview", *arguments])


def test_it_prints_one_instant_a_line_in_the_local_time_of_the_zone(capsys: Captured) -> None:
    assert preview("30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2026-10-24T12:00", "-n", "2") == 0
    assert capsys.readouterr().out == "2026-10-25T02:30:00+02:00\n2026-10-26T02:30:00+01:00\n"


def test_json_is_one_object_a_line(capsys: Captured) -> None:
    assert preview("@every 12h", "--timezone", "Asia/Tokyo", "--from", "2026-10-25", "-n", "2", "--json") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"instant": "2026-10-25T00:00:00Z", "local": "2026-10-25T09:00:00+09:00"},
        {"instant": "2026-10-25T12:00:00Z", "local": "2026-10-25T21:00:00+09:00"},
    ]


def test_an_instant_on_the_moment_it_begins_at_is_shown(capsys: Captured) -> None:
    for begin in ("2026-11-01T00:00:00Z", "2026-11-01"):
        assert preview("0 0 * * *", "--timezone", "UTC", "--from", begin, "-n", "1") == 0
        assert capsys.readouterr().out == "2026-11-01T00:00:00+00:00\n"


def test_without_from_it_begins_now(capsys: Captured) -> None:
    assert preview("* * * * *") == 0
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_lists_and_objects_are_written_as_json(capsys: Captured) -> None:
    assert preview('["0 1 * * *", "0 3 * * *"]', "--timezone", "UTC", "--from", "2026-11-01", "-n", "2") == 0
    assert capsys.readouterr().out == "2026-11-01T01:00:00+00:00\n2026-11-01T03:00:00+00:00\n"
    first = '{"cron": "30 0 2 * * *", "seconds": "first"}'
    assert preview(first, "--timezone", "UTC", "--from", "2026-11-01", "-n", "1") == 0
    assert capsys.readouterr().out == "2026-11-01T02:00:30+00:00\n"


def test_fractions_of_a_second_are_shown(capsys: Captured) -> None:
    assert preview("2026-11-01T00:00:00.25Z", "--timezone", "UTC", "--from", "2026-11-01", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "instant": "2026-11-01T00:00:00.250000Z",
        "local": "2026-11-01T00:00:00.250000+00:00",
    }


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("* * * * * *", "fires once a second"),
        ("*/7 * * * *", "7 does not divide 60: the last minute step is 4, not 7"),
        ("0 */5 * * *", "5 does not divide 24: the last hour step is 4, not 5"),
        ("0 0 * * * */13", "13 does not divide 60"),
        ("0 0 13 * 5", "or the day of the week"),
        ("0 0 31 * *", "skips the months that have no such day; L is the last day"),
        ("0 0 30,31 * *", "skips the months"),
        ("0 0 29 2 *", "skips the months"),
        ("30 2 * * *", "there is no 02:30 in Europe/Berlin on 2027-03-28; that day it runs at 03:00"),
        ("2020-01-01T00:00:00Z", "has passed"),
        ('["@daily", "*/7 * * * *"]', "7 does not divide 60"),
    ],
)
def test_what_is_legal_but_surely_not_meant_is_a_warning(capsys: Captured, schedule: str, said: str) -> None:
    assert preview(schedule, "--timezone", "Europe/Berlin", "--from", "2026-11-01") == 0
    captured = capsys.readouterr()
    assert said in captured.err
    assert "warning" not in captured.out


@pytest.mark.parametrize(
    "schedule",
    [
        "*/5 * * * *", "*/15 */6 * * *", "0 0 L * *", "0 0 1,15 * *", "0 0 28-31 * *", "0 0 * * 1-5", "0 0 31 12 *",
        "0 0 31 * fri", "0 9-17/3 * * *", "0 12 * * *", "*/30 2 * * *", "0 0 */2 * 1", "7,14,21 * * * *", "@every 90s",
        "30/7 * * * *",
    ],
)  # fmt: skip
def test_what_is_plainly_meant_is_not(capsys: Captured, schedule: str) -> None:
    assert preview(schedule, "--timezone", "Europe/Berlin", "--from", "2026-11-01") == 0
    captured = capsys.readouterr()
    assert [
        line for line in captured.err.splitlines() if "day of the week" not in line or schedule != "0 0 31 * fri"
    ] == []


def test_a_schedule_that_ends_says_so(capsys: Captured) -> None:
    assert preview("R2/2026-11-01T00:00:00Z/P1D", "--timezone", "UTC", "--from", "2026-01-01") == 0
    captured = capsys.readouterr()
    assert (len(captured.out.splitlines()), captured.err) == (2, "note: no more instants\n")
    assert preview("@every 100y", "--timezone", "UTC", "--from", "2026-01-01", "-n", "200") == 0
    assert capsys.readouterr().err == "note: no more instants\n"
    assert preview("@reboot") == 0
    assert "when the machine boots" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0 0 30 2 *"], "never fires"),
        (["61 * * * *"], 'cannot read "61" as the minute'),
        (["@daily", "--timezone", "Mars/Olympus"], 'cannot find the time zone "Mars/Olympus"'),
        (["[1"], "as JSON"),
        (["[" * 100_000], "as JSON"),
        (["H * * * *"], "give one: --job ID"),
    ],
)
def test_what_cannot_be_read_is_exit_code_1(capsys: Captured, arguments: list[str], said: str) -> None:
    assert preview(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("jobctl preview: cannot ")
    assert said in captured.err


def test_a_bad_time_is_usage(capsys: Captured) -> None:
    assert preview("@daily", "--from", "soon") == 2
    assert capsys.readouterr().err.startswith('jobctl preview: cannot read "soon" as a time; write ')


def test_a_time_is_written_as_everywhere(capsys: Captured) -> None:
    first = []
    for begin in ("2h", "+2h", "20261024T120000Z"):
        assert preview("@every 1s", "--timezone", "UTC", "--from", begin, "-n", "1") == 0
        first.append(datetime.fromisoformat(capsys.readouterr().out.strip()))
    assert timedelta(hours=4) <= first[1] - first[0] < timedelta(hours=5)
    assert first[2] == datetime(2026, 10, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", ["0", "-1", "many", "1.5"])
def test_a_bad_count_is_usage(capsys: Captured, count: str) -> None:
    with pytest.raises(SystemExit) as ended:
        preview("@daily", "-n", count)
    assert ended.value.code == 2
    assert "cannot read" in capsys.readouterr().err


def test_whoever_has_read_enough_may_go() -> None:
    program = [sys.executable, "-m", "jobschedd.ctl", "preview", "* * * * * *", "-n", "200000"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(60) == 1
