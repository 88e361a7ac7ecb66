"""`jobctl import crontab`, as a person calls it: which files come, what is said, and what is left alone."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobschedd.ctl.__main__ import main
from jobschedd.ctl.imports import shelf
from jobschedd.ctl.imports.naming import clean, of_command
from jobschedd.model.job import parse
from jobschedd.model.timing import Defaults
from tests.conftest import at_most

CRONTAB = """\
SHELL=/bin/bash
PATH=/usr/local/sbin:/usr/sbin:/usr/bin

17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
47 6	* * 7	root	test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.weekly )
"""
# Shapes that packages ship, in words of our own.
PACKAGES = {
    "collector": "PATH=/usr/lib/collector:/usr/bin\n5-55/10 * * * * root command -v gather > /dev/null && gather 1 1\n"
    "59 23 * * * root command -v gather > /dev/null && gather 60 2\n",
    "renewer": "SHELL=/bin/sh\n0 */12 * * * root test -x /usr/bin/renew -a \\! -d /run/systemd/system && renew -q\n",
    "raid": '57 0 * * 0 root if [ $(date +\\%d) -le 7 ]; then /usr/share/raid/check --quiet "%"; fi\n',
    "graphs": "MAILTO=root\n*/5 * * * * graphs if [ -x /usr/bin/graphs ]; then /usr/bin/graphs; fi\n@reboot root mkdir -p /run/graphs\n",
}
JobFiles = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBSCHEDD_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("TZ", "Europe/Berlin")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    # Of a Debian, whose cron is known.
    put(made, "/var/lib/dpkg/info/cron.list", "")
    put(made, "/usr/sbin/cron", "")
    put(made, "/etc/passwd", "".join(f"{user}:x:1:1::/:/bin/sh\n" for user in ("root", "ann", "graphs")))
    return made


def put(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def crontab(tmp_path: Path, *arguments: str) -> int:
    return main(
        ["import", "crontab", "--root", str(tmp_path / "root"), "--output", str(tmp_path / "jobs.d"), *arguments]
    )


def jobs(tmp_path: Path) -> JobFiles:
    found = sorted((tmp_path / "jobs.d").iterdir())
    for path in found:
        assert parse(path.name, str(path), path.read_bytes(), Defaults())
    return {path.name: json.loads(path.read_text()) for path in found}


def test_a_line_of_a_package_becomes_a_job_that_does_the_same(root: Path, tmp_path: Path) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path) == 0
    made = jobs(tmp_path)
    assert list(made) == ["collector-2.json", "collector.json"]
    assert made["collector.json"] == {
        "job_id": "collector",
        "description": "Imported from /etc/cron.d/collector, line 2",
        "schedule": "5-55/10 * * * *",
        "task": {
            "type": "execute_command",
            "command": "command -v gather > /dev/null && gather 1 1",
            "user": "root",
            "env": {"PATH": "/usr/lib/collector:/usr/bin"},
        },
        "overlap": "allow",
        "leave_children": True,
    }


def test_every_line_has_a_line_of_the_report(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "/etc/cron.d/graphs", PACKAGES["graphs"] + "0 22-3 * * * root x\n")
    assert crontab(tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("/etc/cron.d/graphs, line 1: MAILTO sends no mail any more")
    out = f"{tmp_path}/jobs.d"
    assert lines[1] == (
        f"/etc/cron.d/graphs, line 2: imported as graphs ({out}/graphs.json); the next 1,000 instants are the same"
    )
    assert lines[2] == f"/etc/cron.d/graphs, line 3: imported as graphs-2 ({out}/graphs-2.json); due once a boot"
    assert lines[3].startswith('/etc/cron.d/graphs: cannot import line 4: hour "22-3": cron reads the range')
    assert lines[4] == "2 imported, 1 cannot be imported"
    assert lines[5].startswith("cron still runs the lines that were imported, and each of these jobs runs twice")
    assert lines[6] == "  sed -i -e '2s/^/#/' -e '3s/^/#/' /etc/cron.d/graphs"
    assert len(lines) == 7


def test_json_is_one_object_a_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "/etc/cron.d/graphs", PACKAGES["graphs"] + "0 22-3 * * * root x\n")
    assert crontab(tmp_path, "--json") == 1
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.splitlines()]
    assert [line["status"] for line in found] == ["noted", "imported", "imported", "refused"]
    keys = {"source", "line", "status", "text", "job_id", "file", "enabled", "job"}
    assert all(line.keys() == keys for line in found)
    assert [line["enabled"] for line in found] == [None, True, True, None]
    assert found[1]["job_id"] == "graphs"
    assert "runs twice" in captured.err


def test_percent_shell_home_and_path_are_what_cron_made_of_them(root: Path, tmp_path: Path) -> None:
    text = "SHELL=/bin/bash\nHOME=/srv\nLOGNAME=eve\nMAILTO=a@example.org\n0 5 * * * root cat%in%put\n"
    put(root, "/etc/cron.d/x", text)
    put(root, "/etc/cron.d/raid", PACKAGES["raid"])
    assert crontab(tmp_path) == 0
    made = jobs(tmp_path)
    assert made["x.json"]["task"] == {
        "type": "execute_command", "command": "cat", "user": "root", "cwd": "/srv", "shell": ["/bin/bash", "-c"],
        "env": {"PATH": "/usr/bin:/bin", "HOME": "/srv", "MAILTO": "a@example.org"}, "stdin": "in\nput\n",
    }  # fmt: skip
    assert made["raid.json"]["task"]["command"].startswith("if [ $(date +%d) -le 7 ]")
    assert made["raid.json"]["task"]["stdin"] == '"; fi\n'


def test_dry_run_writes_nothing(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path, "--dry-run") == 0
    assert not (tmp_path / "jobs.d").exists()
    out = capsys.readouterr().out
    assert "would be imported as collector" in out
    assert "twice" not in out


@pytest.mark.fault("A53")
def test_dry_run_shows_each_file_as_it_would_be_written(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"] + "0 1 * * * root x 'ü\x1b[2J\x9b\u200b\x7f'\n")
    assert crontab(tmp_path, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert crontab(tmp_path) == 0
    for path in (tmp_path / "jobs.d").iterdir():
        assert f"{path}:\n{path.read_text()}\n" in out
    assert jobs(tmp_path)["collector-3.json"]["task"]["command"] == "x 'ü\x1b[2J\x9b\u200b\x7f'"
    # The end of the report is what stays in sight.
    assert out.splitlines()[-1] == "3 would be imported"


@pytest.mark.fault("A53")
def test_dry_run_in_json_has_the_job_in_the_object_of_its_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path, "--dry-run", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert crontab(tmp_path) == 0
    shown = {f"{line['job_id']}.json": line["job"] for line in found if line["status"] == "would_import"}
    assert shown == jobs(tmp_path)
    assert [line["job"] for line in found if line["status"] == "noted"] == [None]


def test_disabled_jobs_wait_until_they_are_enabled_as_the_report_says(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path, "--disabled") == 0
    assert [job["enabled"] for job in jobs(tmp_path).values()] == [False, False]
    out = capsys.readouterr().out
    assert f"imported as collector ({tmp_path}/jobs.d/collector.json), disabled; the next 1,000 instants" in out
    assert "twice" not in out
    lines = out.splitlines()
    assert lines[-4:-1] == [
        "cron still runs the lines that were imported, and these jobs are disabled; to go on, take out the lines:",
        "  sed -i -e '2s/^/#/' -e '3s/^/#/' /etc/cron.d/collector",
        'then enable the jobs that are disabled, by taking the line "enabled": false out of their files:',
    ]
    subprocess.run(["sh", "-c", lines[-1]], check=True)
    enabled = jobs(tmp_path)
    for path in (tmp_path / "jobs.d").iterdir():
        path.unlink()
    assert crontab(tmp_path) == 0
    assert jobs(tmp_path) == enabled


def test_a_job_that_is_there_disabled_is_found_and_does_not_run_twice(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path, "--disabled") == 0
    capsys.readouterr()
    assert crontab(tmp_path) == 0
    out = capsys.readouterr().out
    assert f"already there as collector ({tmp_path}/jobs.d/collector.json), disabled" in out
    assert "twice" not in out
    put(root, "/etc/cron.d/graphs", "0 1 * * * graphs draw\n")
    assert crontab(tmp_path) == 0
    assert "each of these jobs that is not disabled runs twice until they are taken out" in capsys.readouterr().out
    assert "enabled" not in jobs(tmp_path)["graphs.json"]


def test_again_is_already_there_and_nothing_is_touched(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    assert crontab(tmp_path) == 0
    before = {path: path.stat() for path in (tmp_path / "jobs.d").iterdir()}
    capsys.readouterr()
    # Lines may move, and the jobs they made still be found.
    put(root, "/etc/cron.d/collector", "# new\n30 3 * * * root gather --tidy\n" + PACKAGES["collector"])
    assert crontab(tmp_path) == 0
    out = capsys.readouterr().out
    assert out.count("already there") == 3  # and the total
    assert jobs(tmp_path)["collector-3.json"]["task"]["command"] == "gather --tidy"
    assert {path: path.stat() for path in before} == before


def test_a_job_of_that_name_that_does_something_else_is_left_alone(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d/collector.json").write_text('{"job_id": "mine"}')
    (tmp_path / "jobs.d/other.toml").write_text('job_id = "collector-2"')
    assert crontab(tmp_path) == 1
    out = capsys.readouterr().out
    assert f"{tmp_path}/jobs.d/collector.json has the name collector and is another job; remove it, or" in out
    assert f"{tmp_path}/jobs.d/other.toml has the name collector-2" in out
    assert sorted(os.listdir(tmp_path / "jobs.d")) == ["collector.json", "other.toml"]


def test_a_mask_and_a_pipe_in_the_directory_are_in_the_way_and_not_opened(root: Path, tmp_path: Path) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d/collector.json").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "jobs.d/collector-2.json")
    assert crontab(tmp_path) == 1


def test_files_are_as_readable_as_what_they_come_from(root: Path, tmp_path: Path) -> None:
    put(root, "/etc/cron.d/open", "0 1 * * * root a\n")
    put(root, "/etc/cron.d/closed", "0 1 * * * root b\n", 0o600)
    put(root, "/var/spool/cron/crontabs/ann", "TOKEN=5ca1ab1e\n0 1 * * * /opt/bin/fetch --all\n", 0o600)
    assert crontab(tmp_path) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "jobs.d").iterdir()}
    assert modes == {"open.json": 0o644, "closed.json": 0o600, "ann-fetch.json": 0o600}
    assert stat.S_IMODE((tmp_path / "jobs.d").stat().st_mode) == 0o755
    assert jobs(tmp_path)["ann-fetch.json"]["task"]["user"] == "ann"


def test_a_full_disk_leaves_nothing_behind(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/collector", PACKAGES["collector"])
    links: list[str] = []

    def link(source: str, target: str) -> None:
        if links:
            raise OSError(28, "No space left on device", target)
        links.append(target)
        real(source, target)

    real = os.link
    monkeypatch.setattr(shelf.os, "link", link)
    assert crontab(tmp_path) == 1
    assert links
    assert os.listdir(tmp_path / "jobs.d") == []
    assert "No space left on device; nothing was imported" in capsys.readouterr().err


def test_a_file_that_comes_meanwhile_is_not_replaced(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "/etc/cron.d/x", "0 1 * * * root a\n")
    (tmp_path / "jobs.d").mkdir()
    real = shelf.Shelf.put

    def late(self: shelf.Shelf, job_id: str, data: bytes, mode: int) -> None:
        (tmp_path / "jobs.d/x.json").write_text("mine")
        real(self, job_id, data, mode)

    monkeypatch.setattr(shelf.Shelf, "put", late)
    assert crontab(tmp_path) == 1
    assert os.listdir(tmp_path / "jobs.d") == ["x.json"]
    assert (tmp_path / "jobs.d/x.json").read_text() == "mine"


def test_the_default_is_the_first_job_directory(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "/etc/cron.d/x", "0 1 * * * root a\n")
    put(root, "/etc/cron.d/y", "0 1 * * * root b\n")
    monkeypatch.setenv("JOBSCHEDD_JOBS_DIRS", f"{tmp_path}/high:{tmp_path}/low")
    (tmp_path / "low").mkdir()
    (tmp_path / "low/y.json").write_text("{}")  # would be covered
    assert main(["import", "crontab", "--root", str(root)]) == 1
    assert os.listdir(tmp_path / "high") == ["x.json"]


# -- directories of scripts ------------------------------------------------------------------------------------------


@pytest.fixture
def scripts(root: Path) -> Path:
    put(root, "/etc/crontab", CRONTAB)
    put(root, "/etc/cron.daily/rotate", "#!/bin/sh\n", 0o755)
    put(root, "/etc/cron.daily/pages", "#!/bin/sh\n", 0o755)
    put(root, "/etc/cron.daily/old.dpkg-old", "#!/bin/sh\n", 0o755)
    put(root, "/etc/cron.daily/off", "#!/bin/sh\n", 0o644)
    put(root, "/etc/cron.daily/.placeholder", "")
    put(root, "/etc/cron.daily/0anacron", "#!/bin/sh\n", 0o755)
    put(root, "/etc/cron.weekly/pages", "#!/bin/sh\n", 0o755)
    return root


@pytest.mark.usefixtures("scripts")
def test_each_script_is_a_job_at_the_time_of_its_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crontab(tmp_path) == 0
    made = jobs(tmp_path)
    assert {name: job["schedule"] for name, job in made.items()} == {
        "pages-daily.json": "25 6 * * *", "pages-weekly.json": "47 6 * * 7", "rotate-daily.json": "25 6 * * *",
    }  # fmt: skip
    assert made["rotate-daily.json"]["task"] == {
        "type": "execute_command", "command": ["/etc/cron.daily/rotate"], "user": "root", "cwd": "/",
        "env": {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin", "SHELL": "/bin/bash"},
    }  # fmt: skip
    assert "catch_up" not in made["rotate-daily.json"]
    out = capsys.readouterr().out
    assert "/etc/cron.daily/old.dpkg-old: run-parts ignores it too: its name" in out
    assert "/etc/cron.daily/off: run-parts ignores it too: it is not executable" in out
    assert "placeholder" not in out
    assert "sed -i -e '4s/^/#/' -e '5s/^/#/' -e '6s/^/#/' /etc/crontab" in out


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("--disabled",)])
def test_it_is_said_that_nobody_runs_a_script_that_comes_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert crontab(tmp_path, *arguments) == 0
    assert capsys.readouterr().out.count("a script that a package adds to /etc/cron.* later is run by nobody") == 1


def test_what_anacron_runs_is_caught_up_for_its_period(
    scripts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(scripts, "/usr/sbin/anacron", "", 0o755)
    table = "HOME=/root\nLOGNAME=root\n1 5 cron.daily run-parts --report /etc/cron.daily\n3 9 mine /opt/mine --now\n"
    put(scripts, "/etc/anacrontab", table)
    assert crontab(tmp_path) == 1
    made = jobs(tmp_path)
    assert list(made) == ["pages-daily.json", "rotate-daily.json"]
    assert (made["rotate-daily.json"]["schedule"], made["rotate-daily.json"]["catch_up"]) == ("25 6 * * *", "1d")
    assert made["rotate-daily.json"]["task"]["env"] == {"PATH": "/usr/bin:/bin", "HOME": "/root"}
    out = capsys.readouterr().out
    assert "/etc/anacrontab, line 3: the jobs of /etc/cron.daily take its place; anacron runs them" in out
    assert "/etc/anacrontab: cannot import line 4: it names no time of day" in out
    assert '"R/2027-01-01T07:00/P3D" and "catch_up": "3d"' in out
    assert "/etc/crontab, line 6: it runs nothing where anacron is, and /etc/anacrontab has no /etc/cron.weekly" in out
    assert "sed -i -e '4s/^/#/' /etc/crontab" in out
    assert "sed -i -e '3s/^/#/' /etc/anacrontab" in out


def test_a_run_parts_line_that_does_more_is_a_job_as_it_stands(root: Path, tmp_path: Path) -> None:
    put(
        root,
        "/etc/cron.d/x",
        "0 1 * * * root run-parts /etc/cron.daily && touch /run/done\n0 2 * * * ann run-parts /d\n",
    )
    assert crontab(tmp_path) == 0
    assert [job["task"]["command"] for job in jobs(tmp_path).values()] == [
        "run-parts /d", "run-parts /etc/cron.daily && touch /run/done",
    ]  # fmt: skip


# -- what cron does not run either -----------------------------------------------------------------------------------


def test_a_crontab_that_cron_ignores_gives_no_job(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/x.bak", "0 1 * * * root a\n")
    put(root, "/etc/cron.d/anybodys", "0 1 * * * root a\n", 0o666)
    put(root, "/etc/cron.d/half", "0 1 * * * root a\n61 * * * * root b\n")
    put(root, "/etc/cron.d/unended", "0 1 * * * root a")
    assert crontab(tmp_path) == 1
    assert not (tmp_path / "jobs.d").exists()
    out = capsys.readouterr().out
    assert "/etc/cron.d/x.bak: cron ignores it too: its name" in out
    assert "/etc/cron.d/anybodys: cron ignores it too: others may write it" in out
    assert "/etc/cron.d/half: cannot import line 1: Debian's cron ignores the whole crontab because of line 2" in out
    assert "/etc/cron.d/unended: cannot import it: cron ignores it, because line 1 does not end" in out


UNKNOWN = "A=b\n0 1 * * * root a\n0 2 * * * eve b\n0 22-3 * * * mallory c\n0 3 * * * ann d\n"


def test_a_user_who_does_not_exist_silences_the_whole_crontab(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/x", UNKNOWN)
    put(root, "/etc/cron.d/good", "0 1 * * * root a\n")
    assert crontab(tmp_path) == 1
    assert list(jobs(tmp_path)) == ["good.json"]
    out = capsys.readouterr().out
    assert (
        '/etc/cron.d/x: cannot import line 3: cannot find the user "eve", and Debian\'s cron has run no line of this'
        " crontab because of it; add the user, or take the line out\n"
    ) in out
    assert '/etc/cron.d/x: cannot import line 4: cannot find the user "mallory"' in out
    for line in (1, 2, 5):
        assert (
            f"/etc/cron.d/x: cannot import line {line}: Debian's cron ignores the whole crontab because of line 3, and"
            " has run none of its lines\n"
        ) in out


def test_a_user_who_does_not_exist_in_etc_crontab_keeps_the_directories_from_running_too(
    scripts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(scripts, "/etc/crontab", CRONTAB + "0 1 * * * eve a\n")
    assert crontab(tmp_path) == 1
    assert not (tmp_path / "jobs.d").exists()
    assert "nobody once the line" not in capsys.readouterr().out


def test_cronie_skips_only_the_line_that_it_cannot_run(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/x", UNKNOWN)
    put(root, "/etc/cron.d/half", "0 1 * * * root e\n61 * * * * root f\n")
    assert crontab(tmp_path, "--cron", "cronie") == 1
    assert sorted(job["task"]["command"] for job in jobs(tmp_path).values()) == ["a", "d", "e"]
    out = capsys.readouterr().out
    assert '/etc/cron.d/x: cannot import line 3: cannot find the user "eve"; add the user, or take the line out' in out
    assert "/etc/cron.d/half: cannot import line 2: cron cannot read" in out
    assert "Debian" not in out


def test_where_nobody_knows_which_cron_it_is_a_user_who_does_not_exist_is_asked_about(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "usr/sbin/cron").unlink()
    put(root, "/etc/cron.d/x", UNKNOWN)
    assert crontab(tmp_path) == 1
    assert not (tmp_path / "jobs.d").exists()
    out = capsys.readouterr().out
    assert '/etc/cron.d/x: cannot import line 3: cannot find the user "eve"; add the user' in out
    assert (
        "cannot import line 2: Debian's cron ignores the whole crontab because of line 3, and cronie only that line;"
        " say which cron this is: --cron debian or --cron cronie"
    ) in out


def test_the_users_of_another_machine_are_those_of_its_passwd(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nonly-there:x:7:7::/:/bin/sh\n")
    put(root, "/etc/cron.d/a", "0 1 * * * only-there a\n")
    put(root, "/etc/cron.d/b", "0 1 * * * daemon b\n")  # who is here on every machine
    assert crontab(tmp_path) == 1
    assert list(jobs(tmp_path)) == ["a.json"]
    (root / "etc/passwd").unlink()
    capsys.readouterr()
    assert crontab(tmp_path) == 1
    assert f"{root}/etc/passwd: No such file or directory; nothing was imported" in capsys.readouterr().err
    os.mkfifo(root / "etc/passwd")
    assert crontab(tmp_path) == 1
    assert f"{root}/etc/passwd: cannot read it: it is no file; nothing was imported" in capsys.readouterr().err


def test_the_crontab_of_a_user_who_is_gone_is_run_by_nobody(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/var/spool/cron/crontabs/eve", "0 1 * * * true\n", 0o600)
    put(root, "/var/spool/cron/crontabs/ann", "0 1 * * * true\n", 0o600)
    assert crontab(tmp_path) == 0
    assert list(jobs(tmp_path)) == ["ann-true.json"]
    assert "/var/spool/cron/crontabs/eve: cron ignores it too: there is no user eve\n" in capsys.readouterr().out


def test_cron_tz_is_for_cronie_and_nothing_to_debian(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "/etc/cron.d/x", "CRON_TZ=Asia/Tokyo\nRANDOM_DELAY=45\n0 9 * * * root a\n")
    assert crontab(tmp_path, "--dry-run", "--cron", "cronie") == 0
    assert crontab(tmp_path) == 0
    assert "timezone" not in jobs(tmp_path)["x.json"]
    (tmp_path / "root/usr/sbin/cron").unlink()
    capsys.readouterr()
    assert crontab(tmp_path, "--output", str(tmp_path / "b")) == 1
    assert "say which cron this is: --cron debian or --cron cronie" in capsys.readouterr().out
    assert crontab(tmp_path, "--output", str(tmp_path / "b"), "--cron", "cronie") == 0
    made = json.loads((tmp_path / "b/x.json").read_text())
    assert (made["timezone"], made["jitter"]) == ("Asia/Tokyo", "45m")


def test_a_line_whose_instants_differ_is_not_written(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # cronie skips 02:30 in New York in March where the line names its zone, and a job runs right after the jump.
    put(root, "/etc/cron.d/x", "CRON_TZ=America/New_York\n30 2 * * * root a\n")
    assert crontab(tmp_path, "--cron", "cronie") == 1
    assert "cron runs it at 20" in capsys.readouterr().out
    assert not (tmp_path / "jobs.d").exists()


# -- one crontab -----------------------------------------------------------------------------------------------------


def own(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_a_file_of_a_user_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, 0)
    (tmp_path / "mine").write_text("0 5 * * 1 tar -zcf /var/backups/home.tgz /home/\n")
    assert (
        main(["import", "crontab", str(tmp_path / "mine"), "--user", "root", "--output", str(tmp_path / "jobs.d")]) == 0
    )
    made = jobs(tmp_path)["root-tar.json"]
    assert (made["task"]["user"], made["task"]["command"]) == ("root", "tar -zcf /var/backups/home.tgz /home/")


@pytest.mark.parametrize("cron", [(), ("--cron", "debian"), ("--cron", "cronie")])
def test_a_file_of_a_user_without_the_users_name_is_not_guessed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cron: tuple[str, ...]
) -> None:
    own(monkeypatch, 0)
    file = tmp_path / "mine"
    file.write_text("* * * * * echo hi\n")
    to = ("--output", str(tmp_path / "jobs.d"))
    assert main(["import", "crontab", str(file), *cron, *to]) == 1
    assert not (tmp_path / "jobs.d").exists()
    assert (
        f'{file}: cannot import line 1: cannot find the user "echo"; a crontab of one user\'s: give --user NAME\n'
    ) in capsys.readouterr().out
    assert main(["import", "crontab", str(file), "--user", "root", *cron, *to]) == 0
    assert jobs(tmp_path)["root-echo.json"]["task"]["command"] == "echo hi"
    file.write_text("* * * * * daemon echo hi\n")
    assert main(["import", "crontab", str(file), *cron, *to]) == 0
    assert jobs(tmp_path)["mine-echo.json"]["task"]["user"] == "daemon"


def test_standard_input_is_a_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own(monkeypatch, 1000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"0 5 * * 1 /usr/bin/true\n")))
    assert main(["import", "crontab", "-", "--output", str(tmp_path / "jobs.d")]) == 0
    assert "user" not in jobs(tmp_path)["crontab-true.json"]["task"]
    assert "standard input, line 1: imported" in capsys.readouterr().out


def test_ones_own_crontab_is_asked_of_crontab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own(monkeypatch, 1000)
    put(tmp_path, "/bin/crontab", "#!/bin/sh\necho '0 5 * * 1 /usr/bin/true'\n", 0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert main(["import", "crontab", "--output", str(tmp_path / "jobs.d")]) == 0
    assert "crontab -e    and put # before line 1" in capsys.readouterr().out
    put(tmp_path, "/bin/crontab", "#!/bin/sh\necho no crontab for you >&2; exit 1\n", 0o755)
    assert main(["import", "crontab", "--output", str(tmp_path / "jobs.d")]) == 1
    assert "cannot read your crontab by crontab -l: no crontab for you" in capsys.readouterr().err


def test_only_root_imports_somebody_elses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    own(monkeypatch, 1000)
    assert main(["import", "crontab", "--user", "ann"]) == 1
    assert "be root" in capsys.readouterr().err


def test_a_user_without_a_crontab_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own(monkeypatch, 0)
    put(root, "/var/spool/cron/crontabs/bob", "0 1 * * * true\n", 0o600)
    assert crontab(tmp_path, "--user", "ann") == 1
    assert "the crontab of ann: cannot import it: there is none" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["crontab", "--cron", "vixie"], ["crontab", "a", "b"], ["anacron"]])
def test_usage_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import", *arguments])
    assert ended.value.code == 2


# -- hostile ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("A53")
@pytest.mark.parametrize("name", ["../../x", "..", "a/b", "a\nb", "\x1b[2J", "-rf", "ü", "", "a" * 500, "@", ".hidden"])
def test_no_name_leads_out_of_the_directory(name: str) -> None:
    made = clean(name)
    assert "/" not in made
    assert ".." not in made
    assert parse(
        "x.json", "x",
        json.dumps({"job_id": made, "schedule": "@daily", "task": {"type": "execute_command", "command": "x"}}).encode(),
        Defaults(),
    )  # fmt: skip


@pytest.mark.fault("A53")
def test_the_name_of_a_command_is_found_soon_and_is_only_a_name() -> None:
    assert of_command("test -x /usr/bin/foo && /usr/bin/foo --bar") == "foo"
    assert of_command("cd /srv && A=b exec ../../../etc/passwd") == "srv"
    assert of_command("$(curl evil)") == "curl"
    with at_most(1):
        assert of_command("../" * 100_000) == "job"


@pytest.mark.fault("A53")
@pytest.mark.parametrize(
    "text",
    [
        'MAILTO="a@b -oQ/tmp"\n0 1 * * * ann x\n',
        "MAILTO=`reboot`\n0 1 * * * ann x\n",
        '0 1 * * * ann x", "user": "root\n',
        "0 1 * * * ann x%\\u0000%$(reboot)\n",
        "LD_PRELOAD=/tmp/x.so\nJOBSCHEDD_JOB_ID=other\n0 1 * * * ann x\n",
    ],
)
def test_a_hostile_line_is_a_command_of_its_user_and_nothing_more(root: Path, tmp_path: Path, text: str) -> None:
    put(root, "/etc/cron.d/x", text)
    assert crontab(tmp_path) == 0
    (job,) = jobs(tmp_path).values()
    assert job.keys() == {"job_id", "description", "schedule", "task", "overlap", "leave_children"}
    assert job["task"]["user"] == "ann"
    assert job["schedule"] == "0 1 * * *"


@pytest.mark.fault("A53")
@pytest.mark.parametrize("user", ["0", "-1", "root:root", "../ann", "/usr/bin/foo", "a\x1bb"])
def test_who_is_no_user_name_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    put(root, "/etc/cron.d/x", f"0 1 * * * {user} x\n")
    assert crontab(tmp_path) == 1
    assert "cannot find the user" in (out := capsys.readouterr().out)
    assert "\x1b" not in out
    assert not (tmp_path / "jobs.d").exists()


@pytest.mark.fault("A53")
@pytest.mark.parametrize("user", ["0", "-1", "../ann", "/usr/bin/foo", "a\x1bb"])
def test_who_is_no_user_name_is_refused_though_a_passwd_has_it(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    put(root, "/etc/passwd", f"{user}:x:0:0::/:/bin/sh\n")
    put(root, "/etc/cron.d/x", f"0 1 * * * {user} x\n")
    assert crontab(tmp_path) == 1
    assert "as a user" in (out := capsys.readouterr().out)
    assert "\x1b" not in out
    assert not (tmp_path / "jobs.d").exists()


@pytest.mark.fault("A53")
@pytest.mark.parametrize("text", ["* * * * * root true\n" * 1_000_000, "x" * (9 << 20)])
def test_a_flood_is_one_line_of_the_report(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    put(root, "/etc/cron.d/x", text)
    put(root, "/etc/cron.d/good", "0 1 * * * root a\n")
    with at_most(3):
        assert crontab(tmp_path) == 1
    assert "/etc/cron.d/x: cannot import it:" in capsys.readouterr().out
    assert list(jobs(tmp_path)) == ["good.json"]


@pytest.mark.fault("A53")
def test_a_flood_that_is_named_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flood").write_bytes(b"* * * * * root true\n" * 1_000_000)
    assert main(["import", "crontab", str(tmp_path / "flood"), "--output", str(tmp_path / "jobs.d")]) == 1
    assert f"{tmp_path}/flood: cannot import it: cannot read more than 8 MiB" in capsys.readouterr().out
    assert main(["import", "crontab", str(tmp_path / "none"), "--output", str(tmp_path / "jobs.d")]) == 1
    assert f"{tmp_path}/none: No such file or directory; nothing was imported" in capsys.readouterr().err


@pytest.mark.fault("A53")
def test_two_hundred_lines_take_seconds(root: Path, tmp_path: Path) -> None:
    lines = [f"{n % 60} {n % 24} {'*' if n % 3 else 1 + n % 28} * * root true {n}\n" for n in range(200)]
    put(root, "/etc/cron.d/x", "".join(lines))
    with at_most(30):  # ten on a quiet machine, and much less
        assert crontab(tmp_path) == 0
    assert len(jobs(tmp_path)) == 200


@pytest.mark.fault("A53")
def test_a_pipe_or_a_directory_for_a_crontab_keeps_nobody_waiting(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "etc/cron.d").mkdir(parents=True)
    os.mkfifo(root / "etc/cron.d/pipe")
    (root / "etc/cron.d/directory").mkdir()
    assert crontab(tmp_path) == 1
    assert capsys.readouterr().out.count("cannot read it") == 2


@pytest.mark.fault("A53")
def test_values_are_not_repeated_in_the_report(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "/etc/cron.d/x", "TOKEN=5ca1ab1e\n1 1 1 1 1 root x 5ca1ab1e\n22-3 1 1 1 1 root 5ca1ab1e\n")
    assert crontab(tmp_path) == 1
    captured = capsys.readouterr()
    assert "5ca1ab1e" not in captured.out + captured.err
    put(root, "/etc/cron.d/x", "1 1 1 1 1 TOKEN=5ca1ab1e x\n")
    assert crontab(tmp_path) == 1
    captured = capsys.readouterr()
    assert 'cannot find the user "TOKEN=..."' in captured.out
    assert "5ca1ab1e" not in captured.out + captured.err
