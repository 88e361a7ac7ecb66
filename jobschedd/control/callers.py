"""Who calls, and what of the jobs they may see and do.

Root, and the user whose instance this is, may all; so may, with the system's instance, the group jobschedd. Others see
the jobs that run as themselves; what they may not see is to them not there.
"""

from __future__ import annotations

import grp
import os
import pwd
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobschedd.model.job import Definition
    from jobschedd.world.varlink import Call, Peer

GROUP = "jobschedd"

BELIEVED = 60.0
"""Seconds for which what was looked up of a user or group is not looked up again."""

_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    peer: Peer
    may_all: bool
    callers: Callers
    more: bool = False
    """Takes several replies."""
    gone: Callable[[], bool] = lambda: False
    """Has left."""

    @property
    def uid(self) -> int:
        return self.peer.uid

    def sees(self, definition: Definition) -> bool:
        return self.may_all or self.callers.uid_of(user_of(definition)) == self.uid


class Callers:
    """Used by the threads that answer: a user database that does not answer holds up nobody else."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int | None, float]] = {}
        self._group: tuple[int | None, float] | None = None

    def know(self, call: Call) -> Caller:
        return Caller(call.peer, self._may_all(call.peer), self, call.more, lambda: call.gone)

    def _may_all(self, peer: Peer) -> bool:
        ours = os.geteuid()
        if peer.uid in (0, ours):
            return True
        return ours == 0 and self._gid() in {peer.gid, *peer.groups}

    def _gid(self) -> int | None:
        if self._group is None or self._group[1] < time.monotonic():
            try:
                gid: int | None = grp.getgrnam(GROUP).gr_gid
            except KeyError:
                gid = None
            self._group = gid, time.monotonic() + BELIEVED
        return self._group[0]

    def uid_of(self, name: str) -> int | None:
        known = self._known.get(name)
        if known is None or known[1] < time.monotonic():
            try:
                uid: int | None = pwd.getpwnam(name).pw_uid
            except KeyError:
                uid = None
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[name] = uid, time.monotonic() + BELIEVED
        return known[0]


_OURSELVES: list[str] = []


def user_of(definition: Definition) -> str:
    """Who a job runs as."""
    if user := getattr(definition.job.task, "user", None):
        return str(user)
    if not _OURSELVES:
        try:
            _OURSELVES.append(pwd.getpwuid(os.geteuid()).pw_name)
        except KeyError:
            _OURSELVES.append(str(os.geteuid()))
    return _OURSELVES[0]
