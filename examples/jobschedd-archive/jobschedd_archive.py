"""The task type `archive`: packs a directory into an archive, by tar."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import CLOSED, Path, UserName


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Archive:
    """Pack a directory into an archive."""

    type: Literal["archive"]
    directory: Path = Field(description="What is packed, with all that is in it.")
    into: Path = Field(description="The archive; its ending says how it is compressed.", examples=["/srv/etc.tar.gz"])
    exclude: tuple[Annotated[str, Field(strict=True, min_length=1)], ...] = Field(
        default=(), description="Patterns of names that are left out."
    )
    user: UserName | None = Field(default=None, description="Who packs.")

    def launch(self, timezone: str | None) -> Launch:
        # An option and its value in one word, and "--" before what is no option: no name can become one.
        return Launch(
            argv=(
                *("tar", "--create", "--auto-compress", f"--file={self.into}", f"--directory={self.directory}"),
                *(f"--exclude={pattern}" for pattern in self.exclude),
                *("--", "."),
            ),
            user=self.user,
            umask=0o077,
            timezone=timezone,
        )
