"""The manual pages: the prose of each beside this file, and in its places what the program says itself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from docs.keys import settings
from docs.man import keys, program, roff
from docs.man.text import Block, Code, Made, read
from jobschedd import __main__, __version__
from jobschedd.ctl import __main__ as ctl
from jobschedd.model.places import places

HERE = Path(__file__).parent
DOCS = HERE.parent
PROSE = sorted(HERE.glob("*.md"))
PARSERS = {"jobschedd": __main__.arguments, "jobctl": ctl.arguments}

_BLOCKS: dict[str, Callable[[], Iterator[Block]]] = {
    "keys of a job": keys.keys_of_a_job,
    "keys of tasks": keys.keys_of_tasks,
    "keys of a sandbox": keys.keys_of_a_sandbox,
    "settings": keys.keys_of_settings,
}


def pages() -> dict[str, str]:
    """Each page by its name in the manual: `jobctl.1`."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    date = time.strftime("%Y-%m-%d", time.gmtime(int(seconds) if seconds else None))
    return {path.stem: _page(path, date) for path in PROSE}


def _page(path: Path, date: str) -> str:
    title, _, section = path.stem.rpartition(".")
    blocks = [made for block in read(_filled_in(path.read_text())) for made in _made(block, title)]
    return roff.page(title, int(section), date=date, version=f"jobschedd {__version__}", blocks=blocks)


def _filled_in(text: str) -> str:
    """With the words that the program has for `{{name}}` within a line."""
    system = places({}, 0, "/root")
    user = places({}, 1000, "~")
    words = {"settings' variables": keys.variables(settings())}
    for name in system.__slots__:
        for whose, found in (("root's", getattr(system, name)), ("a user's", getattr(user, name))):
            listed = (found,) if isinstance(found, str) else found
            words[f"{whose} {name}"] = ", ".join(f"`{path.replace('/1000/', '/UID/')}`" for path in listed)
    return re.sub(r"\{\{(?! )([^}]+)\}\}", lambda match: words[match[1]], text)


def _made(block: Block, title: str) -> Iterator[Block]:
    """A block as it stands, or what the program puts in its place. Raises ValueError where that is nothing."""
    if not isinstance(block, Made):
        yield block
        return
    what, _, rest = block.what.partition(": ")
    if what in _BLOCKS:
        yield from _BLOCKS[what]()
    elif what == "file":
        yield Code(tuple((DOCS.parent / rest).read_text().splitlines()))
    elif what.startswith("from "):
        yield from read(section(what.removeprefix("from "), rest))
    else:
        yield from _of_a_program(what, title)


def _of_a_program(what: str, title: str) -> Iterator[Block]:
    makers: dict[str, Callable[..., Iterator[Block]]] = {
        "synopsis": lambda parser: iter((program.synopsis(parser),)),
        "options": program.options,
        "commands": program.command_list,
        "exit codes": program.exit_codes,
        "examples": program.examples,
    }
    if what not in makers:
        raise ValueError(f"cannot make {what!r}; write one of {', '.join([*makers, *_BLOCKS, 'file', 'from'])}")
    yield from makers[what](PARSERS[title]())


def section(name: str, heading: str) -> str:
    """What stands in a document of docs/ below a heading, up to the next one. Raises ValueError."""
    text = re.sub(r"^```.*?^```$", _shield, (DOCS / name).read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.split(r"^#+ (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(found[1::2], found[2::2], strict=True))
    if heading not in sections:
        raise ValueError(f"cannot find {heading!r} in docs/{name}; it has {', '.join(sections)}")
    return sections[heading].replace("\0", "")


def _shield(match: re.Match[str]) -> str:
    """Code, in which a line that begins with # is no heading."""
    return re.sub(r"^#", "\0#", match[0], flags=re.MULTILINE)
