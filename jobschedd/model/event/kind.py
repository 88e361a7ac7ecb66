"""What all kinds of events have in common."""

from __future__ import annotations

from typing import ClassVar, Protocol

ERROR, WARNING, NOTICE, INFO, DEBUG = 3, 4, 5, 6, 7
"""Journal priorities, syslog(3)."""


class Event(Protocol):
    """What all kinds have in common."""

    NAME: ClassVar[str]
    MESSAGE_ID: ClassVar[str]

    @property
    def priority(self) -> int: ...

    def line(self) -> str:
        """One line for people; never parsed."""

    def fields(self) -> dict[str, str]:
        """Journal fields without MESSAGE, MESSAGE_ID, PRIORITY and JOBSCHEDD_EVENT."""
        ...


class Plain:
    """An event that is said at INFO and has no fields of its own."""

    __slots__ = ()

    @property
    def priority(self) -> int:
        return INFO

    def fields(self) -> dict[str, str]:
        return {}
