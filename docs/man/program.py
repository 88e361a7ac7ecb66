"""What a program says of itself by its argparse parser: synopsis, options, commands, exit codes, examples."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from docs.man.text import Block, Code, Paragraph, Span, Spans, Synopsis, Tagged, plain, sentence

_MOST_CHOICES = 5
"""More are named where the option is explained, not in each line that shows it."""


def synopsis(parser: argparse.ArgumentParser) -> Synopsis:
    words = [_word(action) for action in _visible(parser) if action.dest != "help"]
    if commands(parser):
        words += [(("roman", "["), ("italic", "ARGUMENT"), ("roman", " …]"))]
    return Synopsis(parser.prog, tuple(words))


def options(parser: argparse.ArgumentParser) -> Iterator[Tagged]:
    """Those of the program itself; and once, those that each of its commands has."""
    for action in _visible(parser):
        if not isinstance(action, argparse._SubParsersAction):
            yield _tagged(parser, action)
    of_each = _of_each(parser)
    first = next(iter(commands(parser).values()), parser)
    for action in _visible(first):
        if _same(first, action) in of_each and _same(first, action) not in {_same(parser, a) for a in _visible(parser)}:
            yield _tagged(first, action)


def command_list(parser: argparse.ArgumentParser) -> Iterator[Tagged]:
    """Each command, those of commands too, with what is its own."""
    of_each = _of_each(parser)
    for name, command in commands(parser).items():
        actions = [action for action in _visible(command) if _same(command, action) not in of_each]
        tag: list[Span] = [("bold", name.removeprefix(f"{parser.prog} "))]
        for action in actions:
            tag += [("roman", " "), *_word(action)]
        body: list[Block] = [Paragraph(_sentence(command.description or ""))]
        body += [_tagged(command, action) for action in actions]
        shown = list(examples(command))
        body += [Paragraph(plain("For example:")), *shown] if shown and isinstance(shown[0], Code) else shown
        if codes := tuple(exit_codes(command)):
            body += [Paragraph(plain("Exit codes:")), *codes]
        yield Tagged(tuple(tag), tuple(body))


def exit_codes(parser: argparse.ArgumentParser) -> Iterator[Tagged]:
    """What an epilogue says behind "exit codes:": `0 done; 1 it failed`."""
    for part in _epilogue(parser):
        if part.startswith("exit codes:"):
            for code, meaning in re.findall(r"\b(\d+) ([^;]+)", " ".join(part.split())):
                yield Tagged((("bold", code),), (Paragraph(_sentence(meaning)),))


def examples(parser: argparse.ArgumentParser) -> Iterator[Block]:
    """What an epilogue says behind "example:", and whatever else it says."""
    for part in _epilogue(parser):
        if match := re.match(r"examples?:\s+", part):
            yield Code(tuple(line.strip() for line in part[match.end() :].splitlines()))
        elif not part.startswith("exit codes:"):
            yield Paragraph(_sentence(" ".join(part.split())))


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers at the ends, by all that is typed to come to them: `jobctl import crontab`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found |= commands(command) or {f"{parser.prog} {name}": command}
    return found


def _visible(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _same(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[object, ...]:
    return (*action.option_strings, action.metavar, _help(parser, action))


def _of_each(parser: argparse.ArgumentParser) -> set[tuple[object, ...]]:
    """The options that each command has, and has alike."""
    found = [
        {_same(command, action) for action in _visible(command) if action.option_strings}
        for command in commands(parser).values()
    ]
    return set.intersection(*found) if found else set()


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    # "%(default)s" and such; and BooleanOptionalAction adds a default to each help, also where it is None.
    return parser._get_formatter()._expand_help(action).removesuffix(" (default: None)") if action.help else ""


def _tagged(parser: argparse.ArgumentParser, action: argparse.Action) -> Tagged:
    if action.option_strings:
        tag: list[Span] = []
        for option in action.option_strings:
            tag += [("roman", ", "), ("bold", option)] if tag else [("bold", option)]
        if value := _value(action):
            tag += [("roman", " "), *value]
    else:
        tag = list(_value(action))
    about = _help(parser, action)
    if len(list(action.choices or ())) > _MOST_CHOICES:
        about += f": {', '.join(map(str, action.choices or ()))}"
    return Tagged(tuple(tag), (Paragraph(_sentence(about)),))


def _word(action: argparse.Action) -> Spans:
    """How it stands in a synopsis."""
    value = _value(action)
    if not action.option_strings:
        if action.nargs in ("?", "*"):
            return (("roman", "["), *value, ("roman", " …]" if action.nargs == "*" else "]"))
        return (*value, ("roman", " …")) if action.nargs == "+" else value
    # The short one, or both of a pair of opposites.
    names = action.option_strings if isinstance(action, argparse.BooleanOptionalAction) else action.option_strings[:1]
    found: list[Span] = [("bold", names[0])]
    for name in names[1:]:
        found += [("roman", "|"), ("bold", name)]
    if value:
        found += [("roman", " "), *value]
    if action.required:
        return tuple(found)
    again = " …" if isinstance(action, argparse._AppendAction) else ""
    return (("roman", "["), *found, ("roman", f"]{again}"))


def _value(action: argparse.Action) -> Spans:
    if action.nargs == 0:
        return ()
    named = isinstance(action, argparse._SubParsersAction) or action.metavar
    if named or not action.choices or len(list(action.choices)) > _MOST_CHOICES:
        return (("italic", str(action.metavar or action.dest.upper())),)
    found: list[Span] = []
    for choice in action.choices:
        found += [("roman", "|"), ("bold", str(choice))] if found else [("bold", str(choice))]
    return tuple(found)


def _epilogue(parser: argparse.ArgumentParser) -> list[str]:
    text = (parser.epilog or "").replace("%(prog)s", parser.prog)
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _sentence(text: str) -> Spans:
    return sentence(plain(text))
