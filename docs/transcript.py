"""Runs what stands behind `$` in the console blocks of a page, and puts in what it said. See tests/test_transcript.py."""

from __future__ import annotations

import re
from collections.abc import Callable

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def transcribe(page: str, run: Callable[[str], str]) -> str:
    """`run` gets a command line and gives what it writes."""

    def block(found: re.Match[str]) -> str:
        commands = [line[2:] for line in found[1].splitlines() if line.startswith("$ ")]
        said = "".join(f"$ {command}\n{run(command)}" for command in commands)
        return f"```console\n{said}```"

    return _BLOCK.sub(block, page)


_VARIES = (
    (r"(?m)(?<=  )\S+( \S+)*…$", "CUT"),
    (r"[0-9A-HJKMNP-TV-Z]{26}", "RUN"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day", "DAY"),
    (r"\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"\d\d:\d\d", "TIME"),
    (r"(?<![\w-])\d\d-\d\d(?![\w-])", "DATE"),
    (r"(?<!\w)\d+(\.\d+)?(e-?\d+)?(us|ms|s|min|h|d)\b( \d+(ms|s|min|h)\b)?", "SPAN"),
    (r"process \d+", "process PID"),
    (r" on \S+", " on HOST"),
    (r"version \S+", "version X"),
    (r"[ \t]+", " "),
    # What is cut off depends on how wide the times are.
    (r"(?m)^((?:\S+ ){4}).*…$", r"\1…"),
)


def steady(page: str) -> str:
    """Without what is different at each run: times, ids, names of machines, widths of columns and what they leave of the last one; and the drawing of a day."""
    page = re.sub(r"(\$ jobctl timeline[^\n]*\n).*?(```)", r"\1\2", page, flags=re.DOTALL)
    # Prose is filled: where its lines end goes by the lengths of what is in it.
    page = re.sub(
        r"(?<=\$ jobctl why report\n).*?(?=^\$)",
        lambda found: found[0].replace("\n", " ") + "\n",
        page,
        flags=re.DOTALL | re.MULTILINE,
    )
    for pattern, instead in _VARIES:
        page = re.sub(pattern, instead, page)
    return "\n".join(line.rstrip() for line in page.splitlines())
