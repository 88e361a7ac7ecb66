"""What a run may use at most, and how much of the machine it gets where others want it too."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.rule import CLOSED, Size, Whole, checked
from jobschedd.model.span import show_value


@checked
def _percent(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,5}%", value):
        raise ValueError(f'cannot read {show_value(value)} as a share of a CPU; write "150%"')
    return int(value[:-1])


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Limits:
    memory: Size | None = Field(
        default=None, description="Memory of all of the run; with more, the kernel ends it: failed, out of memory."
    )
    memory_high: Size | None = Field(
        default=None, description="Above it the run is slowed down and its memory reclaimed."
    )
    cpu: Annotated[int | None, _percent, WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,5}%$"})] = Field(
        default=None, description="Share of one processor; more than 100% is more than one.", examples=["150%"]
    )
    tasks: Annotated[int, Whole(1, 4_194_304)] | None = Field(
        default=None, description="Processes and threads at once."
    )
    io_weight: Annotated[int, Whole(1, 10_000)] | None = Field(
        default=None, description="Share of the disks where others want them too; 100 is usual."
    )
    nice: Annotated[int, Whole(-20, 19)] | None = Field(default=None, description="Scheduling priority, nice(2).")
    ionice: Literal["idle", "best-effort", "realtime"] | None = Field(
        default=None, description="I/O scheduling class, ionice(1)."
    )
    nofile: Annotated[int, Whole(3, 1_073_741_816)] | None = Field(
        default=None, description="Open files of a process, soft and hard."
    )
    core: Size | None = Field(default=None, description="Size of a core file.")
    oom_score_adj: Annotated[int, Whole(-1000, 1000)] | None = Field(
        default=None, description="Who is killed first when memory runs out. Default: 0, whatever the daemon has."
    )
