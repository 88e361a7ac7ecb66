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


def run(_options: argparse.Namespace) -> int:
    print(json.dumps(schema(InstalledTaskTypes()), indent=2))
    return 0


def schema(others: TaskTypes | None = None) -> dict[str, Any]:
    """With `others`, the task types of other packages as far as they can be loaded."""
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
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "A job file of jobschedd"
    # A rule over several keys, which pydantic does not put into a schema.
    made["anyOf"] = [{"required": [key]} for key in ("schedule", "after", "watch")]
    made["patternProperties"] = {"^x-": {}}
    return made


def _add(made: dict[str, Any], name: str, model: dict[str, Any]) -> None:
    """One more type that a task may have."""
    made["$defs"][name] = model
    task = made["properties"]["task"]
    task["oneOf"].append({"$ref": f"#/$defs/{name}"})
    task["discriminator"]["mapping"][name] = f"#/$defs/{name}"
