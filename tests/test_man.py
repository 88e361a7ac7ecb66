"""The manual pages: nothing is missing, and man(1) shows what was meant."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.man import program, roff
from docs.man.pages import PARSERS, PROSE, pages, section
from docs.man.text import Block, Code, Heading, Made, Paragraph, Tagged, inline, plain, read
from jobschedd.ctl.__main__ import COMMANDS
from jobschedd.model.config import KEYS as SETTINGS
from jobschedd.model.job import KEYS as JOB_KEYS
from jobschedd.model.places import places
from jobschedd.model.sandbox import SETTINGS as SANDBOX
from jobschedd.model.task import TASK_TYPES

ROOT = Path(__file__).parents[1]
PAGES = pages()
ORDER = (
    "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "NOTES", "BUGS", "EXAMPLES",
    "SEE ALSO",
)  # fmt: skip
"""man-pages(7). Other sections may stand between DESCRIPTION and SEE ALSO."""

needs_man = pytest.mark.skipif(
    shutil.which("man") is None or shutil.which("lexgrog") is None,
    reason="NOTHING HAS READ THE MANUAL PAGES: man(1) or lexgrog(1) is not installed; apt-get install man-db",
)


def shown(text: str, directory: Path) -> str:
    """What man(1) shows of a page, without a single warning, on a line each."""
    path = directory / "page.1"
    path.write_text(text)
    command = ("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8")
    checked = subprocess.run([*command, "-Z", path], capture_output=True, text=True, check=True)
    assert checked.stderr == ""
    # -Tutf8 marks bold and underlined letters by overstriking; a pipe takes no markup.
    env = {"PATH": "/usr/bin:/bin", "MANWIDTH": "200", "LANG": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    return subprocess.run(
        ["man", "-E", "UTF-8", "-l", path], capture_output=True, text=True, check=True, env=env
    ).stdout


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_there_is_a_page_of_each_program_and_of_each_kind_of_file() -> None:
    assert PAGES.keys() == {"jobschedd.8", "jobctl.1", "jobschedd.toml.5", "jobs.d.5"}


@needs_man
@pytest.mark.parametrize("name", PAGES)
def test_man_has_no_warning_and_lexgrog_finds_the_name(name: str, tmp_path: Path) -> None:
    assert shown(PAGES[name], tmp_path)
    found = subprocess.run(["lexgrog", tmp_path / "page.1"], capture_output=True, text=True, check=True).stdout
    assert f'"{name.rpartition(".")[0]} - ' in found


@needs_man
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_all_that_the_program_says(name: str, tmp_path: Path) -> None:
    text = one_line(shown(PAGES[name], tmp_path))
    title = name.rpartition(".")[0]
    if title in PARSERS:
        for parser in (PARSERS[title](), *program.commands(PARSERS[title]()).values()):
            for action in parser._actions:
                assert all(option in text for option in action.option_strings)
            for block in program.examples(parser):
                assert isinstance(block, Paragraph) or all(one_line(line) in text for line in block.lines)
    words = {
        "jobctl": [f" {command} " for command in COMMANDS],
        "jobs.d": [*(f" {key} (" for key in JOB_KEYS), *TASK_TYPES, *SANDBOX],
        "jobschedd.toml": [*(f" {key} (" for key in SETTINGS), *(f"JOBSCHEDD_{key.upper()}" for key in SETTINGS[:-1])],
        "jobschedd": ["SIGHUP", "SIGTERM", "SIGINT", "SIGUSR1", *(f"JOBSCHEDD_{key.upper()}" for key in SETTINGS[:-1])],
    }
    assert [word for word in words[title] if word not in text] == []


def test_every_option_has_its_help() -> None:
    for parser in (make() for make in PARSERS.values()):
        for one in (parser, *program.commands(parser).values()):
            assert [action.dest for action in one._actions if not action.help and action.dest != "command"] == []


@pytest.mark.parametrize("name", PAGES)
def test_sections_stand_where_man_pages_7_has_them(name: str) -> None:
    found = re.findall(r'^\.SH "(.+)"$', PAGES[name], re.MULTILINE)
    known = [title for title in found if title in ORDER]
    assert known == sorted(known, key=ORDER.index)
    assert found[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert found[-2:] == ["EXAMPLES", "SEE ALSO"]
    assert {"ENVIRONMENT", "FILES"} <= set(found)
    assert ("EXIT STATUS" in found) == (name[-1] in "18")


def test_pages_refer_to_each_other() -> None:
    ours = {f"{title}({number})" for title, _, number in (name.rpartition(".") for name in PAGES)}
    for path in PROSE:
        title, _, number = path.stem.rpartition(".")
        _, _, see_also = path.read_text().partition("## SEE ALSO")
        assert {page for page in ours if page in see_also} == ours - {f"{title}({number})"}


def test_every_variable_that_says_where_things_are_is_explained() -> None:
    asked: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(name)
            return default

    for uid in (0, 1000):
        places(Environment(), uid, "/home/you")
    assert len(asked) > 5
    for page in ("jobschedd.8", "jobctl.1"):
        _, _, explained = (ROOT / f"docs/man/{page}.md").read_text().partition("## ENVIRONMENT")
        assert {name for name in asked if f"`{name}`" not in explained} == set()


def test_every_command_in_a_page_can_be_typed() -> None:
    typed = 0
    for path in PROSE:
        for block in read(path.read_text()):
            for line in block.lines if isinstance(block, Code) else ():
                words = shlex.split(line.partition(" | ")[0])
                if words[:1] in (["jobctl"], ["jobschedd"]):
                    PARSERS[words[0]]().parse_args(words[1:])
                    typed += 1
    assert typed > 5


def test_the_date_is_that_of_the_source_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert all(text.startswith(".TH ") and " 1970-01-02 " in text.partition("\n")[0] for text in pages().values())


HARD = [
    ".SH is no request",
    "'tis no request either",
    r"C:\new\fBfolder \(em \*x \&",
    "--option -n 5, a well-known e-mail, 1-31, x -y",
    "it's `quoted` \"twice\" ^~ and ''",
    "naïve – µs — … → ≤ 日本 €",
    "%{braces} $HOME #hash @at !",
]


@needs_man
@pytest.mark.parametrize("text", HARD)
def test_what_is_written_is_what_is_shown(text: str, tmp_path: Path) -> None:
    blocks: list[Block] = [
        Heading(2, "NAME"),
        Paragraph(plain("x - y")),
        Heading(2, "CODE"),
        Code((text, f"   {text}", "", "end")),
        Heading(2, "BOLD"),
        Paragraph((("bold", text),)),
        Tagged((("bold", text),), (Paragraph((("italic", text),)),)),
        Heading(2, "PROSE"),
        Paragraph((("roman", text),)),
    ]
    made = shown(roff.page("x", 1, date="2026-11-23", version="x", blocks=blocks), tmp_path)
    expected = text.replace("…", "...")
    assert f"           {expected}\n              {expected}\n\n           end\n" in made
    bold, _, prose = made.partition("BOLD")[2].partition("PROSE")
    assert one_line(bold).count(one_line(expected)) == 3
    # Running text may have the printer's apostrophe and hyphen.
    assert one_line(expected) in one_line(prose).replace("\u2019", "'").replace("\u2010", "-")


def test_what_is_to_be_copied_has_the_signs_of_the_keyboard() -> None:
    """Debian shows the typographic ones as these; others do not."""
    assert roff.escape("--a 'b' `c` ~^") == r"\-\-a \(aqb\(aq \(gac\(ga \(ti\(ha"
    assert roff.spans(plain("x -n 5, 1-31, well-known")) == r"x \-n 5, 1\-31, well-known"


def nested() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ctl", epilog="exit codes: 0 done; 7 it failed, badly\n\nexample:\n  ctl a\n  ctl b"
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    for name in ("show", "import"):
        command = commands.add_parser(name, description=f"does {name}", epilog=f"example: ctl {name} x")
        if name == "import":
            kinds = command.add_subparsers(metavar="WHAT")
            for kind in ("crontab", "timers"):
                inner = kinds.add_parser(kind, description=f"reads {kind}")
                inner.add_argument("--json", action="store_true", help="one object a line")
                inner.add_argument("--output", metavar="DIR", default="/etc", help="where to (%(default)s)")
                inner.add_argument("unit", nargs="+", metavar="UNIT", help="which")
        else:
            command.add_argument("--json", action="store_true", help="one object a line")
            command.add_argument("--secret", help=argparse.SUPPRESS)
    return parser


def words(blocks: Iterator[Block] | tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Tagged):
            yield "".join(text for _, text in block.tag)
            yield from words(block.body)
        elif isinstance(block, Paragraph):
            yield "".join(text for _, text in block.spans)
        elif isinstance(block, Code):
            yield from block.lines


def test_commands_of_commands_are_found_with_what_is_their_own() -> None:
    found = list(words(program.command_list(nested())))
    assert found[:4] == ["show", "Does show.", "For example:", "ctl show x"]
    assert found[4:] == [
        line
        for kind in ("crontab", "timers")
        for line in (
            f"import {kind} [--output DIR] UNIT …", f"Reads {kind}.", "--output DIR", "Where to (/etc).", "UNIT", "Which.",
        )
    ]  # fmt: skip
    assert list(words(program.options(nested()))) == [
        "-h, --help", "Show this help message and exit.", "--json", "One object a line.",
    ]  # fmt: skip


def test_an_epilogue_becomes_exit_codes_and_examples() -> None:
    assert list(words(program.exit_codes(nested()))) == ["0", "Done.", "7", "It failed, badly."]
    assert list(words(program.examples(nested()))) == ["ctl a", "ctl b"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda: section("daemon.md", "No such heading"), "cannot find 'No such heading' in docs/daemon.md"),
        (lambda: list(read("1. one\n2. two")), "cannot make a man page of"),
        (lambda: roff.page("x", 1, date="", version="", blocks=[Made("nothing")]), "nobody has made"),
    ],
)
def test_what_cannot_be_made_is_an_error_and_no_gap(break_it: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        break_it()


def test_markdown_is_read_as_it_is_meant() -> None:
    assert inline("see `x y` and [job files](job-files.md), **all `of` it**, crontab(5)") == (
        ("roman", "see "), ("bold", "x y"), ("roman", " and "), ("italic", "job files"), ("roman", ", "),
        ("bold", "all of it"), ("roman", ", "), ("bold", "crontab"), ("roman", "(5)"),
    )  # fmt: skip
    assert list(words(read("| a | b |\n| --- | --- |\n| `x` `y` | with \\| a bar |\n| z | as `c` | more |"))) == [
        "x, y", "With | a bar.", "z", "As c; more.",
    ]  # fmt: skip
    assert list(read("- one\n  goes on\n- two\n\n{{ options }}"))[-1] == Made("options")


def test_what_is_built_has_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    expected = {f"share/man/man{name[-1]}/{name}" for name in PAGES}
    with zipfile.ZipFile(wheel) as archive:
        found = {name.partition(".data/data/")[2]: name for name in archive.namelist()}
        assert expected <= found.keys()
        assert b'.SH "NAME"' in archive.read(found["share/man/man1/jobctl.1"])
    with tarfile.open(sdist) as archive:
        assert expected <= {name.partition("/")[2] for name in archive.getnames()}
