"""What the next daemon has to know of a unit, in a directory that lives as long as units do: until the machine stops.

Beside each note, for as long as the start takes, the environment that only the run may see: what stands in a property
of a unit can be read by every user.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict

from jobschedd.model.run import Cause, Run
from jobschedd.world.units.identity import CannotStart

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

NOTE, VARIABLES, LINES = ".run", ".env", ".envfile"


class Notes:
    def __init__(self, directory: str) -> None:
        """`directory` is made, for us alone, when the first note is written."""
        self._directory = directory

    def _path(self, run_id: str, kind: str) -> str:
        return os.path.join(self._directory, run_id + kind)

    def read(self) -> list[Run]:
        """The runs that were begun and not forgotten. A note that is not whole is of a run that was never begun."""
        with suppress(FileNotFoundError):
            names = sorted(os.listdir(self._directory))
            return [run for name in names if name.endswith(NOTE) and (run := self._read(name.removesuffix(NOTE)))]
        return []

    def _read(self, run_id: str) -> Run | None:
        try:
            with open(self._path(run_id, NOTE), encoding="utf-8") as file:
                note = json.load(file)
            lists = {
                "labels": tuple((name, value) for name, value in note["labels"]),
                "success_codes": tuple(note["success_codes"]),
                "cause": Cause(note["cause"]),
            }
            return Run(**(note | lists))
        except (OSError, ValueError, TypeError, KeyError):
            self.remove(run_id)
            return None

    def write(self, run: Run) -> None:
        """Raises OSError."""
        self._write(run.run_id, NOTE, json.dumps(asdict(run)).encode())

    def write_environment(self, run_id: str, variables: dict[str, str], lines: bytes | None) -> list[str]:
        """Files in systemd's form, the later one stronger: `lines` as they are, then `variables`. Raises OSError."""
        written = []
        if lines is not None:
            written.append(self._write(run_id, LINES, lines))
        text = "".join(f'{name}="{_quoted(name, value)}"\n' for name, value in variables.items())
        written.append(self._write(run_id, VARIABLES, text.encode()))
        return written

    def _write(self, run_id: str, kind: str, content: bytes) -> str:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        path = self._path(run_id, kind)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(file, "wb") as stream:
            stream.write(content)
        return path

    def remove_environment(self, run_id: str) -> None:
        for kind in (VARIABLES, LINES):
            with suppress(OSError):
                os.unlink(self._path(run_id, kind))

    def remove(self, run_id: str) -> None:
        self.remove_environment(run_id)
        with suppress(OSError):
            os.unlink(self._path(run_id, NOTE))


def _quoted(name: str, value: str) -> str:
    """Within the quotes of systemd.exec(5)'s EnvironmentFile."""
    # systemd would leave such a variable out, and say so where nobody looks.
    if _CONTROL.search(value):
        raise CannotStart(f"cannot pass control characters in the variable {name} to a sandbox")
    for special in '\\"`$':
        value = value.replace(special, f"\\{special}")
    return value
