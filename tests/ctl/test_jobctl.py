"""`jobctl`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobschedd.ctl.__main__ import COMMANDS, main
from tests.conftest import job_file


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBSCHEDD_CONFIG", str(tmp_path / "none.toml"))


def test_a_good_file_has_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_bytes(job_file("a"))
    assert main(["check", str(tmp_path / "a.json")]) == 0
    assert capsys.readouterr().out == f"0 errors, 0 warnings in {tmp_path}/a.json\n"


def test_each_problem_is_a_line_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.json").write_bytes(job_file("a", "61 * * * *", timout=5))
    assert main(["check", str(tmp_path)]) == 1
    first, second, total = capsys.readouterr().out.splitlines()
    assert first.startswith(f"error: {tmp_path}/bad.json: schedule: cannot read")
    assert first.endswith("(line 3, column 2)")
    assert second.startswith(f'error: {tmp_path}/bad.json: timout: unknown key; did you mean "timeout"?')
    assert total.startswith("2 errors")


def test_json_is_one_object_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.json").write_bytes(job_file("a", "61 * * * *"))
    assert main(["check", "--json", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found.keys() == {"path", "severity", "where", "text", "line", "column"}
    assert (found["severity"], found["where"], found["line"], found["column"]) == ("error", "schedule", 3, 2)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("* * * * * *", "fires once a second"),
        ("2020-01-01T00:00:00Z", "has passed"),
        ("0 0 2 * * *", "fires once a second"),
    ],
)
def test_what_is_legal_but_surely_not_meant_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schedule: str, said: str
) -> None:
    (tmp_path / "a.json").write_bytes(job_file("a", schedule))
    assert main(["check", str(tmp_path)]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.fault("A21")
@pytest.mark.parametrize("key", ["user", "group"])
def test_somebody_whom_the_machine_does_not_know_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    values = json.loads(job_file("a"))
    values["task"][key] = "nosuch"
    (tmp_path / "a.json").write_text(json.dumps(values))
    assert main(["check", str(tmp_path)]) == 0
    assert f'task.{key}: no {key} "nosuch" on this machine' in capsys.readouterr().out


@pytest.mark.fault("A09")
def test_two_files_with_one_id_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(job_file("same", description=name))
    assert main(["check", str(tmp_path)]) == 1
    assert f'error: {tmp_path}/b.json: job_id: cannot have "same"' in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.json")]) == 1
    assert "cannot read it: No such file" in capsys.readouterr().out


def test_of_one_name_in_several_directories_the_first_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, schedule in (("high", "@daily"), ("low", "nonsense")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_bytes(job_file("a", schedule))
    assert main(["check", str(tmp_path / "high"), str(tmp_path / "low")]) == 0
    capsys.readouterr()


def test_defaults_of_the_settings_hold_for_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.toml").write_text("[defaults]\ndescription = 5\n")
    monkeypatch.setenv("JOBSCHEDD_CONFIG", str(tmp_path / "settings.toml"))
    assert main(["check", str(tmp_path)]) == 1
    assert "defaults.description: cannot use 5" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    said = capsys.readouterr().out
    assert json.loads(said)["properties"]["job_id"]
    assert main(["schema", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(said)


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["check", "--no-such-flag"]])
def test_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"example: jobctl {command}" in said
    assert "-H [USER@]HOST" in said
