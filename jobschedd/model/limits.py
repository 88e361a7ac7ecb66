"""What a run may use at most, and how much of the machine it gets where others want it too."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema
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
    memory: Size | None = None
    memory_high: Size | None = None
    cpu: Annotated[int | None, _percent, WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]*%$"})] = None
    tasks: Annotated[int, Whole(1, 4_194_304)] | None = None
    io_weight: Annotated[int, Whole(1, 10_000)] | None = None
    nice: Annotated[int, Whole(-20, 19)] | None = None
    ionice: Literal["idle", "best-effort", "realtime"] | None = None
    nofile: Annotated[int, Whole(3, 1_073_741_816)] | None = None
    core: Size | None = None
    oom_score_adj: Annotated[int, Whole(-1000, 1000)] | None = None
