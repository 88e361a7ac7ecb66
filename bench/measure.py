"""Each measurement is a function that yields figures. docs/performance.md tells what they are held against."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.socket import crowd, jobctl
from bench.world import Daemon, Figure, a_home, build_stamp, cpu_seconds, job, percentile, pss_kib, switches


def fill(directory: Path, count: int) -> None:
    directory.mkdir(exist_ok=True)
    for number in range(count):
        minute, hour = number % 60, number // 60 % 24
        (directory / f"{number}.json").write_bytes(job(f"idle-{number}", f"{minute} {hour} 1 1 *", ["/bin/true"]))


def pickup() -> Iterator[Figure]:
    """Rename of a valid file into place until the scheduler has put its first instant on the agenda."""
    with a_home() as home:
        daemon = Daemon(home)
        said: list[float] = []
        for number in range(500):
            name = f"p{number}"
            beside = daemon.jobs / f".{name}"
            beside.write_bytes(job(name, "0 0 1 1 *", ["/bin/true"]))
            before = time.time()
            beside.rename(daemon.jobs / f"{name}.json")
            entry = daemon.until(lambda entry, name=name: entry.get("JOBSCHEDD_JOB") == name)
            said.append(moment(entry["time"]) - before)
            time.sleep(0.005)
        daemon.close()
    yield Figure("pickup p50 (500 renames)", percentile(said, 0.5) * 1e3, "ms", "must: 3")
    yield Figure("pickup p99", percentile(said, 0.99) * 1e3, "ms", "must: 10")


def drop() -> Iterator[Figure]:
    """1,000 files renamed in at once until the last is scheduled."""
    with a_home() as home:
        daemon = Daemon(home, "--log-level", "debug")
        beside = home / "beside"
        beside.mkdir()
        for number in range(1_000):
            (beside / f"{number}.json").write_bytes(job(f"d{number}", "0 0 1 1 *", ["/bin/true"]))
        before = time.time()
        for number in range(1_000):
            (beside / f"{number}.json").rename(daemon.jobs / f"{number}.json")
        deadline = time.monotonic() + 30
        while sum(entry["event"] == "job_loaded" for entry in daemon.entries) < 1_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        last = max(moment(entry["time"]) for entry in daemon.entries if entry["event"] == "job_loaded")
        daemon.close()
    yield Figure("1,000 files dropped, last one scheduled", last - before, "s", "must: 1")


def moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def lateness() -> Iterator[Figure]:
    """Instant until the first instruction of the job, one job of every second."""
    late = _late(40)
    yield Figure(f"lateness p50 ({len(late)} runs)", percentile(late, 0.5) * 1e3, "ms", "must: 1")
    yield Figure("lateness p99", percentile(late, 0.99) * 1e3, "ms", "must: 5")


def busy() -> Iterator[Figure]:
    """The same beside a busy loop on every processor."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        late = _late(40)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    yield Figure(f"lateness p50 beside {len(loops)} busy loops", percentile(late, 0.5) * 1e3, "ms")
    yield Figure("lateness p99", percentile(late, 0.99) * 1e3, "ms")


def _late(seconds: float) -> list[float]:
    """How late the runs of that time began, seconds."""
    with a_home() as home:
        stamp, out = build_stamp(home), home / "stamps"
        daemon = Daemon(home)
        daemon.put("tick.json", job("tick", "* * * * * *", [str(stamp), str(out)]))
        time.sleep(seconds)
        daemon.close()
        return [float(line) % 1 for line in out.read_text().split()]


def burst(count: int = 1_000, **task: str) -> Iterator[Figure]:
    """1,000 jobs due at one second."""
    with a_home() as home:
        stamp, out = build_stamp(home), home / "stamps"
        out.touch()
        out.chmod(0o666)
        # A whole minute ahead would be slow; a six-field expression names one second of each minute.
        jobs = home / "jobs.d"
        jobs.mkdir()
        due = int(time.time()) + 8
        for number in range(count):
            text = f"* * * * * {due % 60}"
            (jobs / f"{number}.json").write_bytes(job(f"b{number}", text, [str(stamp), str(out)], **task))
        daemon = Daemon(home)
        used = cpu_seconds(*daemon.pids)
        deadline = time.time() + 40
        while out.read_text().count("\n") < count and time.time() < deadline:
            time.sleep(0.2)
        time.sleep(1)
        used = cpu_seconds(*daemon.pids) - used
        daemon.close()
        starts = sorted(float(line) - due for line in out.read_text().split())
        ended = sum(entry["event"] == "run_ended" for entry in daemon.entries)
    who = f" as {task['user']}" if task else ""
    yield Figure(f"burst of {count}{who}: started", len(starts), "runs", f"{ended} ends told")
    yield Figure(f"burst of {count}{who}: first", starts[0] * 1e3, "ms", "must: 5")
    yield Figure(f"burst of {count}{who}: last", starts[-1], "s", "must: 0.7 (1 for this version)")
    yield Figure(f"burst of {count}{who}: rate", count / starts[-1], "/s", "must: 1400, as another user 900")
    yield Figure(f"burst of {count}{who}: CPU a run, daemon + runner", used / count * 1e3, "ms", "must: 1.5")


def burst_user() -> Iterator[Figure]:
    """1,000 jobs due at one second, as another user."""
    yield from burst(user="nobody")


def spawn_limit() -> Iterator[Figure]:
    """The peer of burst: posix_spawn from Python, 64 in flight."""
    with a_home() as home:
        stamp, out = str(build_stamp(home)), str(home / "stamps")
        began, flying = time.monotonic(), 0
        for _ in range(1_000):
            os.posix_spawn(stamp, [stamp, out], {}, setsid=True)
            flying += 1
            while flying >= 64:
                os.wait()
                flying -= 1
        rate = 1_000 / (time.monotonic() - began)
        while flying:
            os.wait()
            flying -= 1
    yield Figure("posix_spawn loop, 64 in flight", rate, "/s", "limit")


def fork_limit() -> Iterator[Figure]:
    """The peer of burst-user: fork, become another user, exec, from a bare Python, 16 in flight."""
    with a_home() as home:
        stamp, out = build_stamp(home), home / "stamps"
        out.touch()
        out.chmod(0o666)
        script = (
            "import os, sys, time\n"
            "began, flying = time.time(), 0\n"
            "for _ in range(1000):\n"
            "    if os.fork() == 0:\n"
            "        os.setsid(); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "        os.execv(sys.argv[1], sys.argv[1:])\n"
            "    flying += 1\n"
            "    while flying >= 16: os.wait(); flying -= 1\n"
            "while flying: os.wait(); flying -= 1\n"
            "print(1000 / (time.time() - began))\n"
        )
        command = [sys.executable, "-I", "-c", script, str(stamp), str(out)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    yield Figure("fork and setuid, 16 in flight", float(said), "/s")


def load() -> Iterator[Figure]:
    """Start until READY, and memory after it."""
    for count, must in ((1_000, "0.6"), (10_000, "1.5 (2 for this version)"), (100_000, "10")):
        with a_home() as home:
            fill(home / "jobs.d", count)
            if count == 1_000:
                Daemon(home).close()  # writes the byte code
            daemon = Daemon(home)
            yield Figure(f"{count:,} files: start to READY", daemon.ready_after, "s", f"must: {must}")
            yield Figure(
                f"{count:,} files: PSS of daemon + runner",
                pss_kib(*daemon.pids) / 1024,
                "MiB",
                f"must: {45 + 2 * count / 1024:.0f}",
            )
            daemon.close()


def idle() -> Iterator[Figure]:
    """60 s with 100,000 jobs and nothing due."""
    with a_home() as home:
        fill(home / "jobs.d", 100_000)
        daemon = Daemon(home)
        time.sleep(3)
        used, woken = cpu_seconds(*daemon.pids), switches(*daemon.pids)
        time.sleep(60)
        used, woken = cpu_seconds(*daemon.pids) - used, switches(*daemon.pids) - woken
        daemon.close()
    yield Figure("idle for 60 s with 100,000 jobs: CPU", used * 1e3, "ms", "must: 20")
    yield Figure("idle for 60 s with 100,000 jobs: wake-ups", woken, "", "must: 30")


def concurrency() -> Iterator[Figure]:
    """1,000 x sleep 60 at once."""
    with a_home() as home:
        due = (int(time.time()) + 8) % 60
        jobs = home / "jobs.d"
        jobs.mkdir()
        for number in range(1_000):
            (jobs / f"{number}.json").write_bytes(job(f"s{number}", f"* * * * * {due}", ["/bin/sleep", "60"]))
        daemon = Daemon(home)
        before = pss_kib(*daemon.pids)
        deadline = time.time() + 40
        while sum(entry["event"] == "run_started" for entry in daemon.entries) < 1_000 and time.time() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in daemon.pids)
        yield Figure("1,000 x sleep 60: threads of daemon + runner", threads, "", "no thread a job")
        yield Figure("1,000 x sleep 60: more memory", (pss_kib(*daemon.pids) - before) / 1024, "MiB", "must: 10")
        used = cpu_seconds(*daemon.pids)
        time.sleep(10)
        yield Figure("1,000 x sleep 60: CPU in 10 s", (cpu_seconds(*daemon.pids) - used) * 1e3, "ms")
        daemon.close()


def steps() -> Iterator[Figure]:
    """One step of next(), mixed expressions, in a zone, against croniter and cronsim."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from croniter import croniter
    from cronsim import CronSim

    from jobschedd.model.schedule import parse_schedule

    zone = ZoneInfo("Europe/Berlin")
    texts = ["*/5 * * * *", "30 2 * * *", "0 9-17 * * mon-fri", "15 10 1,15 * *", "0 0 L * *", "7 */3 * * 1-5"]
    begin = 1_790_000_000
    ours: list[float] = []
    for text in texts:
        schedule, instant = parse_schedule(text, zone), begin * 1_000_000
        for _ in range(500):
            before = time.perf_counter_ns()
            following = schedule.next(instant)
            ours.append((time.perf_counter_ns() - before) / 1e3)
            assert following is not None
            instant = following
    yield Figure("next(): median", percentile(ours, 0.5), "us", "must: 10")
    for name, make in (
        ("croniter", lambda text: croniter(text, datetime.fromtimestamp(begin, zone), ret_type=datetime)),
        ("cronsim", lambda text: CronSim(text, datetime.fromtimestamp(begin, zone))),
    ):
        theirs: list[float] = []
        for text in texts:
            walk = make(text)
            for _ in range(100):
                before = time.perf_counter_ns()
                next(walk)
                theirs.append((time.perf_counter_ns() - before) / 1e3)
        yield Figure(f"{name}: median", percentile(theirs, 0.5), "us", "peer")


ROWS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < :rows - 1)
INSERT INTO run (run_id, job_id, scheduled_at, attempt, definition, cause, outcome, pid, started_at, ended_at,
    exit_code, cpu_usec, memory_peak, synchronised, host)
SELECT printf('01%024d', n), 'job-' || (n % 10000), :begin + (n / 10000) * 60000000, 1,
    'caa9ec2cff25206e67f4bd3df686b5e378f863b72f10cd5eece2ba0e21fe911c', 'schedule', 'succeeded', 4711,
    :begin + (n / 10000) * 60000000 + 1500, :begin + (n / 10000) * 60000000 + 9000, 0, 1200, 4000000, 1, 'host'
FROM number
"""
"""1,000 minutes of 10,000 jobs."""


def record() -> Iterator[Figure]:
    """What the record costs: a commit, and, with 10 million rows, a question, a start, a piece of tidying."""
    import sqlite3

    from jobschedd.model.record import Claimed
    from jobschedd.model.run import Cause, Run, make_run_id
    from jobschedd.world.store import Marker, SqliteStore

    def commit(store: SqliteStore, rows: int, begin: int) -> float:
        runs = [Run(make_run_id(begin + n, n), f"job-{n}", begin + n, Cause.SCHEDULE) for n in range(rows)]
        before = time.perf_counter()
        store.write([Claimed(run) for run in runs])
        return (time.perf_counter() - before) * 1e3

    with a_home() as home:
        path = home / "record.db"
        store = SqliteStore(str(path), host="host", marker=Marker(str(home)))
        store.open(0, "boot")
        for rows in (1, 32, 1_000):
            spent = [commit(store, rows, (1_000 * rows + number) * 10_000_000) for number in range(50)]
            yield Figure(f"durable commit of {rows} claims: p50 of 50", percentile(spent, 0.5), "ms")
        store.close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA synchronous = OFF")
        db.execute(ROWS, {"rows": 10_000_000, "begin": 1_700_000_000_000_000})
        db.executemany(
            "INSERT INTO definition (job_id, digest, path, terms, delay, since) VALUES (?, '', '', '{}', 0, 0)",
            ((f"job-{n}",) for n in range(10_000)),
        )
        db.commit()
        db.close()
        yield Figure("10 million rows: size", path.stat().st_size / 2**30, "GiB")
        spent = []
        for number in range(11):
            before = time.perf_counter()
            words = ["history", f"job-{number * 997}", "-n", "20", "--state-dir", home]
            done = subprocess.run([sys.executable, "-m", "jobschedd.ctl", *words], capture_output=True, check=True)
            assert len(done.stdout.splitlines()) == 21
            spent.append(time.perf_counter() - before)
        yield Figure("jobctl history JOB -n 20: p50 of 11", percentile(spent, 0.5), "s", "must: 0.2")
        before = time.perf_counter()
        store.open(1_800_000_000_000_000, "boot")
        yield Figure("record opened, 10,000 jobs recovered", time.perf_counter() - before, "s")
        spent = [commit(store, 32, 1_900_000_000_000_000 + number * 10_000_000) for number in range(50)]
        yield Figure("durable commit of 32 claims: p50 of 50", percentile(spent, 0.5), "ms")
        spent = []
        for _ in range(50):
            before = time.perf_counter()
            store.tidy(1_600_000_000_000_000, 500)
            spent.append((time.perf_counter() - before) * 1e3)
        yield Figure("a piece of tidying: p50 of 50", percentile(spent, 0.5), "ms")
        yield Figure("a piece of tidying: max", max(spent), "ms")
        store.close()


MEASUREMENTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "pickup": pickup,
    "drop": drop,
    "lateness": lateness,
    "busy": busy,
    "burst": burst,
    "burst-user": burst_user,
    "spawn-limit": spawn_limit,
    "fork-limit": fork_limit,
    "load": load,
    "idle": idle,
    "concurrency": concurrency,
    "steps": steps,
    "record": record,
    "crowd": crowd,
    "jobctl": jobctl,
}
