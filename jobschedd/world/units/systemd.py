"""systemd's manager as it is spoken to over D-Bus, org.freedesktop.systemd1(5): one call at a time spelled out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from jeepney import DBusAddress

from jobschedd.world.units.bus import AWAY, BUS, Answer, Bus, Heard, Signal
from jobschedd.world.units.properties import object_path

NAME = "org.freedesktop.systemd1"
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = DBusAddress("/org/freedesktop/systemd1", NAME, f"{NAME}.Manager")

AT_ONCE = 32
"""Calls without an answer. The bus cuts systemd off when a thousand wait for it."""

_NOBODY = (
    AWAY.error,
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Disconnected",
)

_MATCHES = (
    f"type='signal',sender='{NAME}',interface='{NAME}.Manager',member='JobRemoved'",
    f"type='signal',sender='{NAME}',interface='{PROPERTIES}',member='PropertiesChanged',arg0='{NAME}.Service'",
    f"type='signal',sender='{BUS.bus_name}',interface='{BUS.interface}',member='NameOwnerChanged',arg0='{NAME}'",
)


class Watcher(Protocol):
    """Whoever is told what systemd does."""

    def systemd_is_there(self) -> None:
        """From now on all signals come; what happened before may not have been told."""

    def job_removed(self, unit: str, result: str) -> None:
        """A job that starts or stops a unit is over. The unit's changes have been told before."""

    def service_changed(self, path: str, facts: dict[str, Any]) -> None: ...


class Systemd:
    def __init__(self, bus: str, watcher: Watcher) -> None:
        """`bus`: the path of the socket. Raises OSError."""
        self.bus = Bus(bus)
        self._watcher = watcher
        self._owner = ""
        """systemd's own name on the bus; empty: it is not there."""
        self._unanswered = 0
        self._line: deque[tuple[Callable[[], None], Heard]] = deque()
        self.ready = False
        for match in _MATCHES:
            self.bus.call(BUS, "AddMatch", "s", (match,), lambda _: None)
        self.bus.call(BUS, "GetNameOwner", "s", (NAME,), self._found)

    def read(self) -> None:
        """Hear what has come. Raises OSError when the bus has gone."""
        for signal in self.bus.read():
            self._hear(signal)

    # -- what is asked of it -------------------------------------------------------------------------------------

    def start(self, unit: str, properties: list[tuple[str, tuple[str, Any]]], heard: Heard) -> None:
        self._call(MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []), heard)

    def stop(self, unit: str, heard: Heard) -> None:
        self._call(MANAGER, "StopUnit", "ss", (unit, "replace"), heard)

    def reset(self, unit: str, heard: Heard) -> None:
        """Let go of a unit that has failed."""
        self._call(MANAGER, "ResetFailedUnit", "s", (unit,), heard)

    def kill(self, unit: str, signal: int, heard: Heard) -> None:
        """Send a signal to all processes of a unit."""
        self._call(MANAGER, "KillUnit", "ssi", (unit, "all", signal), heard)

    def get(self, unit: str, interface: str, name: str, heard: Heard) -> None:
        """One property of a unit, of its interface `Unit` or `Service`: `((signature, value),)`."""
        address = DBusAddress(object_path(unit), NAME, PROPERTIES)
        self._call(address, "Get", "ss", (f"{NAME}.{interface}", name), heard)

    def _call(self, to: DBusAddress, member: str, signature: str, body: tuple[Any, ...], heard: Heard) -> None:
        def answered(answer: Answer) -> None:
            self._unanswered -= 1
            heard(answer)
            self._advance()

        self._line.append((lambda: self.bus.call(to, member, signature, body, answered), heard))
        self._advance()

    def _advance(self) -> None:
        while self._line and self._unanswered < AT_ONCE:
            self._unanswered += 1
            call, _ = self._line.popleft()
            call()

    def _give_up(self) -> None:
        """What stands in line was meant for a systemd that is not there any more."""
        line, self._line = self._line, deque()
        for _, heard in line:
            heard(AWAY)

    def close(self) -> None:
        """Whoever waits for an answer hears that nobody knows."""
        self._give_up()
        self.bus.close()

    @staticmethod
    def was_away(answer: Answer) -> bool:
        """Whether nobody knows what became of the call: systemd was not there, or went before it had answered."""
        return answer.error in _NOBODY

    # -- what it says --------------------------------------------------------------------------------------------

    def _found(self, answer: Answer) -> None:
        if not answer.error:
            self._follow(answer.body[0])

    def _follow(self, owner: str) -> None:
        """It has come, gone, or come back as another: it forgets us when it executes itself anew."""
        self._owner, self.ready = owner, False
        self._give_up()
        if owner:
            self.bus.call(MANAGER, "Subscribe", None, (), lambda answer: self._subscribed(owner, answer))

    def _subscribed(self, owner: str, answer: Answer) -> None:
        if owner == self._owner and not self.was_away(answer):
            self.ready = True
            self._watcher.systemd_is_there()

    def _hear(self, signal: Signal) -> None:
        if signal.sender == BUS.bus_name and signal.member == "NameOwnerChanged":
            self._follow(signal.body[2])
        # Anybody on the bus may send us a signal that looks like one of systemd's.
        elif signal.sender != self._owner:
            return
        elif signal.member == "JobRemoved":
            _, _, unit, result = signal.body
            self._watcher.job_removed(unit, result)
        elif signal.member == "PropertiesChanged":
            facts = {name: value for name, (_, value) in signal.body[1].items()}
            self._watcher.service_changed(signal.path, facts)
