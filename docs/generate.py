"""Writes the table of keys in docs/job-files.md from the models, so that neither can say what the other does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jobschedd.ctl.schema import schema
from jobschedd.model.task import TASK_TYPES

PAGE = Path(__file__).with_name("job-files.md")
BEGIN, END = "<!-- generated from the models by ./dev docs: begin -->\n", "<!-- generated: end -->\n"


def tables() -> str:
    """The keys of a job file, then those of each task type."""
    made = schema()
    definitions = made["$defs"]
    parts = [table(made, definitions)]
    for name, model in TASK_TYPES.items():
        text = definitions[model.__name__]
        parts.append(f"### Task type `{name}`\n\n{(model.__doc__ or '').strip()}")
        parts.append(table(text, definitions))
    return "\n\n".join(parts) + "\n"


def table(model: dict[str, Any], definitions: dict[str, Any]) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    required = set(model.get("required", ()))
    for key, value in model["properties"].items():
        default = "required" if key in required else show(value.get("default"))
        if key == "schedule":
            default = "required, unless there is `after` or `watch`"
        meaning = value.get("description", "")
        examples = ", ".join(show(example) for example in value.get("examples", ()))
        meaning += f" Examples: {examples}." if examples else ""
        cells = (f"`{key}`", kind(value, definitions), default, meaning.strip())
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def show(value: Any) -> str:
    return "none" if value in (None, [], {}) else f"`{json.dumps(value, ensure_ascii=False)}`"


def kind(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type of a value in a word or two."""
    if "$ref" in value or "oneOf" in value:
        return "object"
    if "enum" in value:
        return " or ".join(f'`"{choice}"`' for choice in value["enum"])
    if "const" in value:
        return f'`"{value["const"]}"`'
    if "anyOf" in value:
        kinds = dict.fromkeys(kind(branch, definitions) for branch in value["anyOf"])
        return " or ".join(name for name in kinds if name != "null")
    names = {"string": "text", "integer": "whole number", "array": "list", "boolean": "true or false"}
    return names.get(value.get("type", ""), value.get("type", "any"))


def page() -> str:
    """The page as it has to be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + tables() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
