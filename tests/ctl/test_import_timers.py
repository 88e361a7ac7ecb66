"""`jobctl import timers`: what systemd runs by a calendar, held against systemd's own calendar."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobschedd.ctl.__main__ import main
from jobschedd.ctl.imports.calendar import translate
from jobschedd.ctl.imports.units import read_unit
from jobschedd.model.job import parse
from jobschedd.model.timing import Defaults

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBSCHEDD_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def timer(tmp_path: Path, text: str, name: str = "backup.timer") -> str:
    file = tmp_path / "units" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return str(file)


def timers(tmp_path: Path, *arguments: str) -> int:
    return main(["import", "timers", *arguments, "--output", str(tmp_path / "jobs.d")])


def job(tmp_path: Path, name: str = "backup") -> dict[str, Any]:
    path = tmp_path / f"jobs.d/{name}.json"
    assert parse(path.name, str(path), path.read_bytes(), Defaults())
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("text", "expression", "zone"),
    [
        ("minutely", "* * * * *", None),
        ("hourly", "0 * * * *", None),
        ("Daily", "0 0 * * *", None),
        ("weekly Pacific/Auckland", "0 0 * * mon", "Pacific/Auckland"),
        ("monthly", "0 0 1 * *", None),
        ("quarterly", "0 0 1 1,4,7,10 *", None),
        ("semiannually", "0 0 1 1,7 *", None),
        ("yearly UTC", "0 0 1 1 *", "UTC"),
        ("*-*-* 6:00", "0 6 * * *", None),
        ("*-*-* 6,18:00", "0 6,18 * * *", None),
        ("*:00/10", "0/10 * * * *", None),
        ("*-*-* 07..23:30", "30 7-23 * * *", None),
        ("*-*-* *:09,39:00", "9,39 * * * *", None),
        ("Mon..Fri 22:30", "30 22 * * mon-fri", None),
        ("Sat,Thu,Mon..Wed 1:00", "0 1 * * sat,thu,mon-wed", None),
        ("Wednesday, 17:48", "48 17 * * wed", None),
        ("Sun *-*-1..7 1:00:00", "0 1 * * sun#1", None),
        ("Mon,Tue *-*-8..14 1:00", "0 1 * * mon#2,tue#2", None),
        ("Mon *-05~07/1", "0 0 * 5 Lmon", None),
        ("*-02~01", "0 0 L 2 *", None),
        ("*-*-1/2 4:05:30", "5 4 1/2 * * 30", None),
        ("10-15", "0 0 15 10 *", None),
        ("*-*-* 0..12/4:00", "0 0-12/4 * * *", None),
    ],
)
def test_a_calendar_event_as_a_cron_expression(text: str, expression: str, zone: str | None) -> None:
    made = translate(text)
    assert (made.forms[0], made.timezone) == (expression, zone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2027-*-* 1:00", '"from" and "until"'),
        ("Fri *-*-13", "cron takes either"),
        ("*-*~03", "from the end"),
        ("*-*-* 1:00:00.5", "not understood"),
        ("Foo 1:00", "no weekday"),
        ("12,14,13", "not understood"),
        ("1:2:3:4", "hours, minutes and seconds"),
        ("", "is empty"),
        ("a" * 100_000, "no weekday"),
    ],
)
def test_what_no_cron_expression_says(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="cannot say OnCalendar") as raised:
        translate(text)
    assert said in str(raised.value)


def test_a_unit_file_with_what_comes_behind_it() -> None:
    text = "[Timer]\n# no\nOnCalendar=daily\nOnCalendar=hourly\nUnit=\\\n  a.service\n[Timer]\nOnCalendar=\nOnCalendar= weekly \n"
    assert read_unit(text) == {"Timer": {"OnCalendar": ["weekly"], "Unit": ["a.service"]}}


@needs_systemd
def test_a_timer_becomes_a_job_that_starts_its_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = timer(
        tmp_path,
        "[Unit]\nDescription=x\n[Timer]\nOnCalendar=*-*-* 6:00\nRandomizedDelaySec=60m\nPersistent=true\nAccuracySec=1h\n"
        "[Install]\nWantedBy=timers.target\n",
    )
    assert timers(tmp_path, path) == 0
    made = job(tmp_path)
    catch_up = made.pop("catch_up")
    assert made == {
        "job_id": "backup", "description": "Imported from backup.timer", "schedule": "0 6 * * *", "jitter": "1h",
        "task": {"type": "start_unit", "unit": "backup.service"},
    }  # fmt: skip
    assert catch_up == "1d 1h"  # the night that is an hour longer
    lines = capsys.readouterr().out.splitlines()
    assert "the next 1,000 instants are the same, and those around" in lines[0]
    assert "the random delay is the same each time" in lines[0]
    assert lines[-1] == "  systemctl disable --now backup.timer"


@needs_systemd
def test_a_disabled_job_waits_for_its_timer_to_be_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = timer(tmp_path, "[Timer]\nOnCalendar=daily UTC\n")
    assert timers(tmp_path, path, "--disabled") == 0
    assert job(tmp_path)["enabled"] is False
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:-2] == [
        "systemd still runs these timers, and these jobs are disabled; to go on, switch them off:",
        "  systemctl disable --now backup.timer",
    ]
    assert lines[-1] == f"  sed -i '/^  \"enabled\": false,$/d' {tmp_path}/jobs.d/backup.json"


@needs_systemd
def test_a_dry_run_of_a_timer_shows_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = timer(tmp_path, "[Timer]\nOnCalendar=daily UTC\n")
    assert timers(tmp_path, path, "--dry-run") == 0
    out = capsys.readouterr().out
    assert timers(tmp_path, path) == 0
    assert f"{tmp_path}/jobs.d/backup.json:\n{(tmp_path / 'jobs.d/backup.json').read_text()}" in out


@needs_systemd
def test_several_events_a_zone_and_a_drop_in(tmp_path: Path) -> None:
    path = timer(tmp_path, "[Timer]\nOnCalendar=weekly\nUnit=other.service\n")
    Path(f"{path}.d").mkdir()
    Path(f"{path}.d/10.conf").write_text("[Timer]\nOnCalendar=\nOnCalendar=Mon 01:00 UTC\nOnCalendar=Sat 02:30 UTC\n")
    assert timers(tmp_path, path) == 0
    made = job(tmp_path)
    assert (made["schedule"], made["timezone"]) == (["0 1 * * mon", "30 2 * * sat"], "UTC")
    assert made["task"]["unit"] == "other.service"


@needs_systemd
def test_where_systemd_and_cron_part_at_a_change_of_the_clock_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for calendar in ("*-*-* 2:30", "*-*-* *:05,35"):
        assert timers(tmp_path, timer(tmp_path, f"[Timer]\nOnCalendar={calendar}\n")) == 1
        assert "systemd runs it at 20" in capsys.readouterr().out
    # Each hour, and of the hour that comes twice the first: that is a fixed time, and can be said.
    assert timers(tmp_path, timer(tmp_path, "[Timer]\nOnCalendar=hourly\n")) == 0
    assert job(tmp_path)["schedule"] == "0 0-23 * * *"


@needs_systemd
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OnUnitActiveSec=1d\nOnBootSec=15min", "--every makes it @every 1d"),
        ("OnBootSec=15min", "counts from an event"),
        ("OnCalendar=daily\nOnBootSec=1h", "counts from an event"),
        ("OnCalendar=daily\nWakeSystem=true", "WakeSystem=true, which no job has"),
        ("OnCalendar=daily\nOnClockChange=yes", "OnClockChange=yes"),
        ("OnCalendar=daily UTC\nOnCalendar=daily Asia/Tokyo", "several zones"),
        ("OnCalendar=" + "\nOnCalendar=".join(["daily"] * 9), "1 to 8"),
        ("", "0 OnCalendar="),
        ("OnCalendar=daily\nUnit=x@%i.service", "specifier"),
        ("OnCalendar=fancy", "cannot say"),
        ("OnCalendar=*-02-30", "never fires"),
        ("OnCalendar=daily\n[Unit]\nConditionACPower=true", "ConditionACPower="),
        ("OnCalendar=daily\nRandomizedDelaySec=soon", "as a duration"),
    ],
)
def test_what_a_job_cannot_say_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert timers(tmp_path, timer(tmp_path, f"[Timer]\n{text}\n")) == 1
    out = capsys.readouterr().out
    assert "cannot import it: " in out
    assert said in out
    assert not (tmp_path / "jobs.d").exists()


@needs_systemd
def test_every_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert timers(tmp_path, timer(tmp_path, "[Timer]\nOnUnitActiveSec=90min\nOnBootSec=5min\n"), "--every") == 0
    assert job(tmp_path)["schedule"] == "@every 1h 30min"
    assert "counted from the epoch and not from the last run" in capsys.readouterr().out


@needs_systemd
def test_the_command_is_taken_over_where_the_service_has_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = timer(tmp_path, "[Timer]\nOnCalendar=daily\n")
    timer(
        tmp_path,
        "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=/bin/x -a b\nUser=ann\n",
        "backup.service",
    )
    assert timers(tmp_path, path, "--commands") == 0
    assert job(tmp_path)["task"] == {
        "type": "execute_command", "command": ["/bin/x", "-a", "b"], "user": "ann", "cwd": "/",
    }  # fmt: skip
    for service, said in (
        ("ExecStart=/bin/x\nPrivateTmp=yes", "PrivateTmp="),
        ("ExecStart=/bin/x\nExecStart=/bin/y", "not one command"),
        ("ExecStart=/bin/x $HOME", "not one command"),
        ("ExecStart=-/bin/x", "not one command"),
        ("ExecStart=/bin/x 'a b'", "not one command"),
        ("Type=notify\nExecStart=/bin/x", "Type=notify"),
        ("ExecStart=/bin/x\n[Unit]\nRequires=y.service", "Requires="),
    ):
        timer(tmp_path, f"[Service]\n{service}\n", "backup.service")
        capsys.readouterr()
        assert timers(tmp_path, path, "--commands") == 1
        assert said in capsys.readouterr().out


# -- what systemd is asked -------------------------------------------------------------------------------------------


def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = tmp_path / "bin/systemctl"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


@needs_systemd
def test_without_a_name_all_active_timers_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(
        tmp_path, monkeypatch,
        'echo "$*" >> "$0.asked"\ncase $1 in list-timers) echo \'[{"unit":"a.timer"},{"unit":"b@c.timer"}]\' ;;\n'
        "cat) printf '# /lib/x\\n[Timer]\\nOnCalendar=daily\\n' ;; esac",
    )  # fmt: skip
    assert timers(tmp_path) == 0
    assert job(tmp_path, "b@c")["task"]["unit"] == "b@c.service"
    asked = (tmp_path / "bin/systemctl.asked").read_text().splitlines()
    assert asked == [
        "list-timers --no-pager --output=json", "cat --no-pager -- a.timer", "cat --no-pager -- b@c.timer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [("echo no bus >&2; exit 1", "cannot ask systemd: no bus"), ("echo '{'", "cannot read the answer of systemctl")],
)
def test_a_systemd_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    systemctl(tmp_path, monkeypatch, text)
    assert timers(tmp_path) == 1
    assert said in capsys.readouterr().err


def test_without_systemd_nothing_is_taken_on_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert timers(tmp_path, timer(tmp_path, "[Timer]\nOnCalendar=daily\n")) == 1
    assert "there is no systemd-analyze here" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["-h.timer", "a b.timer", "x;reboot", "\x1b.timer", "a" * 300, ""])
def test_a_name_that_is_none_is_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    systemctl(tmp_path, monkeypatch, 'echo "$*" >> "$0.asked"')
    assert main(["import", "timers", "--output", str(tmp_path / "jobs.d"), "--", name]) == 1
    assert "\x1b" not in capsys.readouterr().out
    assert not (tmp_path / "bin/systemctl.asked").exists()


@pytest.mark.parametrize("name", ["backup.service", "dump@.timer"])
def test_what_is_no_timer_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert timers(tmp_path, timer(tmp_path, "[Timer]\nOnCalendar=daily\n", name)) == 1
    assert "it is no timer, or the template of some" in capsys.readouterr().out


def test_an_answer_without_instants_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl(tmp_path, monkeypatch, "")
    (tmp_path / "bin/systemctl").rename(tmp_path / "bin/systemd-analyze")
    monkeypatch.setenv("TZ", "UTC")
    assert timers(tmp_path, timer(tmp_path, "[Timer]\nOnCalendar=daily\n")) == 1
    assert "does not elapse again" in capsys.readouterr().out
