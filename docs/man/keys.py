"""The keys of job files and settings as entries of a page."""

from __future__ import annotations

from collections.abc import Iterator

from docs.keys import Key, Table, job_keys, parts_of_a_job, settings, task_types
from docs.man.text import Block, Heading, Paragraph, Tagged, inline
from jobschedd.__main__ import arguments
from jobschedd.model.sandbox import SETTINGS


def keys_of_a_job() -> Iterator[Block]:
    """Each key; below those that hold an object, its keys."""
    parts = {table.name: table for table in parts_of_a_job()}
    for key in job_keys().keys:
        inner = parts.get(key.name)
        yield _entry(key, tuple(_entry(one) for one in inner.keys) if inner else ())


def keys_of_tasks() -> Iterator[Block]:
    for table in task_types():
        yield Heading(3, table.name)
        yield Paragraph(inline(table.meaning))
        yield from (_entry(key) for key in table.keys if key.name != "type")


def keys_of_a_sandbox() -> Iterator[Block]:
    """The names that have the same form together."""
    forms: dict[str, list[str]] = {}
    for name, kind in SETTINGS.items():
        forms.setdefault(kind.form, []).append(name)
    for form, names in forms.items():
        yield Tagged(inline(form), (Paragraph(inline(", ".join(f"`{name}`" for name in names) + ".")),))


def keys_of_settings() -> Iterator[Block]:
    """With the flag and the variable that say the same."""
    flags = {action.dest: action.option_strings[0] for action in arguments()._actions if action.option_strings}
    for key in settings().keys:
        others = [f"`{flags[key.name]}`"] if key.name in flags else []
        others += [f"`{variable(key.name)}`"] if key.name != "defaults" else []
        yield _entry(key, (Paragraph(inline(f"Also: {', '.join(others)}.")),) if others else ())


def variables(table: Table) -> str:
    """The variables of the environment that stand for settings, in Markdown."""
    return ", ".join(f"`{variable(key.name)}`" for key in table.keys if key.name != "defaults")


def variable(key: str) -> str:
    return f"JOBSCHEDD_{key.upper()}"


def _entry(key: Key, more: tuple[Block, ...] = ()) -> Tagged:
    about = [key.meaning]
    if key.default.startswith("required"):
        about.append(f"{key.default[0].upper()}{key.default[1:]}.")
    elif "Default:" not in key.meaning and key.default != "none":
        about.append(f"Default: {key.default}.")
    if key.examples:
        about.append(f"{'Examples' if ', ' in key.examples else 'Example'}: {key.examples}.")
    return Tagged(inline(f"`{key.name}` ({key.kind})"), (Paragraph(inline(" ".join(about))), *more))
