"""What the measurements share: a daemon of its own, a job that stamps its start, and a way to say figures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

STAMP_SOURCE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct timespec now;
    char line[64];
    clock_gettime(CLOCK_REALTIME, &now);
    if (argc > 1) {
        int length = snprintf(line, sizeof line, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
        int file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0666);
        return write(file, line, length) != length;
    }
    return 0;
}
"""


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str
    note: str = ""

    def json(self) -> str:
        return json.dumps(self.__dict__)

    def text(self) -> str:
        return f"  {self.what:<58} {self.value:>10.4g} {self.unit:<6} {self.note}"


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def build_stamp(home: Path) -> Path:
    """A static program that writes the time of its first instruction to the end of a file."""
    source, program = home / "stamp.c", home / "stamp"
    source.write_text(STAMP_SOURCE)
    subprocess.run(["gcc", "-O2", "-static", "-o", program, source], check=True)
    return program


def job(job_id: str, schedule: str, command: list[str] | str, **task: Any) -> bytes:
    body = {"type": "execute_command", "command": command} | task
    return json.dumps({"job_id": job_id, "description": "measured", "schedule": schedule, "task": body}).encode()


class Daemon:
    def __init__(self, home: Path, *flags: str) -> None:
        self.jobs = home / "jobs.d"
        self.jobs.mkdir(exist_ok=True)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "jobschedd", "--jobs-dir", self.jobs, "--state-dir", home / "state",
                "--runtime-dir", home / "run", "--log-format", "json", *flags,
            ],
            stderr=subprocess.PIPE,
            text=True,
            # An installed package has its byte code beside it.
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        )  # fmt: skip
        self.entries: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.until(lambda entry: entry["event"] == "daemon_ready", 120)
        self.ready_after = time.monotonic() - self.began

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.entries.append(json.loads(line))
            except json.JSONDecodeError:
                print(line, end="", file=sys.stderr)

    def until(self, holds: Callable[[dict[str, Any]], bool], patience: float = 60.0) -> dict[str, Any]:
        deadline, seen = time.monotonic() + patience, 0
        while time.monotonic() < deadline:
            while seen < len(self.entries):
                seen += 1
                if holds(self.entries[seen - 1]):
                    return self.entries[seen - 1]
            time.sleep(0.002)
        raise TimeoutError(self.entries[-3:])

    @property
    def runner(self) -> int:
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                return int(child)
        raise LookupError("no runner")

    @property
    def pids(self) -> tuple[int, int]:
        return self.process.pid, self.runner

    def put(self, name: str, data: bytes) -> None:
        beside = self.jobs / f".{name}"
        beside.write_bytes(data)
        beside.rename(self.jobs / name)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self._reader.join(10)


@contextmanager
def a_home() -> Iterator[Path]:
    # On a disk: claims are durable before the start, and that is part of what is measured.
    home = Path(tempfile.mkdtemp(prefix="jobschedd-bench-", dir="/var/tmp"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def cpu_seconds(*pids: int) -> float:
    """User and system time of these processes, without their children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_kib(*pids: int) -> int:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def switches(*pids: int) -> int:
    """Voluntary context switches of all threads: how often something woke up."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total
