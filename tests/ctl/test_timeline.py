"""`jobctl timeline`: the drawing, and what is asked for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobschedd.ctl.__main__ import main
from jobschedd.ctl.drawing import ASCII, Bar, Frame, draw
from tests.ctl.conftest import Tell

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def test_a_timeline_shows_what_ran_runs_did_not_run_and_comes() -> None:
    bars = [
        Bar("long", "succeeded", minutes(-50), minutes(-20)),
        Bar("long", "running", minutes(-10), minutes(0)),
        Bar("much", "failed", minutes(-30), minutes(-30)),
        Bar("much", "missed", minutes(-40), minutes(-40)),
        *(Bar("much", "coming", minutes(30), minutes(30)) for _ in range(3)),
        *(Bar("much", "coming", minutes(50), minutes(50)) for _ in range(12)),
    ]
    lines = draw(bars, Frame(minutes(-60), minutes(60)), NOON, 66, ASCII)
    assert lines[:3] == [
        "      ---------------11:30----------12:00----------12:30----------",
        "long       ================    ~~~~~~",
        "much            x    =              :              3         +",
    ]
    assert lines[-1] == "crowded: 2026-11-23 12:50 has 12 starts"


def test_a_timeline_of_nothing_says_so() -> None:
    assert draw([], Frame(minutes(-60), minutes(60)), NOON, 80, ASCII) == [
        "nothing ran and nothing is due in that time"
    ]


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_crowd_is_of_starts() -> None:
    bars = [Bar(f"j{number}", "missed", NOON, NOON) for number in range(9)]
    assert "crowded" not in draw(bars, Frame(minutes(-60), minutes(60)), NOON, 80, ASCII)[-1]
    bars += [Bar(f"j{number}", "coming", minutes(5), minutes(5)) for number in range(5)]
    assert draw(bars, Frame(minutes(-60), minutes(60)), NOON, 80, ASCII)[-1] == "crowded: 2026-11-23 12:05 has 5 starts"


@pytest.mark.parametrize(("days", "label"), [(0.1, "11:30"), (7, "11-2"), (300, "-0"), (36_000, "2040-")])
def test_the_axis_has_times_that_do_not_touch(days: float, label: str) -> None:
    axis, *_ = draw(
        [Bar("a", "coming", NOON, NOON)],
        Frame(NOON - timedelta(minutes=60), NOON + timedelta(days=days)),
        NOON,
        80,
        ASCII,
    )
    assert len(axis) <= 80
    assert label in axis
    assert not any(len(times) > 7 for times in axis.replace("-" * 2, " ").split())


def at(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def test_what_began_long_before_and_still_runs_is_drawn(tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    old = {"run_id": "01OLD", "job_id": "old", "scheduled_at": at(now - timedelta(days=3)),
           "started_at": at(now - timedelta(days=3)), "outcome": "running"}  # fmt: skip
    gone = {"run_id": "01GONE", "job_id": "gone", "scheduled_at": at(now - timedelta(hours=20)),
            "started_at": at(now - timedelta(hours=20)), "ended_at": at(now - timedelta(hours=19)), "outcome": "succeeded"}  # fmt: skip
    runtime_dir = tell(
        {
            "History": [{"runs": [old]}, {"runs": [gone]}],
            "Next": [{"instants": []}],
            "Status": [{"daemon": {"running": 1}}],
        }
    )
    assert main(["timeline", "--runtime-dir", runtime_dir]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith("old  ╍╍╍╍")
    assert main(["timeline", "--json", "--runtime-dir", runtime_dir]) == 0
    assert [json.loads(line)["run_id"] for line in capsys.readouterr().out.splitlines()] == ["01OLD"]


@pytest.mark.parametrize(
    "words", [["--since", "1h", "--until", "2h"], ["--until", "x"], ["--since", "+1h", "--until", "1h"]]
)
def test_a_time_that_cannot_be_drawn_is_usage(tell: Tell, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["timeline", *words, "--runtime-dir", tell({})]) == 2
    assert "cannot" in capsys.readouterr().err
