"""What a page is made of, and how it is read from the Markdown that docs/ are written in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Style = Literal["roman", "bold", "italic"]
Span = tuple[Style, str]
Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    spans: Spans


@dataclass(frozen=True, slots=True)
class Code:
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bullet:
    body: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A term, and indented below it what it means."""

    tag: Spans
    body: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Synopsis:
    program: str
    words: tuple[Spans, ...]
    """None of them is broken at the end of a line."""


@dataclass(frozen=True, slots=True)
class Made:
    """A line `{{ … }}`: the place of what the program says itself."""

    what: str


Block = Heading | Paragraph | Code | Bullet | Tagged | Synopsis | Made

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>[^*\s][^*]*)\*|\[(?P<link>[^]]+)\]\([^)]+\)"
    r"|(?P<page>[a-zA-Z_][\w.@-]*(?=\([1-8]\)))"
)


def inline(text: str) -> Spans:
    """The spans of a line of Markdown. Of a link its text remains: what it leads to is another page, or on the web."""
    spans: list[Span] = []
    position = 0
    for match in _INLINE.finditer(text):
        spans.append(("roman", text[position : match.start()]))
        position = match.end()
        kind, found = match.lastgroup, match[match.lastgroup or 0]
        if kind == "code" and (page := re.fullmatch(r"([\w.@-]+)(\([1-8]\))", found)):
            spans += [("bold", page[1]), ("roman", page[2])]
        elif kind == "link":
            spans += inline(found) if "`" in found else [("italic", found)]
        else:
            spans.append(("italic" if kind == "italic" else "bold", found.replace("`", "")))
    spans.append(("roman", text[position:]))
    return tuple(span for span in spans if span[1])


def plain(text: str) -> Spans:
    """Text that is no Markdown, such as a program's help: only the names of other pages stand out."""
    parts = re.split(r"([a-zA-Z_][\w.@-]*)(?=\([1-8]\))", text)
    return tuple(("bold" if index % 2 else "roman", part) for index, part in enumerate(parts) if part)


def sentence(spans: Spans) -> Spans:
    """Cells of a table and a program's help are written in small letters and without a stop; a page has sentences."""
    if not spans:
        return ()
    (style, first), *rest = spans
    if style == "roman" and re.match(r"(?!systemd|job(ctl|schedd))[a-z]+([ ,:;]|$)", first):
        spans = ((style, first[0].upper() + first[1:]), *rest)
    return spans if spans[-1][1][-1] in ".!?…" else (*spans, ("roman", "."))


def read(text: str) -> Iterator[Block]:
    """The blocks of a page: headings, paragraphs, lists of one level, tables, code. Raises ValueError for others."""
    lines = text.splitlines()
    while lines:
        line = lines[0]
        if not line.strip():
            del lines[0]
        elif line.startswith("```"):
            end = lines.index("```", 1)
            yield Code(tuple(lines[1:end]))
            del lines[: end + 1]
        elif heading := re.fullmatch(r"(#+) (.+)", line):
            yield Heading(len(heading[1]), heading[2].replace("`", ""))
            del lines[0]
        elif made := re.fullmatch(r"\{\{ (.+) \}\}", line):
            yield Made(made[1])
            del lines[0]
        elif line.startswith("|"):
            yield from _table(_take(lines, "|"))
        elif line.startswith("- "):
            yield Bullet((Paragraph(inline(_join([line[2:], *_take_rest(lines)]))),))
        elif re.match(r"\s|[>*+]|[0-9]+\. ", line):
            raise ValueError(f"cannot make a man page of {line!r}; write paragraphs, lists with -, tables, or code")
        else:
            yield Paragraph(inline(_join([line, *_take_rest(lines)])))


def _take(lines: list[str], mark: str) -> list[str]:
    found = []
    while lines and lines[0].startswith(mark):
        found.append(lines.pop(0))
    return found


def _take_rest(lines: list[str]) -> Iterator[str]:
    """The lines that go on with the first one, which is taken away too."""
    del lines[0]
    while lines and lines[0].strip() and not re.match(r"- |```|\||#+ |\{\{ ", lines[0]):
        yield lines.pop(0)


def _join(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines)


def _table(lines: list[str]) -> Iterator[Tagged]:
    """A row is a term in the first column, and what the others say of it. A terminal is too narrow for more."""
    for line in lines[2:]:
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        tag = re.sub("` `", "`, `", cells[0])
        yield Tagged(inline(tag), (Paragraph(sentence(inline("; ".join(filter(None, cells[1:]))))),))
