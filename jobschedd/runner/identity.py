"""Who a run is, and what it is told of that in its environment."""

from __future__ import annotations

import grp
import os
import pwd
from functools import cache
from typing import Any, NamedTuple

_NOBODY_AT_ALL = 2**32 - 1
"""(uid_t) -1 means "leave unchanged" to setresuid(2): the run would stay root."""


class CannotStart(Exception):  # noqa: N818 - the contract's word
    """The order cannot be carried out; the text is the end of `cannot_start: …`."""


class Identity(NamedTuple):
    name: str
    uid: int
    gid: int
    groups: list[int] | None
    """All groups; None: it is who we are, and nothing needs to be changed."""
    home: str
    """As the user database says."""
    cwd: str
    """Where the run starts unless its job says so."""


def look_up(order: dict[str, Any]) -> Identity:
    """Who an order is to run as. May ask a directory service, and wait for it. Raises CannotStart."""
    user, group = order["user"], order["group"]
    try:
        person = pwd.getpwnam(user) if user is not None else ourselves()
    except KeyError:
        raise CannotStart(f"no such user: {user}") from None
    gid = _group(group) if group is not None else person.pw_gid
    if not 0 <= person.pw_uid < _NOBODY_AT_ALL or not 0 <= gid < _NOBODY_AT_ALL:
        raise CannotStart(f"{person.pw_name} has the id {person.pw_uid}:{gid}, which is no id")
    cwd = person.pw_dir if user is not None and os.path.isdir(person.pw_dir) else "/"
    we_are_it = person.pw_uid == os.geteuid() and gid == os.getegid() and order["groups"] is None
    if we_are_it and (user is group is None or os.geteuid() != 0):
        return Identity(person.pw_name, person.pw_uid, gid, None, person.pw_dir, cwd)
    if os.geteuid() != 0:
        raise CannotStart(f"only root may start runs as another user or group: {user or group or order['groups']}")
    if order["groups"] is not None:
        groups = [gid, *map(_group, order["groups"])]
    else:
        groups = os.getgrouplist(person.pw_name, gid)
    return Identity(person.pw_name, person.pw_uid, gid, groups, person.pw_dir, cwd)


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise CannotStart(f"no such group: {name}") from None


@cache
def ourselves() -> pwd.struct_passwd:
    """Our own entry; in a container our user id may be one that nobody has given a name."""
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), name, "/", "/bin/sh"))


def environment(order: dict[str, Any], identity: Identity, given_by_file: dict[str, str]) -> dict[str, str]:
    """From nothing, as cron does it: what cron sets, what a job may want to know of itself, then the job's own."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {
        "PATH": system if identity.uid == 0 else "/usr/local/bin:/usr/bin:/bin",
        "HOME": identity.home,
        "LOGNAME": identity.name,
        "USER": identity.name,
        "SHELL": order["shell"],
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "JOBSCHEDD_JOB_ID": order["job_id"],
        "JOBSCHEDD_RUN_ID": order["run_id"],
        "JOBSCHEDD_SCHEDULED_AT": order["scheduled_at"],
        "JOBSCHEDD_ATTEMPT": str(order["attempt"]),
    }
    if order["timezone"]:
        variables["TZ"] = order["timezone"]
    variables.update(given_by_file)
    variables.update(order["env"])
    # What is left behind is found by it; a job may read it but not take it away.
    variables["JOBSCHEDD_RUN_ID"] = order["run_id"]
    return variables
