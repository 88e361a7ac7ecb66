"""What a job wrote, on its way to the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of it. It may end in the middle of a line."""

    job_id: str
    run_id: str
    text: str
