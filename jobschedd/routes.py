"""The ways to run: as a child of the runner's, or as a unit of systemd's. Each run goes the way that its job needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobschedd.model.launch import Launch
    from jobschedd.model.record import Open
    from jobschedd.model.run import Asked, Instant, Run
    from jobschedd.world.runs import RunnerProcess
    from jobschedd.world.units import Units

CONTROLLED = {"memory": "memory", "memory_high": "memory", "cpu": "cpu", "tasks": "pids", "io_weight": "io"}
"""Limits that a cgroup controller keeps, and which."""


class Routes:
    """Implements ports.Runner over two others."""

    def __init__(self, runner: RunnerProcess, units: Units) -> None:
        self._runner = runner
        self._units = units
        self._as_units: set[str] = set()
        """The runs that are units, until their ends are on the record."""

    def open(self, orphans: Sequence[Open]) -> None:
        """`orphans`: what was running when the last daemon ended."""
        units = self._units.find()
        self._as_units = {found.run.run_id for found in units}
        self._runner.open([claim for claim in orphans if claim.run.run_id not in self._as_units], units)
        self._units.open()

    def alive(self) -> bool:
        return self._runner.alive() and self._units.alive()

    def close(self) -> None:
        self._runner.close()
        self._units.close()

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        units = [start for start in runs if self._needs_unit(start[1])]
        if not units:
            self._runner.start(runs)
            return
        self._as_units.update(run.run_id for run, _, _ in units)
        self._units.start(units)
        if others := [start for start in runs if start[0].run_id not in self._as_units]:
            self._runner.start(others)

    def _needs_unit(self, launch: Launch) -> bool:
        if launch.sandbox:
            return True
        limits = launch.limits
        if limits is None:
            return False
        needed = {controller for key, controller in CONTROLLED.items() if getattr(limits, key) is not None}
        # What neither can keep the runner refuses.
        return bool(needed - self._runner.controllers) and all(map(self._units.keeps, needed))

    def end(self, run_ids: Sequence[str], signal: int, why: Asked) -> None:
        units, others = self._parted(run_ids)
        if units:
            self._units.end(units, signal, why)
        if others:
            self._runner.end(others, signal, why)

    def forget(self, run_ids: Sequence[str]) -> None:
        units, others = self._parted(run_ids)
        if units:
            self._units.forget(units)
            self._as_units.difference_update(units)
        if others:
            self._runner.forget(others)

    def _parted(self, run_ids: Iterable[str]) -> tuple[list[str], list[str]]:
        units, others = list[str](), list[str]()
        for run_id in run_ids:
            (units if run_id in self._as_units else others).append(run_id)
        return units, others
