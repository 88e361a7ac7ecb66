"""Writes the tables of keys in docs/job-files.md from the models, so that neither can say what the other does not."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.keys import Table, job_keys, parts_of_a_job, task_types

PAGE = Path(__file__).with_name("job-files.md")
BEGIN, END = "<!-- generated from the models by ./dev docs: begin -->\n", "<!-- generated: end -->\n"


def tables() -> str:
    """The keys of a job file, then those of the objects in it and of each task type."""
    parts = [rows(job_keys())]
    for table in parts_of_a_job():
        parts += [f"### In `{table.name}`", rows(table)]
    for table in task_types():
        parts += [f"### Task type `{table.name}`\n\n{table.meaning}", rows(table)]
    return "\n\n".join(parts) + "\n"


def rows(table: Table) -> str:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key in table.keys:
        meaning = f"{key.meaning} Examples: {key.examples}." if key.examples else key.meaning
        cells = (f"`{key.name}`", key.kind, key.default, meaning.strip())
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def page() -> str:
    """The page as it has to be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + tables() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
