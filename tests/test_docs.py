"""What the documents promise is true of the program, and what the program has is in the documents."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from docs.generate import page
from jobschedd.__main__ import arguments
from jobschedd.ctl.__main__ import COMMANDS, main
from jobschedd.ctl.schema import schema
from jobschedd.model.config import KEYS, SETTINGS
from jobschedd.model.error import BadFile
from jobschedd.model.event import KINDS
from jobschedd.model.job import parse
from jobschedd.model.timing import Defaults

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
EXAMPLES = sorted((ROOT / "examples/jobs.d").iterdir())


def test_the_reference_of_job_files_is_what_the_models_say() -> None:
    assert (ROOT / "docs/job-files.md").read_text() == page(), "run ./dev docs"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_and_fits_the_schema(path: Path) -> None:
    made = parse(path.name, str(path), path.read_bytes(), Defaults())
    assert made.job.description
    values = json.loads(path.read_text()) if path.suffix == ".json" else tomllib.loads(path.read_text())
    Draft202012Validator(schema()).validate(values)


def test_the_schema_is_one_and_refuses_what_the_daemon_refuses() -> None:
    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema())
    for bad in ({}, {"job_id": "a b"}, {"job_id": "a", "schedule": "@daily", "task": {"type": "execute_command"}}):
        assert not validator.is_valid(bad)
        with pytest.raises(BadFile):
            parse("x.json", "x", json.dumps(bad).encode(), Defaults())


@pytest.mark.parametrize("language", ["json", "toml"])
def test_every_job_file_in_the_documents_loads(language: str) -> None:
    found = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    jobs = [text for text in found if "job_id" in text]
    assert jobs
    for text in jobs:
        assert parse(f"x.{language}", "x", text.encode(), Defaults())


def test_every_flag_is_documented() -> None:
    flags = {flag for action in arguments()._actions for flag in action.option_strings if flag.startswith("--")}
    assert {flag for flag in flags if flag not in DOCS} == set()


def test_every_setting_is_documented_with_its_default() -> None:
    assert {key for key in KEYS if f"`{key}`" not in DOCS} == set()
    assert SETTINGS.json_schema()


def test_every_kind_of_event_is_documented() -> None:
    assert {kind.NAME for kind in KINDS if f"`{kind.NAME}`" not in DOCS} == set()


def test_every_journal_field_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "jobschedd/model/event").glob("*.py"))
    used = set(re.findall(r'"(JOBSCHEDD_[A-Z_]+)"', source))
    assert used
    assert {field for field in used if f"`{field}`" not in DOCS} == set()


def test_every_command_of_jobctl_is_documented() -> None:
    assert {name for name in COMMANDS if f"jobctl {name}" not in DOCS} == set()


def test_every_preview_in_the_documents_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [block for block in re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL) if "jobctl preview" in block]
    assert len(shown) > 4
    for block in shown:
        for part in block.split("$ jobctl ")[1:]:
            command, _, expected = part.partition("\n")
            assert main(shlex.split(command)) == 0
            assert capsys.readouterr().out == expected, command


def test_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
