"""systemd timers as jobs."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobschedd.ctl.imports.calendar import Expression, translate
from jobschedd.ctl.imports.proof import INSTANTS, Differs, prove
from jobschedd.ctl.imports.report import Place, Wanted, refused
from jobschedd.ctl.imports.services import command_of, start_unit
from jobschedd.ctl.imports.walk import changes
from jobschedd.model.run import DAY, MINUTE
from jobschedd.model.schedule import MOST_PARTS, parse_schedule
from jobschedd.model.span import parse_duration, write_duration
from jobschedd.model.timing import open_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from jobschedd.ctl.imports.report import Answer, Prove
    from jobschedd.ctl.imports.units import Systemd, Unit
    from jobschedd.model.job import Definition
    from jobschedd.model.run import Instant
    from jobschedd.model.schedule import Schedule

_SPANS = {"OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"}
_KNOWN = _SPANS | {
    "OnCalendar", "Persistent", "RandomizedDelaySec", "FixedRandomDelay", "AccuracySec", "Unit", "RemainAfterElapse",
}  # fmt: skip
_YES = ("1", "yes", "true", "on", "y", "t")
_YEAR = 366 * DAY
_AROUND_A_CHANGE = 200
"""Instants that are compared from a day before each change of the clock on."""


class Timers:
    """Translates one timer after the other."""

    def __init__(
        self, systemd: Systemd, zone: ZoneInfo, zones: Callable[[str], ZoneInfo], now: Instant,
        *, commands: bool, every: bool, user: bool,
    ) -> None:  # fmt: skip
        self._systemd = systemd
        self._zone = zone
        self._zones = zones
        self._now = now
        self._commands = commands
        self._every = every
        self._user = user

    def read(self, names: Sequence[str]) -> Iterator[Answer]:
        """Those that are named; without names all that are active. Raises ValueError where systemd does not say."""
        for name in names or self._systemd.timers():
            place = Place(name)
            try:
                yield self._job(place, name, self._systemd.unit(name))
            except ValueError as error:
                yield refused(place, str(error))
            except OSError as error:
                yield refused(place, f"cannot read it: {error.strerror}")

    def _job(self, place: Place, name: str, unit: Unit) -> Answer:
        stem, suffix = os.path.splitext(os.path.basename(name))
        if suffix != ".timer" or stem.endswith("@"):
            raise ValueError("it is no timer, or the template of some; name one: backup.timer, dump@main.timer")
        _check(unit)
        timer = unit.get("Timer", {})
        values: dict[str, Any] = {"description": f"Imported from {os.path.basename(name)}"}
        notes: list[str] = []
        if _SPANS & timer.keys():
            timing, prove_it = self._by_span(timer)
            notes.append("counted from the epoch and not from the last run, and nothing at the boot")
        else:
            timing, prove_it = self._by_calendar(timer)
        if "RandomizedDelaySec" in timer:
            timing["jitter"] = write_duration(parse_duration(_last(timer, "RandomizedDelaySec")))
            if _last(timer, "FixedRandomDelay").lower() not in _YES:
                notes.append("the random delay is the same each time")
        service = _last(timer, "Unit") or f"{stem}.service"
        if "%" in service:
            raise ValueError("its Unit= has a specifier; name the unit in a job by hand")
        task = start_unit(service)
        if self._commands:
            task = command_of(name, service, self._systemd, user=self._user)
        return Wanted(place, stem, values | timing | task, prove_it, notes=tuple(notes))

    def _by_span(self, timer: dict[str, list[str]]) -> tuple[dict[str, Any], Prove]:
        if "OnUnitActiveSec" not in timer or "OnCalendar" in timer or "OnUnitInactiveSec" in timer:
            key = min(_SPANS & timer.keys())
            raise ValueError(f'{key}= counts from an event, which no schedule does; "@reboot" and "after" are near it')
        span = write_duration(parse_duration(_last(timer, "OnUnitActiveSec")))
        if not self._every:
            raise ValueError(
                f"OnUnitActiveSec= counts from the last run; --every makes it @every {span}, counted from the epoch"
            )
        return {"schedule": f"@every {span}"}, lambda _definition: "not the same instants, as --every wants it"

    def _by_calendar(self, timer: dict[str, list[str]]) -> tuple[dict[str, Any], Prove]:
        texts = timer.get("OnCalendar", [])
        if not 1 <= len(texts) <= MOST_PARTS:
            raise ValueError(f"it has {len(texts)} OnCalendar=, and a job has 1 to {MOST_PARTS}")
        expressions = [translate(text) for text in texts]
        zones = {expression.timezone for expression in expressions}
        if len(zones) > 1:
            raise ValueError("its OnCalendar= name several zones, and a job has one; write a job for each")
        name = zones.pop()
        zone = open_zone(name, self._zones) if name else self._zone
        schedule = [self._form_of(*pair, zone) for pair in zip(texts, expressions, strict=True)]
        timing: dict[str, Any] = {"schedule": schedule if len(schedule) > 1 else schedule[0]}
        if name:
            timing["timezone"] = name
        if _last(timer, "Persistent").lower() in _YES:
            elapses = [self._now, *self._elapses(texts, self._now, INSTANTS)]
            timing["catch_up"] = write_duration(max(later - earlier for earlier, later in pairwise(elapses)))
        return timing, self._prove(texts, zone)

    def _form_of(self, text: str, expression: Expression, zone: ZoneInfo) -> str:
        """The form that is due when systemd elapses. Raises Differs where none is."""
        differs: list[Differs] = []
        for form in expression.forms:
            try:
                self._compare(parse_schedule(form, zone), [text], zone)
            except Differs as error:
                differs.append(error)
            else:
                return form
        raise differs[0]

    def _prove(self, texts: list[str], zone: ZoneInfo) -> Prove:
        def check(definition: Definition) -> str:
            assert definition.schedule is not None
            count = self._compare(definition.schedule, texts, zone)
            return f"the next {count:,} instants are the same, and those around the next changes of the clock"

        return check

    def _compare(self, schedule: Schedule, texts: list[str], zone: ZoneInfo) -> int:
        """From now on, and around each change of the clock in the year to come: systemd has a rule of its own there."""
        for change in changes(zone, self._now // MINUTE, (self._now + _YEAR) // MINUTE):
            begin = change * MINUTE - DAY
            prove(
                schedule, self._elapses(texts, begin, _AROUND_A_CHANGE), begin, zone, "systemd", count=_AROUND_A_CHANGE
            )
        elapses = self._elapses(texts, self._now, INSTANTS)
        if not elapses:
            raise ValueError("it does not elapse again")
        return prove(schedule, elapses, self._now, zone, "systemd", count=len(elapses))

    def _elapses(self, texts: list[str], begin: Instant, count: int) -> list[Instant]:
        zone = None if self._zone.key == "localtime" else self._zone.key
        found = {moment for text in texts for moment in self._systemd.elapses(text, zone, begin, count)}
        return sorted(found)[:count]


def _check(unit: Unit) -> None:
    """Raises ValueError for a setting that a job would not have."""
    for key, values in unit.get("Timer", {}).items():
        if key not in _KNOWN and values[-1].lower() in _YES:
            raise ValueError(f"it has {key}={values[-1]}, which no job has")
        if any("%" in value for value in values):
            raise ValueError(f"its {key}= has a specifier; write a job by hand")
    for key in unit.get("Unit", {}):
        if key.startswith(("Condition", "Assert")):
            raise ValueError(f"it has {key}=, which no job has; let the command look at it, and write a job by hand")


def _last(timer: dict[str, list[str]], key: str) -> str:
    return timer.get(key, [""])[-1]
