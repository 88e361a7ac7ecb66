"""What schedules ask of the machine they run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobschedd.model.schedule import UTC_ZONE

if TYPE_CHECKING:
    from jobschedd.model.run import Instant


@dataclass(frozen=True, slots=True)
class Host:
    since: Instant
    """When this daemon began: what falls while it loads its first files is owed."""
    boot: Instant | None = None
    """The instant that `@reboot` names; None: not known, and nothing is started for it."""
    boot_id: str = ""
    machine: str = ""
    """Told from other machines by this; `jitter` is made from it."""
    zone: ZoneInfo = UTC_ZONE
    """What people here call a time."""
