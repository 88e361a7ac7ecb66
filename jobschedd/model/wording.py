"""pydantic's findings as sentences: the place, what is wrong, the form that would work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from jobschedd.model.document import Place, find_line, show_place
from jobschedd.model.error import Problem
from jobschedd.model.span import show_value

if TYPE_CHECKING:
    from pydantic import ValidationError

_FORMS = {
    "job_id": 'write "job_id": "daily-report"',
    "schedule": 'write "schedule": "0 1 * * *"',
    "task": 'write "task": {"type": "execute_command", "command": "/usr/bin/true"}',
    "type": 'write "type": "execute_command"',
    "command": 'write "command": "/usr/bin/true"',
    "url": 'write "url": "https://example.org/ping"',
    "image": 'write "image": "docker.io/library/alpine:3.20"',
    "unit": 'write "unit": "backup.service"',
}

_KINDS = {
    "string_type": 'a text: "…"',
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list: […]",
    "list_type": "a list: […]",
    "dict_type": "an object: {…}",
    "dataclass_type": "an object: {…}",
    "model_attributes_type": "an object: {…}",
}


MOST = 20
"""Problems that are told of one file. A hostile megabyte has a hundred thousand; nobody reads more than a screen."""

KnownKeys = Callable[[Place, dict[str, Any]], "list[str]"]
"""Which keys may stand in the object at a place."""


def required(key: str) -> Problem:
    return Problem(key, f"is required; {_FORMS[key]}")


def reword(error: ValidationError, values: dict[str, Any], known_keys: KnownKeys) -> list[Problem]:
    """A problem for each finding of pydantic's about `values`."""
    problems: dict[str, Problem] = {}
    for found in error.errors(include_url=False)[:MOST]:
        if found["type"] == "too_short" and found["input"]:
            continue  # what is left of a list without the items that are told of themselves
        place = _place(found["loc"], values)
        # A union reports each branch; the first one that speaks of a place is enough.
        problems.setdefault(show_place(place), Problem(show_place(place), _sentence(found, place, values, known_keys)))
    return list(problems.values())


def _place(location: tuple[int | str, ...], values: dict[str, Any]) -> Place:
    """The way as the file has it: without the tags that pydantic adds for the branches of a union."""
    place: list[str | int] = []
    here: Any = values
    for position, step in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, dict) and (step in here or last):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int):
            here = here[step] if step < len(here) else None
        elif not last or here is not values:
            continue
        place.append(step)
    return tuple(place)


def _sentence(found: Any, place: Place, values: dict[str, Any], known_keys: KnownKeys) -> str:
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    if kind == "in_words":
        return str(context["text"])
    if kind in ("missing", "missing_keyword_only_argument", "union_tag_not_found"):
        key = str(place[-1]) if kind != "union_tag_not_found" else "type"
        form = _FORMS.get(key) or f'write "{key}": …'
        return f"{'type ' if kind == 'union_tag_not_found' else ''}is required; {form}"
    if kind in ("unexpected_keyword_argument", "extra_forbidden", "unexpected_property"):
        return f"unknown key; {nearest(str(place[-1]), known_keys(place[:-1], values))}"
    if kind == "union_tag_invalid":
        return f'cannot use {show_value(values["task"]["type"])} as a task type; write its name: "execute_command"'
    if kind == "literal_error":
        return f"cannot use {show_value(value)} here; write {context['expected'].replace(chr(39), chr(34))}"
    if kind in _KINDS:
        return f"cannot use {show_value(value)} here; write {_KINDS[kind]}"
    if kind == "too_short":
        return f"cannot use {show_value(value)} here; write at least one"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"{context['ge']:g} or more" if "ge" in context else f"{context['le']:g} or less"
        return f"cannot use {show_value(value)} here; write a number, {bound}"
    return f"cannot use {show_value(value)} here; {found['msg'][:1].lower()}{found['msg'][1:]}"


def nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known are {', '.join(known)}"


def in_file_order(problems: list[Problem], data: bytes, name: str) -> list[Problem]:
    """The problems with the lines they stand on, as a reader of the file meets them."""
    if name.endswith(".toml"):
        return problems
    text = data.decode()
    seen: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        spot = find_line(text, _steps(problem.where))
        placed = replace(problem, line=spot[0], column=spot[1])
        seen.setdefault((problem.where, problem.text), placed)
    return sorted(seen.values(), key=lambda problem: (problem.line or 0, problem.column or 0))


def _steps(where: str) -> Place:
    steps: list[str | int] = []
    for part in where.split("."):
        name, *indexes = part.split("[")
        steps.append(name)
        steps += [int(index[:-1]) for index in indexes if index[:-1].isdigit()]
    return tuple(steps) if where else ()
