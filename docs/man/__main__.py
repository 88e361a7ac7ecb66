"""`python -m docs.man DIRECTORY` writes the manual pages: `DIRECTORY/man1/jobctl.1` and so on."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.man.pages import pages


def write(directory: Path) -> list[Path]:
    made = []
    for name, text in pages().items():
        path = directory / f"man{name[-1]}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        made.append(path)
    return made


if __name__ == "__main__":
    for page in write(Path(sys.argv[1])):
        print(page)  # noqa: T201 - what to read
