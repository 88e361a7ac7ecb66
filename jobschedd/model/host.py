"""What schedules ask of the machine they run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


@dataclass(frozen=True, slots=True)
class Host:
    since: Instant
    """When this daemon began: what falls while it loads its first files is owed."""
    boot: Instant | None = None
    """The instant that `@reboot` names; None: this boot of the machine has had its `@reboot` already."""
    machine: str = ""
    """Told from other machines by this; `jitter` is made from it."""
