"""One run as a unit of systemd's: how far it has come, and what is known of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from jobschedd.model.run import Asked
from jobschedd.world.units.properties import object_path, unit_name
from jobschedd.world.units.status import Circumstances

if TYPE_CHECKING:
    from jobschedd.model.launch import Launch
    from jobschedd.model.run import Instant, Run


class Stage(Enum):
    WAITING = auto()
    """Nothing was asked of systemd yet."""
    STARTING = auto()
    """systemd was asked to start it, and the answer is open, or was never heard."""
    RUNNING = auto()
    """It was told as started."""
    ENDED = auto()
    """It was told as ended or refused; systemd keeps its status."""
    LEAVING = auto()
    """That is on the record: systemd is to let go of it."""


@dataclass(slots=True)
class Unit:
    run: Run
    launch: Launch | None = None
    """None: a daemon before us has started it."""
    moment: Instant = 0
    since: int = 0
    """When it was ordered, on the clock that never jumps."""
    stage: Stage = Stage.WAITING
    facts: dict[str, Any] = field(default_factory=dict)
    """systemd's properties of it, as far as they were told."""
    asked: int = 0
    """How many of them are on their way."""
    taken: bool = False
    """systemd has said that it has taken it."""
    signals: list[int] = field(default_factory=list)
    """To be sent once it runs."""
    why: Asked = Asked.NOT
    """Why it was asked to end."""
    stdin: int | None = None
    name: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        self.name = unit_name(self.run.run_id)
        self.path = object_path(self.name)

    def circumstances(self) -> Circumstances:
        launch = self.launch
        if launch is None:
            return Circumstances()
        program, root = launch.argv[0], launch.user or "root"
        hidden = any(name in ("RootDirectory", "RootImage") for name, _ in launch.sandbox)
        missing = not hidden and program.startswith("/") and not os.path.exists(program)
        return Circumstances(program, launch.cwd or "/", root, launch.group or root, missing)

    def close_stdin(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None


def memory_file(text: str | None) -> int | None:
    """A descriptor to read `text` from. In a property of the unit every user could read it."""
    if text is None:
        return None
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
