"""A start that has been decided: which run, how, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.job import Definition
    from jobschedd.model.launch import Launch
    from jobschedd.model.run import Instant, Run


@dataclass(frozen=True, slots=True)
class Start:
    run: Run
    launch: Launch
    moment: Instant
    """Not before this one."""
    variables: tuple[tuple[str, str], ...] = ()
    """What its environment has beside that of its job."""

    @classmethod
    def of(
        cls, definition: Definition, run: Run, moment: Instant, variables: tuple[tuple[str, str], ...] = ()
    ) -> Start:
        launch = definition.launch()
        return cls(run, replace(launch, env=(*launch.env, *variables)) if variables else launch, moment, variables)
