"""`jobctl schema`: the JSON Schema of a job file, for editors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from jobschedd.model.job import JOB
from jobschedd.model.task import TASK_TYPES, model_of
from jobschedd.world.task_types import InstalledTaskTypes

if TYPE_CHECKING:
    import argparse

    from jobschedd.model.task import TaskTypes

HELP = "JSON Schema of a job file, for editors"
EXAMPLE = "jobctl schema > job.schema.json"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    print(json.dumps(schema(InstalledTaskTypes()), indent=None if options.json else 2))
    return 0


def schema(others: TaskTypes | None = None) -> dict[str, Any]:
    """With `others`, the task types of other packages as far as they can be loaded.

    It has no `$id`: that would be an address which nobody answers, and editors look their schemas up by such.
    """
    made = JOB.json_schema(mode="validation")
    for name in sorted((others or {}).keys() - TASK_TYPES.keys()):
        try:
            _add(
                made,
                name,
                TypeAdapter(model_of(name, others or {})).json_schema(ref_template=f"#/$defs/{name}/$defs/{{model}}"),
            )
        except (ValueError, PydanticUserError) as error:
            print(f"warning: {error}", file=sys.stderr)
    _tidy(made)
    made["description"] = "What is run, and when; jobs.d(5)."
    # A rule over several keys, which pydantic does not put into a schema.
    made["anyOf"] = [{"required": [key]} for key in ("schedule", "after", "watch")]
    made["patternProperties"] = {"^x-": {"description": "Free for notes of other programs."}}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A job file of jobschedd"}
    return head | {key: value for key, value in made.items() if key not in head}


def _add(made: dict[str, Any], name: str, model: dict[str, Any]) -> None:
    """One more type that a task may have."""
    made["$defs"][name] = model
    task = made["properties"]["task"]
    task["oneOf"].append({"$ref": f"#/$defs/{name}"})
    task["discriminator"]["mapping"][name] = f"#/$defs/{name}"


def _tidy(part: Any) -> None:
    """Without what an editor would show or fill in to no use: titles made from the keys, defaults that are nothing."""
    if isinstance(part, list):
        for item in part:
            _tidy(item)
    if not isinstance(part, dict):
        return
    for value in part.get("properties", {}).values():
        value.pop("title", None)
        if value.get("default", ...) is None:
            del value["default"]
    for value in part.values():
        _tidy(value)
