"""Which look through all files goes on just now, and who wants to know when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.control.asking import Reloaded

if TYPE_CHECKING:
    from jobschedd.model.message import Reply, Status


class Reloads:
    """Many asked for at once are one more: after the one that began before the last of them was asked for."""

    def __init__(self) -> None:
        self._goes_on = False
        self._again = False
        """One was asked for while another went on."""
        self._told_now: list[Reply[Reloaded]] = []
        self._told_next: list[Reply[Reloaded]] = []
        self._refused = ""

    def tell_next(self, reply: Reply[Reloaded]) -> None:
        """Have this told when the next one that begins is done."""
        self._told_next.append(reply)

    def begin(self) -> bool:
        """Whether one may begin; else it does when the one that goes on is done."""
        if self._goes_on:
            self._again = True
            return False
        self._goes_on = True
        self._told_now, self._told_next, self._refused = self._told_next, [], ""
        return True

    def refuse_settings(self, why: str) -> None:
        """The settings stay as they were."""
        self._refused = why

    def end(self, status: Status) -> bool:
        """It is done; whether another one is to begin."""
        for reply in self._told_now:
            reply.put(Reloaded(status.jobs, status.problems, self._refused))
        again, self._goes_on, self._again, self._told_now = self._again, False, False, []
        return again
