"""Where an instance keeps its things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Places:
    """The contract's table, CONTRACT §2."""

    jobs_dirs: tuple[str, ...]
    config: str
    state_dir: str
    runtime_dir: str


def places(env: Mapping[str, str], uid: int, home: str) -> Places:
    """The places of the system instance (root) or of a user's own, as the environment has them."""
    state, runtime = (env.get(name, "").split(":")[0] for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"))
    if uid == 0:
        found = Places(
            jobs_dirs=("/etc/jobs.d", "/run/jobs.d", "/usr/lib/jobs.d"),
            config="/etc/jobschedd/jobschedd.toml",
            state_dir=state or "/var/lib/jobschedd",
            runtime_dir=runtime or "/run/jobschedd",
        )
    else:
        config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
        found = Places(
            jobs_dirs=(f"{config}/jobs.d",),
            config=f"{config}/jobschedd/jobschedd.toml",
            state_dir=state or f"{env.get('XDG_STATE_HOME') or f'{home}/.local/state'}/jobschedd",
            runtime_dir=runtime or f"{env.get('XDG_RUNTIME_DIR') or f'/run/user/{uid}'}/jobschedd",
        )
    return replace(
        found,
        config=env.get("JOBSCHEDD_CONFIG") or found.config,
        state_dir=env.get("JOBSCHEDD_STATE_DIR") or found.state_dir,
        runtime_dir=env.get("JOBSCHEDD_RUNTIME_DIR") or found.runtime_dir,
    )
