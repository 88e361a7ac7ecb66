"""What a run costs that is a unit of systemd's. Needs systemd and its bus: run it as root where both are.

PYTHONPATH=. python -m bench.units [COUNT]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

from bench.world import Figure, percentile
from jobschedd.model.launch import Launch
from jobschedd.model.message import Message, RunEnded, RunStarted
from jobschedd.model.run import Cause, Run
from jobschedd.world.clock import SystemClock
from jobschedd.world.units import Units

PATIENCE = 120.0


def resident() -> int:
    """KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)


def cpu_of_others() -> dict[str, float]:
    """Seconds of systemd, the bus and the journal since they began."""
    used: dict[str, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            if name in ("systemd", "dbus-daemon", "dbus-broker", "systemd-journal"):
                used[name] = used.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def units(count: int = 1_000) -> Iterator[Figure]:
    """So many `/bin/true` in a sandbox at once, each from its start until systemd has let go of it."""
    clock, said = SystemClock(), SimpleQueue[Message]()
    home = Path(tempfile.mkdtemp(prefix="jobschedd-bench-"))
    before = resident()
    made = Units(said, clock, runtime_dir=str(home))
    launch = Launch(argv=("/bin/true",), sandbox=(("PrivateTmp", True), ("ProtectSystem", "strict")))

    def start(names: list[str]) -> None:
        made.start([(Run(name, "bench", 0, Cause.SCHEDULE), launch, 0) for name in names])

    def hear(kind: type[Message]) -> Message:
        while not isinstance(heard := said.get(timeout=PATIENCE), kind):
            pass
        return heard

    late: list[float] = []
    for number in range(50):
        name = clock.run_id(clock.now())
        asked = clock.now()
        start([name])
        started = hear(RunStarted)
        assert isinstance(started, RunStarted)
        late.append(started.started_at - asked)
        hear(RunEnded)
        made.forget([name])
        if not number:
            yield Figure("loaded by the first run", (resident() - before) / 1024, "MiB")
    yield Figure("one alone: order until its process is there, p50", percentile(late, 0.5) / 1e3, "ms")
    yield Figure("… p99", percentile(late, 0.99) / 1e3, "ms")
    names = [clock.run_id(clock.now()) for _ in range(count)]
    began, own, others = time.monotonic(), time.process_time(), cpu_of_others()
    start(names)
    succeeded = 0
    for _ in names:
        ended = hear(RunEnded)
        assert isinstance(ended, RunEnded)
        succeeded += ended.ending.exit_code == 0
        made.forget([ended.run_id])
    took = time.monotonic() - began
    while any(home.glob("units/*")):
        time.sleep(0.01)
    yield Figure(f"{count} at once: succeeded", succeeded, "")
    yield Figure("… ended a second", count / took, "1/s")
    yield Figure("… our CPU for each", (time.process_time() - own) / count * 1e3, "ms")
    for name, used in cpu_of_others().items():
        yield Figure(f"… {name}'s CPU for each", (used - others.get(name, 0)) / count * 1e3, "ms")
    made.close()


if __name__ == "__main__":
    for figure in units(*map(int, sys.argv[1:])):
        print(figure.text(), flush=True)
