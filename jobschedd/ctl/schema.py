"""`jobctl schema`: the JSON Schema of a job file, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobschedd.model.job import JOB

if TYPE_CHECKING:
    import argparse

HELP = "JSON Schema of a job file, for editors"
EXAMPLE = "jobctl schema > job.schema.json"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


def run(_options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return 0


def schema() -> dict[str, Any]:
    made = JOB.json_schema(mode="validation")
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "A job file of jobschedd"
    # A rule over several keys, which pydantic does not put into a schema.
    made["anyOf"] = [{"required": [key]} for key in ("schedule", "after", "watch")]
    made["patternProperties"] = {"^x-": {}}
    return made
