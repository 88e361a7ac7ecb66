"""Puts the manual pages into what is built: nobody keeps a copy of what the program says of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "share/man"
"""Below the prefix of an installation, and in an sdist, which has its pages made."""


class ManualPages(BuildHookInterface):  # type: ignore[type-arg] # generic to type checkers alone
    """A wheel of a checkout needs all that jobschedd needs: the pages are what its parsers and models say."""

    _made: str | None = None

    def dependencies(self) -> list[str]:
        return [] if self._there() else list(self.metadata.core.dependencies)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        wheel = self.target_name == "wheel"
        if self._there():
            if wheel:
                build_data["shared_data"][os.path.join(self.root, PLACE)] = PLACE
            return
        self._made = tempfile.mkdtemp(prefix="jobschedd-man-")
        subprocess.run(
            [sys.executable, "-B", "-m", "docs.man", self._made], cwd=self.root, check=True, stdout=sys.stderr
        )
        build_data["shared_data" if wheel else "force_include"][self._made] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's
        if self._made is not None:
            shutil.rmtree(self._made)

    def _there(self) -> bool:
        return os.path.isdir(os.path.join(self.root, PLACE))
