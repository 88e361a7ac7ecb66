"""The runs that are units, from the order to start one until systemd has let go of it. Used by one thread.

What systemd says of itself is the truth; its signals are hints that save asking. Whenever it has come back, all that
may have been missed is asked for. A unit's name is made from the run's id, and systemd takes a name once: a start
whose fate is unknown is looked up by its name, and made again only where systemd has never had it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from signal import SIGCONT, SIGKILL
from typing import TYPE_CHECKING, Any

from jobschedd.model.message import RunEnded, RunRefused, RunStarted
from jobschedd.model.run import Asked, Ending
from jobschedd.world.units.identity import CannotStart, check_groups, environment, look_up, read_environment_file
from jobschedd.world.units.journal import why_not_spawned
from jobschedd.world.units.properties import unit_properties
from jobschedd.world.units.status import AT_A_LOOK, AT_THE_END, Absent, Begun, Failed, Over, State, judge
from jobschedd.world.units.unit import Stage, Unit, memory_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.ports import Clock, Inbox
    from jobschedd.world.units.bus import Answer
    from jobschedd.world.units.notes import Notes
    from jobschedd.world.units.systemd import Systemd

AT_ONCE = 32
"""Units that systemd is starting at the same time."""

LONGEST_LEAD = 25_000
"""Microseconds by which an order may come ahead of its moment, whatever the clock says."""

_TAKEN = "org.freedesktop.systemd1.UnitExists"

_NOT_THERE = frozenset(
    {
        "org.freedesktop.DBus.Error.UnknownProperty",
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.systemd1.NoSuchUnit",
    },
)
"""Of a property: this systemd has none, or no such unit."""

_UNHEARD = "unheard"
"""A fact that was asked for and not answered: all of them are asked for again once systemd is back."""

TAKEN_AWAY = "systemd has no unit of it: somebody has taken it away, or it was never begun"


class Following:
    """Implements systemd.Watcher."""

    def __init__(self, inbox: Inbox, clock: Clock, notes: Notes, daemon_unit: str) -> None:
        self._inbox = inbox
        self._clock = clock
        self._notes = notes
        self._daemon_unit = daemon_unit
        self.systemd: Systemd | None = None
        """None while there is no connection."""
        self.units: dict[str, Unit] = {}
        """By the run's id."""
        self._by_name: dict[str, Unit] = {}
        self._by_path: dict[str, Unit] = {}
        self.waiting: deque[Unit] = deque()
        self._starting: set[str] = set()
        self._tells_peak = True
        """Whether this systemd keeps the memory peak of a unit; from 255 on."""

    def add(self, unit: Unit) -> None:
        self.units[unit.run.run_id] = unit
        self._by_name[unit.name] = unit
        self._by_path[unit.path] = unit

    def _drop(self, unit: Unit) -> None:
        self._notes.remove(unit.run.run_id)
        self._starting.discard(unit.run.run_id)
        unit.close_stdin()
        for known, key in ((self.units, unit.run.run_id), (self._by_name, unit.name), (self._by_path, unit.path)):
            known.pop(key, None)

    # -- starting ------------------------------------------------------------------------------------------------

    def begin_due(self) -> int | None:
        """Begin what may begin now; microseconds until the next one may, None where something else is waited for."""
        while self.waiting and len(self._starting) < AT_ONCE and self.systemd is not None and self.systemd.ready:
            left = min(
                self.waiting[0].moment - self._clock.now(),
                self.waiting[0].since + LONGEST_LEAD - self._clock.elapsed(),
            )
            if left > 0:
                return left
            self._begin(self.waiting.popleft(), self.systemd)
        return None

    def _begin(self, unit: Unit, systemd: Systemd) -> None:
        run, launch = unit.run, unit.launch
        assert launch is not None, "only what was ordered of us waits"
        try:
            identity = look_up(launch)
            check_groups(launch, identity)
            lines = read_environment_file(launch.env_file, identity) if launch.env_file else None
            self._notes.write(run)
            # What is left behind is found by the run's id; a job may read it but not take it away.
            variables = dict(launch.env) | {"JOBSCHEDD_RUN_ID": run.run_id}
            unit.stdin = memory_file(launch.stdin)
            properties = unit_properties(
                run,
                launch,
                identity,
                environment=environment(run, launch, identity),
                environment_files=self._notes.write_environment(run.run_id, variables, lines),
                stdin=unit.stdin,
                daemon_unit=self._daemon_unit,
            )
        except CannotStart as error:
            self._refuse(unit, str(error))
            return
        except OSError as error:
            self._refuse(unit, f"cannot write what its unit needs: {error.strerror}")
            return
        unit.stage = Stage.STARTING
        self._starting.add(run.run_id)
        systemd.start(unit.name, properties, partial(self._answered, unit, systemd))

    def _answered(self, unit: Unit, systemd: Systemd, answer: Answer) -> None:
        unit.close_stdin()
        if systemd.was_away(answer):
            return  # nobody knows: it is looked up once systemd is there again
        if answer.error == _TAKEN:
            unit.taken = True
            self._ask(unit, AT_A_LOOK)
        elif answer.error:
            self._refuse(unit, f"cannot set up the sandbox: {answer.text}")
        else:
            unit.taken = True

    def refuse_waiting(self, reason: str, before: int) -> None:
        """Those that were ordered before that moment of the clock that never jumps."""
        for unit in [unit for unit in self.waiting if unit.since < before]:
            self.waiting.remove(unit)
            self._refuse(unit, reason)

    def _refuse(self, unit: Unit, reason: str) -> None:
        """There is no unit of it, and never was."""
        self._inbox.put(RunRefused(unit.run.run_id, reason))
        self._drop(unit)

    # -- what the scheduler asks ---------------------------------------------------------------------------------

    def end(self, run_ids: Sequence[str], signal: int, why: Asked) -> None:
        for unit in [self.units[run_id] for run_id in run_ids if run_id in self.units]:
            unit.why = why
            match unit.stage:
                case Stage.WAITING:
                    self.waiting.remove(unit)
                    self._refuse(unit, "it was ended before it was begun")
                case Stage.STARTING:
                    unit.signals.append(signal)
                case Stage.RUNNING:
                    self._kill(unit, signal)

    def _kill(self, unit: Unit, signal: int) -> None:
        if self.systemd is None:
            unit.signals.append(signal)
            return
        self.systemd.kill(unit.name, signal, partial(self._killed, unit, signal, self.systemd))
        if signal != SIGKILL:
            # A stopped process takes nothing but SIGKILL before it goes on.
            self.systemd.kill(unit.name, SIGCONT, lambda _: None)

    @staticmethod
    def _killed(unit: Unit, signal: int, systemd: Systemd, answer: Answer) -> None:
        if systemd.was_away(answer):
            unit.signals.append(signal)  # it is sent once systemd is back and says that the run goes on

    def forget(self, run_ids: Sequence[str]) -> None:
        for unit in [self.units[run_id] for run_id in run_ids if run_id in self.units]:
            if unit.stage is Stage.ENDED:
                unit.stage = Stage.LEAVING
                self._stop(unit)

    def _stop(self, unit: Unit) -> None:
        """What the main process has left behind ends with the unit."""
        if self.systemd is not None:
            self.systemd.stop(unit.name, partial(self._stopped, unit, self.systemd))

    def _stopped(self, unit: Unit, systemd: Systemd, answer: Answer) -> None:
        if answer.error and not systemd.was_away(answer):
            self._drop(unit)  # systemd does not know it any more

    # -- what systemd says ---------------------------------------------------------------------------------------

    def systemd_is_there(self) -> None:
        self._tells_peak = True
        for unit in list(self.units.values()):
            if unit.stage is Stage.LEAVING:
                self._stop(unit)
            elif unit.stage in (Stage.STARTING, Stage.RUNNING):
                unit.facts.clear()
                self._ask(unit, AT_A_LOOK)

    def job_removed(self, name: str, result: str) -> None:
        unit = self._by_name.get(name)
        if unit is None:
            return
        if unit.stage is Stage.LEAVING:
            if unit.facts.get("Result") != "success" and self.systemd is not None:
                self.systemd.reset(unit.name, lambda _: None)
            self._drop(unit)
        elif unit.stage is Stage.STARTING:
            unit.facts["job"] = result
            self._consider(unit)

    def service_changed(self, path: str, facts: dict[str, Any]) -> None:
        unit = self._by_path.get(path)
        if unit is not None:
            unit.facts.update((name, value) for name, value in facts.items() if name in AT_THE_END)
            if unit.stage is Stage.RUNNING:
                self._consider(unit)

    def _ask(self, unit: Unit, wanted: dict[str, str]) -> None:
        """Ask for those of these properties that are not known."""
        superfluous = "" if self._tells_peak else "MemoryPeak"
        for name, interface in wanted.items():
            if name not in unit.facts and name != superfluous and self.systemd is not None:
                unit.asked += 1
                self.systemd.get(unit.name, interface, name, partial(self._told, unit, name, self.systemd))

    def _told(self, unit: Unit, name: str, systemd: Systemd, answer: Answer) -> None:
        unit.asked -= 1
        if systemd.was_away(answer):
            unit.facts[_UNHEARD] = True
            return
        if answer.error and answer.error not in _NOT_THERE:
            # Nothing follows from that, and nothing else will say more: the connection is made anew, and all is asked.
            raise ConnectionError(answer.text)
        if answer.error and name == "MemoryPeak":
            self._tells_peak = False
        unit.facts[name] = None if answer.error else answer.body[0][1]
        if not unit.asked:
            self._consider(unit)

    def _consider(self, unit: Unit) -> None:
        """Tell what has become of a unit, once all is known that belongs to it."""
        if unit.asked or _UNHEARD in unit.facts or unit.stage not in (Stage.STARTING, Stage.RUNNING):
            return
        state = judge(unit.facts, unit.circumstances())
        if isinstance(state, Over | Failed):
            self._ask(unit, AT_THE_END)
            if unit.asked:
                return
            state = judge(unit.facts, unit.circumstances())
            if isinstance(state, Failed) and unit.facts.get("ExecMainPID"):
                state = self._doubt(unit, state)
        match state:
            case Begun():
                self._tell_begun(unit, state)
            case Over(begun, at, ending):
                self._tell_begun(unit, begun)
                self._tell_over(unit, RunEnded(unit.run.run_id, at, replace(ending, asked=unit.why)))
            case Failed(reason):
                self._tell_over(unit, RunRefused(unit.run.run_id, reason))
            case Absent() if unit.launch is not None and not unit.taken:
                # systemd went away before it had heard of it.
                self._starting.discard(unit.run.run_id)
                unit.stage = Stage.WAITING
                self.waiting.appendleft(unit)
            case Absent():
                lost = Ending(None, None, 0, None, TAKEN_AWAY)
                self._tell_over(unit, RunEnded(unit.run.run_id, self._clock.now(), lost))

    @staticmethod
    def _doubt(unit: Unit, failed: Failed) -> State:
        """A status that looks like a start that failed may be the program's own."""
        said = why_not_spawned(unit.name)
        if said == "":
            return judge(unit.facts | {"job": "done"}, unit.circumstances())
        return Failed(f"{failed.reason} ({said})") if said else failed

    def _tell_begun(self, unit: Unit, begun: Begun) -> None:
        if unit.stage is Stage.STARTING:
            unit.stage = Stage.RUNNING
            unit.launch = None
            self._starting.discard(unit.run.run_id)
            self._notes.remove_environment(unit.run.run_id)
            self._inbox.put(RunStarted(unit.run.run_id, begun.pid, begun.at))
        signals, unit.signals = unit.signals, []
        for signal in signals:
            self._kill(unit, signal)

    def _tell_over(self, unit: Unit, message: RunEnded | RunRefused) -> None:
        unit.stage = Stage.ENDED
        self._starting.discard(unit.run.run_id)
        self._inbox.put(message)
