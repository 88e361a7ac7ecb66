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
from jobschedd.model.event import KINDS
from jobschedd.model.job import KEYS as JOB_KEYS
from jobschedd.model.job import parse
from jobschedd.model.timing import Defaults
from tests.conftest import job_values

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
EXAMPLES = sorted((ROOT / "examples/jobs.d").iterdir())


def test_the_reference_of_job_files_is_what_the_models_say() -> None:
    assert (ROOT / "docs/job-files.md").read_text() == page(), "run ./dev docs"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_and_fits_the_schema(path: Path) -> None:
    made = parse(path.name, str(path), path.read_bytes(), Defaults())
    assert made.job.description
    fits_the_schema(path.read_text(), path.suffix)


def fits_the_schema(text: str, suffix: str) -> None:
    """Says a validator that is not ours; a date of TOML's is the text of it, for the parser too."""
    values = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    Draft202012Validator(schema()).validate(json.loads(json.dumps(values, default=lambda moment: moment.isoformat())))


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_every_job_file_in_the_documents_loads_and_fits_the_schema(suffix: str) -> None:
    found = re.findall(rf"```{suffix[1:]}\n(.*?)```", DOCS, re.DOTALL)
    if suffix == ".json":
        # Those that a console shows being written.
        found += re.findall(r"<<'JSON'\n(.*?)\nJSON\n", DOCS, re.DOTALL)
    jobs = [text for text in found if "job_id" in text]
    assert jobs
    for text in jobs:
        assert parse(f"x{suffix}", "x", text.encode(), Defaults())
        fits_the_schema(text, suffix)


def test_every_part_of_a_job_file_in_the_documents_loads_and_fits_the_schema() -> None:
    found = [text.strip() for text in re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL) if "job_id" not in text]
    parts = [json.loads(text) for text in found if text.startswith("{")]
    assert parts
    for part in parts:
        if part.keys() <= set(JOB_KEYS):
            whole = json.dumps(job_values(schedule=None) | part)
            assert parse("x.json", "x", whole.encode(), Defaults())
            fits_the_schema(whole, ".json")


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
