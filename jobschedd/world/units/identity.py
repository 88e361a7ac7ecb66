"""Who a run is: its user, looked up at the start, and the environment that follows from it."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

from jobschedd.model.event import show_instant

if TYPE_CHECKING:
    from jobschedd.model.launch import Launch
    from jobschedd.model.run import Run

NO_ID = 2**32 - 1
"""(uid_t) -1 means "leave unchanged" to setresuid(2)."""

PATIENCE = 2.0
"""Seconds in which an environment file has been read."""

LONGEST = 1 << 20
"""Bytes of an environment file."""


class CannotStart(Exception):  # noqa: N818 - the contract's word
    """The run cannot be started; the text is the end of `cannot_start: …`."""


class Identity(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


def look_up(launch: Launch) -> Identity | None:
    """The user of a run; None: systemd makes one up (DynamicUser). May wait for the name service."""
    if dict(launch.sandbox).get("DynamicUser"):
        return None
    try:
        person = pwd.getpwnam(launch.user) if launch.user is not None else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise CannotStart(f"no such user: {launch.user or os.geteuid()}") from None
    try:
        gid = grp.getgrnam(launch.group).gr_gid if launch.group is not None else person.pw_gid
    except KeyError:
        raise CannotStart(f"no such group: {launch.group}") from None
    if not 0 <= person.pw_uid < NO_ID or not 0 <= gid < NO_ID:
        raise CannotStart(f"{person.pw_name} has the id {person.pw_uid}:{gid}, which is no id")
    if os.geteuid() != 0 and (person.pw_uid, gid) != (os.geteuid(), os.getegid()):
        raise CannotStart(f"only root may start runs as another user or group: {launch.user or launch.group}")
    return Identity(person.pw_name, person.pw_uid, gid, person.pw_dir)


def check_groups(launch: Launch, identity: Identity | None) -> None:
    """A run has all groups of its user in systemd; fewer cannot be had."""
    if launch.groups is None or identity is None:
        return
    has = {grp.getgrgid(gid).gr_name for gid in os.getgrouplist(identity.name, identity.gid) if gid != identity.gid}
    if more := has - set(launch.groups):
        raise CannotStart(
            f"a sandbox cannot take the groups {', '.join(sorted(more))} away from {identity.name}; name them in"
            " task.groups too, or leave task.groups out"
        )


def environment(run: Run, launch: Launch, identity: Identity | None) -> dict[str, str]:
    """What cron sets, and what a job may want to know of itself. The rest of it is systemd's for a made-up user."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    made = {"PATH": system if identity and identity.uid == 0 else "/usr/local/bin:/usr/bin:/bin"}
    if identity:
        made |= {"HOME": identity.home, "LOGNAME": identity.name, "USER": identity.name}
    made |= {
        "SHELL": launch.shell,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "JOBSCHEDD_JOB_ID": run.job_id,
        "JOBSCHEDD_SCHEDULED_AT": show_instant(run.scheduled_at),
        "JOBSCHEDD_ATTEMPT": str(run.attempt),
    }
    if launch.timezone:
        made["TZ"] = launch.timezone
    return made


def read_environment_file(path: str, identity: Identity | None) -> bytes:
    """Its content, read as the user of the run: systemd would read as root what that user may only point to."""
    person: dict[str, Any] = {} if identity is None or os.geteuid() != 0 else _becoming(identity)
    try:
        content: bytes = subprocess.run(
            # No more than can be used: that user may have made it a link to /dev/zero.
            ["/usr/bin/head", f"--bytes={LONGEST + 1}", "--", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            **person,
        ).stdout
    except subprocess.TimeoutExpired:
        raise CannotStart(f"cannot read the environment file {path} within {PATIENCE:g} s") from None
    except (OSError, subprocess.CalledProcessError):
        who = identity.name if identity else "root"
        raise CannotStart(f"cannot read the environment file {path} as {who}") from None
    if len(content) > LONGEST:
        raise CannotStart(f"cannot use an environment file of more than {LONGEST} bytes: {path}")
    return content


def _becoming(identity: Identity) -> dict[str, Any]:
    groups = os.getgrouplist(identity.name, identity.gid)
    return {"user": identity.uid, "group": identity.gid, "extra_groups": groups}
