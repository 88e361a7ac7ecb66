"""Pages in the language of man(7), as groff and mandoc both read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from docs.man.text import Block, Bullet, Code, Heading, Made, Paragraph, Spans, Synopsis, Tagged

_WIDTH = 78
_FONTS = {"roman": "R", "bold": "B", "italic": "I"}
# Three points at the end of a line are no end of a sentence.
_LETTERS = {"…": r"...\&", "–": r"\(en", "—": r"\(em", "µ": r"\(mc", "\u00d7": r"\(mu"}
# groff makes typographic signs of these, which no shell would take when they are copied.
_LITERAL = {"'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "-": r"\-"}

_LONGEST_UNBROKEN = 30


def page(title: str, section: int, *, date: str, version: str, blocks: Iterable[Block]) -> str:
    """`date` is ISO 8601."""
    head = f'.TH "{escape(title.upper())}" {section} {date} "{version}"'
    # Names are to be copied: nothing is hyphenated. Paragraphs set .hy to HY again.
    return "\n".join([head, ".nr HY 0", ".nh", ".ad l", *_lines(blocks)]) + "\n"


def escape(text: str) -> str:
    """Text that comes out as it is: every hyphen a minus, every quote the one of the keyboard."""
    return "".join(_LITERAL.get(letter) or _letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter == "\\":
        return r"\e"
    return letter if " " <= letter <= "~" else _LETTERS.get(letter) or f"\\[u{ord(letter):04X}]"


def _prose(text: str) -> str:
    """As above, but a hyphen within a word may be one, and an apostrophe too."""
    escaped = "".join(letter if letter in "-'" else _LITERAL.get(letter) or _letter(letter) for letter in text)
    return re.sub(r"(?<![a-zA-Z])-|-(?![a-zA-Z])", r"\\-", escaped)


def spans(found: Spans) -> str:
    made = ""
    for style, text in found:
        if style == "roman":
            made += _prose(text)
            continue
        shown = escape(text)
        if len(text) <= _LONGEST_UNBROKEN:
            shown = shown.replace(" ", r"\ ")
        made += rf"\f{_FONTS[style]}{shown}\fR"
    return made


def _lines(blocks: Iterable[Block], *, fresh: bool = True) -> Iterator[str]:
    """`fresh`: what stands above is a heading, which has its own space below."""
    for block in blocks:
        match block:
            case Heading(level, text):
                yield f".S{'H' if level == 2 else 'S'} {_quoted(text.upper() if level == 2 else text)}"
            case Paragraph(found):
                if not fresh:
                    yield ".PP"
                yield from _filled(spans(found))
            case Code(lines):
                if not fresh:
                    yield ".PP"
                yield from (".RS 4", ".EX", *(_guarded(escape(line)) for line in lines), ".EE", ".RE")
            case Bullet(body):
                yield from (r".IP \(bu 2", *_body(body))
            case Tagged(tag, body):
                yield from (".TP", _guarded(spans(tag)), *_body(body))
            case Synopsis(program, words):
                yield f".SY {escape(program)}"
                yield from (_guarded(re.sub(r"(?<!\\) ", r"\\ ", spans(word))) for word in words)
                yield ".YS"
            case Made(what):
                raise ValueError(f"nobody has made {what!r}")
        fresh = isinstance(block, Heading)


def _quoted(text: str) -> str:
    return '"' + _prose(text).replace('"', r"\(dq") + '"'


def _body(body: tuple[Block, ...]) -> Iterator[str]:
    if not body:
        yield r"\&"
        return
    first, *rest = body
    if not isinstance(first, Paragraph):
        first, rest = Paragraph((("roman", ""),)), list(body)
    yield from _filled(spans(first.spans)) or [r"\&"]
    if rest:
        yield from (".RS", *_lines(rest, fresh=False), ".RE")


def _filled(text: str) -> list[str]:
    """A sentence begins a line, and no line is longer than it has to be."""
    lines = []
    for sentence in re.split(r"(?:(?<=[.!?:])|(?<=[.!?:]\\fR)) (?=[A-Z]|\\f[BI])", text):
        line = ""
        for word in re.split(r"(?<!\\) +", sentence.strip()):
            if line and len(line) + 1 + len(word) > _WIDTH:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return [_guarded(line) for line in lines if line]


def _guarded(line: str) -> str:
    """Not a request, though it begins like one."""
    return rf"\&{line}" if line.startswith((".", "'")) else line
