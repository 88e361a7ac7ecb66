"""Which file wins: names that count, and layers of directories, highest first.

The systemd.unit(5) rule: a file name in a higher directory wins over the same name in a lower one, and an empty file
or a link to /dev/null masks the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

_ENDINGS = (".json", ".toml")
"""Whatever an editor or a package manager leaves beside a file (`x.json~`, `.x.json.swp`, `x.json.dpkg-new`,
`x.json.rpmsave`, `x.json.tmp`) begins with a dot or has another ending."""


def is_job_file(name: str) -> bool:
    """Whether a directory entry of this name is looked at."""
    # A name that is no text, or would act on a terminal, cannot be shown in an error either.
    return name.endswith(_ENDINGS) and not name.startswith(".") and name.isprintable()


def winner(name: str, layers: Sequence[Container[str]]) -> int | None:
    """The highest layer that has the name; None: no layer has it."""
    for layer, names in enumerate(layers):
        if name in names:
            return layer
    return None
