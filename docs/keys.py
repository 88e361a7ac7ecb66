"""The keys of the files that people write, as the models say them: for every page that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobschedd.ctl.schema import schema
from jobschedd.model.config import SETTINGS
from jobschedd.model.task import TASK_TYPES


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object. Texts are Markdown."""

    name: str
    kind: str
    default: str
    meaning: str
    examples: str


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one object."""

    name: str
    meaning: str
    keys: tuple[Key, ...]


def job_keys() -> Table:
    return _table("", schema(), schema()["$defs"])


def parts_of_a_job() -> Iterator[Table]:
    """The objects that stand in a job file under a key of their own, but for the tasks."""
    made = schema()
    for name, value in made["properties"].items():
        for branch in (value, *value.get("anyOf", ()), *value.get("items", {}).get("anyOf", ())):
            if "$ref" in branch:
                yield _table(name, made["$defs"][branch["$ref"].rpartition("/")[2]], made["$defs"])


def task_types() -> Iterator[Table]:
    definitions = schema()["$defs"]
    for name, model in TASK_TYPES.items():
        yield _table(name, definitions[model.__name__], definitions)


def settings() -> Table:
    made = SETTINGS.json_schema()
    return _table("", made, made.get("$defs", {}))


def _table(name: str, model: dict[str, Any], definitions: dict[str, Any]) -> Table:
    required = set(model.get("required", ()))
    keys = []
    for key, value in model["properties"].items():
        default = "required" if key in required else _show(value.get("default"))
        if key == "schedule":
            default = "required, unless there is `after` or `watch`"
        keys.append(Key(key, _kind(value, definitions), default, value.get("description", ""), _examples(value)))
    return Table(name, model.get("description", "").strip(), tuple(keys))


def _examples(value: dict[str, Any]) -> str:
    """Those of the key, else those of its form, which a default shows too."""
    of_form = [one for branch in value.get("anyOf", ()) for one in branch.get("examples", ())]
    found = value.get("examples", of_form if value.get("default") in (None, 0) else ())
    return ", ".join(_show(example) for example in found)


def _show(value: Any) -> str:
    return "none" if value in (None, [], {}) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type of a value in a word or two."""
    if "$ref" in value or "oneOf" in value:
        return "object"
    if "enum" in value:
        return " or ".join(f'`"{choice}"`' for choice in value["enum"])
    if "const" in value:
        return f'`"{value["const"]}"`'
    if "anyOf" in value:
        kinds = dict.fromkeys(_kind(branch, definitions) for branch in value["anyOf"])
        return " or ".join(name for name in kinds if name != "null")
    names = {"string": "text", "integer": "whole number", "array": "list", "boolean": "true or false"}
    return names.get(value.get("type", ""), str(value.get("type", "any")))
