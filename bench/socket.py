"""The socket: what a crowd that misuses it costs the jobs, and how quickly jobctl answers."""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.world import Daemon, Figure, a_home, build_stamp, job, percentile, pss_kib

SECONDS = 60
CALLERS = 1_000


def crowd() -> Iterator[Figure]:
    """A minute of a thousand callers who send junk, halves, too much, or a byte a second: what the jobs notice of it."""
    with a_home() as home:
        stamp, out = build_stamp(home), home / "stamps"
        jobs = home / "jobs.d"
        jobs.mkdir(0o755)
        for number in range(100):
            (jobs / f"{number}.json").write_bytes(job(f"j{number}", "0 3 1 1 *", "true"))
        daemon = Daemon(home)
        daemon.put("tick.json", job("tick", "* * * * * *", [str(stamp), str(out)]))
        time.sleep(20)
        quiet = [float(line) % 1 for line in out.read_text().split()]
        before = pss_kib(*daemon.pids)
        path = home / "run" / "io.jobschedd"
        crowds = [
            subprocess.Popen([sys.executable, "-m", "bench.socket", str(path), str(uid), str(SECONDS)])
            for uid in ((65534, 65533) if os.geteuid() == 0 else (os.geteuid(),))
        ]
        for process in crowds:
            assert process.wait() == 0
        late = [float(line) % 1 for line in out.read_text().split()][len(quiet) :]
        time.sleep(2)
        after = pss_kib(*daemon.pids)
        daemon.close()
        failed = sum(entry["event"] == "thread_failed" for entry in daemon.entries)
    yield Figure(f"lateness p50 before ({len(quiet)} runs)", percentile(quiet, 0.5) * 1e3, "ms")
    yield Figure(f"lateness p50 in the crowd ({len(late)} runs)", percentile(late, 0.5) * 1e3, "ms")
    yield Figure("lateness p99 in the crowd", percentile(late, 0.99) * 1e3, "ms", "must: 5")
    yield Figure("memory before", before, "KiB")
    yield Figure("memory after", after, "KiB", "must not grow")
    yield Figure("bugs met", failed, "", "must: 0")


def jobctl() -> Iterator[Figure]:
    """A cold jobctl, from its start to its end, with 10,000 jobs."""
    with a_home() as home:
        jobs = home / "jobs.d"
        jobs.mkdir(0o755)
        for number in range(10_000):
            (jobs / f"{number}.json").write_bytes(job(f"job-{number}", f"{number % 60} {number % 24} 1 1 *", "true"))
        daemon = Daemon(home)
        for words, must in (
            (("status",), "must: 0.15"),
            (("list",), "must: 0.6"),
            (("next", "-n", "1000"), ""),
            (("show", "job-7"), ""),
        ):
            took = []
            for _ in range(11):
                began = time.monotonic()
                command = [sys.executable, "-m", "jobschedd.ctl", *words, "--runtime-dir", str(home / "run")]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                took.append(time.monotonic() - began)
            yield Figure(f"jobctl {' '.join(words)} (median of {len(took)})", percentile(took, 0.5), "s", must)
        daemon.close()


def _misuse(path: str, seconds: float) -> None:
    """Be a crowd."""
    draw = random.Random(os.geteuid())
    good = json.dumps({"method": "io.jobschedd.List", "parameters": {"glob": "j*"}, "more": True}).encode() + b"\0"
    selector = selectors.DefaultSelector()
    callers: dict[socket.socket, int] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.process_time()
        for _ in range(20):
            if len(callers) >= CALLERS // 2:
                break
            caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if caller.connect_ex(path):
                caller.close()
                break
            callers[caller] = draw.randrange(6)
            selector.register(caller, selectors.EVENT_READ)
        gone = set()
        for key, _ in selector.select(0.01):
            caller = key.fileobj
            assert isinstance(caller, socket.socket)
            if callers[caller] == 5:
                continue  # asks, and never listens
            try:
                if not caller.recv(1 << 16):
                    gone.add(caller)
            except OSError:
                gone.add(caller)
        for caller, habit in callers.items():
            junk = bytearray(good)
            junk[draw.randrange(len(junk))] = draw.randrange(256)
            say = [
                junk,
                good[: draw.randrange(len(good))],
                b"x" * 60_000,
                b" " if draw.random() < 0.01 else b"",
                good,
                good,
            ]
            with suppress(BlockingIOError):
                try:
                    caller.send(say[habit])
                except OSError as error:
                    if not isinstance(error, BlockingIOError):
                        gone.add(caller)
        for caller in gone:
            selector.unregister(caller)
            caller.close()
            del callers[caller]
        # What it takes of the processors itself is not what is measured: `./dev bench busy` does that.
        time.sleep(9 * (time.process_time() - began))


if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    _misuse(str(Path(sys.argv[1])), float(sys.argv[3]))
