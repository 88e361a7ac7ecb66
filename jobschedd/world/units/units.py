"""Implements ports.Runner with units of systemd's: a queue of orders, a thread, and its connection to the bus."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from jobschedd.model.message import RunFound
from jobschedd.model.run import SECOND, Asked
from jobschedd.world.units.following import Following
from jobschedd.world.units.notes import Notes
from jobschedd.world.units.unit import Stage, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobschedd.model.launch import Launch
    from jobschedd.model.run import Instant, Run
    from jobschedd.ports import Clock, Inbox

BOOTED = "/run/systemd/system"
"""There where systemd is the machine's init, sd_booted(3)."""

SYSTEM_BUS = "/run/dbus/system_bus_socket"

NO_SYSTEMD = "a sandbox needs systemd, which does not run here; leave `sandbox` out"

PATIENCE = 30 * SECOND
"""What waits this long while nothing comes from systemd is refused."""

AGAIN = SECOND // 2
"""Between two attempts to reach the bus."""

LINGER = 30 * SECOND
"""A connection that no run needs any more is closed after this: on it we would be woken by each service that changes."""


def bus_of_this_user() -> str:
    """Where the systemd that is to run our units is spoken to: the machine's, or the user's own."""
    if os.geteuid() == 0:
        return SYSTEM_BUS
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}", "bus")


class Units:
    """Implements ports.Runner for runs with a sandbox; ids of other runs are nothing to it."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        *,
        runtime_dir: str,
        bus: str | None = None,
        booted: str = BOOTED,
        daemon_unit: str = "jobschedd.service",
    ) -> None:
        """`runtime_dir`: where notes of units live. `daemon_unit`: whose lines in the journal theirs are shown with."""
        self._clock = clock
        self._bus = bus or bus_of_this_user()
        self._booted = booted
        self._notes = Notes(os.path.join(runtime_dir, "units"))
        self._following = Following(inbox, clock, self._notes, daemon_unit)
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        """To be carried out by our thread."""
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._closing = False
        self._thread: threading.Thread | None = None
        """None while no run has needed it."""
        self._next_attempt = 0
        self._heard = 0
        """When systemd has last said something."""
        self._needed = 0
        """When a run has last needed it."""

    @property
    def _possible(self) -> bool:
        return os.path.isdir(self._booted)

    def keeps(self, controller: str) -> bool:
        """Whether limits by this cgroup controller are kept: systemd says nothing where the kernel has none."""
        try:
            with open("/sys/fs/cgroup/cgroup.controllers") as file:
                known = controller in file.read().split()
        except OSError:  # the first version of cgroups has a tree for each
            known = os.path.isdir(f"/sys/fs/cgroup/{'blkio' if controller == 'io' else controller}")
        return known and self._possible

    def find(self) -> tuple[RunFound, ...]:
        """The runs that the daemon before us has left. What became of each is told in messages after `open`."""
        runs = self._notes.read() if self._possible else []
        for run in runs:
            self._following.add(Unit(run, stage=Stage.STARTING))
        return tuple(RunFound(run, None, None) for run in runs)

    def open(self) -> None:
        if self._following.units:
            self._begin_thread()

    def alive(self) -> bool:
        return self._thread is None or self._thread.is_alive()

    def close(self) -> None:
        """Part from systemd. Runs go on; the next daemon finds them."""
        self._closing = True
        os.eventfd_write(self._bell, 1)
        if self._thread is not None:
            self._thread.join(5)

    # -- what the scheduler asks ---------------------------------------------------------------------------------

    def start(self, runs: Sequence[tuple[Run, Launch, Instant]]) -> None:
        since = self._clock.elapsed()
        units = [Unit(run, launch, moment, since) for run, launch, moment in runs]
        self._order(lambda: self._take(units))

    def end(self, run_ids: Sequence[str], signal: int, why: Asked = Asked.STOPPED) -> None:
        self._order(lambda: self._following.end(run_ids, signal, why))

    def forget(self, run_ids: Sequence[str]) -> None:
        self._order(lambda: self._following.forget(run_ids))

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.put(order)
        self._begin_thread()
        os.eventfd_write(self._bell, 1)

    def _begin_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="units", daemon=True)
            self._thread.start()

    # -- our thread ----------------------------------------------------------------------------------------------

    def _take(self, units: list[Unit]) -> None:
        for unit in units:
            self._following.add(unit)
            self._following.waiting.append(unit)

    def _serve(self) -> None:
        while not self._closing:
            with suppress(Empty):
                while True:
                    self._orders.get_nowait()()
            self._keep_connection()
            self._wait(self._following.begin_due())
        self._part()

    def _keep_connection(self) -> None:
        """Connect where a run needs it, give up what has waited too long, and part when nothing needs it."""
        now, following = self._clock.elapsed(), self._following
        if not following.units:
            if now - self._needed > LINGER:
                self._part()
            return
        self._needed = now
        if following.systemd is None and not os.path.isdir(self._booted):
            following.refuse_waiting(NO_SYSTEMD, now + 1)
            return
        if following.systemd is None and now >= self._next_attempt:
            self._next_attempt = now + AGAIN
            self._connect()
        if following.waiting and now - self._heard > PATIENCE:
            reason = f"systemd has not answered for {PATIENCE // SECOND} s on {self._bus}"
            following.refuse_waiting(reason, now - PATIENCE)

    def _connect(self) -> None:
        # The first run that needs a unit pays for the import; a daemon without sandboxes never does.
        from jobschedd.world.units.systemd import Systemd  # noqa: PLC0415

        try:
            systemd = Systemd(self._bus, self._following)
        except OSError:
            return
        self._following.systemd = systemd
        self._poll.register(systemd.bus.fileno(), select.POLLIN)

    def _part(self) -> None:
        systemd, self._following.systemd = self._following.systemd, None
        if systemd is not None:
            self._poll.unregister(systemd.bus.fileno())
            systemd.close()

    def _wait(self, left: int | None) -> None:
        """Until the next start may begin, in so many microseconds, or something has come."""
        if left is not None and left < 1_000:
            time.sleep(left / 1_000_000)  # poll counts in milliseconds
            return
        systemd = self._following.systemd
        if systemd is not None:
            writing = select.POLLOUT if systemd.bus.waits_to_send else 0
            self._poll.modify(systemd.bus.fileno(), select.POLLIN | writing)
        for fd, _ in self._poll.poll(self._patience(left)):
            if fd == self._bell:
                os.eventfd_read(self._bell)
            elif systemd is not None:
                self._heard = self._clock.elapsed()
                try:
                    systemd.bus.flush()
                    systemd.read()
                except OSError:
                    self._part()

    def _patience(self, left: int | None) -> int | None:
        """Milliseconds that nothing needs to be done for, as far as we know; None: nothing ever has."""
        if left is not None:
            return left // 1_000
        if self._following.systemd is not None:
            return PATIENCE // 1_000
        return AGAIN // 1_000 if self._following.units else None
