"""`jobschedd` as a process: flags, signals, exit codes, what it says."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import pytest

from jobschedd.runner.wire import Frames
from tests.conftest import job_file

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the rule is root's")
PATIENCE = 90.0
EVERY_SECOND = "* * * * * *"


class Process:
    """A daemon with directories of its own, whose JSON log is read as it comes."""

    def __init__(
        self,
        home: Path,
        *flags: str,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.jobs = home / "jobs.d"
        self.state = home / "state"
        self.runtime = home / "run"
        self.said: list[dict[str, Any]] = []
        self._lines: SimpleQueue[str] = SimpleQueue()
        self.process = subprocess.Popen(
            [
                *prefix, sys.executable, "-W", "error", "-m", "jobschedd", "--jobs-dir", self.jobs,
                "--state-dir", self.state, "--runtime-dir", home / "run", "--config", home / "settings.toml",
                "--log-format", "json", *flags,
            ],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (env or {}),
            pass_fds=pass_fds,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def put(self, name: str, *args: Any, **keys: Any) -> None:
        beside = self.jobs / f".{name}"
        beside.write_bytes(job_file(*args, **keys))
        beside.rename(self.jobs / name)

    def until(self, kind: str, holds: Callable[[dict[str, Any]], bool] = lambda _entry: True) -> dict[str, Any]:
        """The next entry of a kind for which something holds."""
        return self.until_any(kind, holds=holds)

    def until_any(self, *kinds: str, holds: Callable[[dict[str, Any]], bool] = lambda _entry: True) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0.001, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"no {kinds} in {self.said[-10:]}") from None
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                entry = {"event": "trace", "message": line}
            self.said.append(entry)
            if entry["event"] in kinds and holds(entry):
                return entry

    def ready(self) -> dict[str, Any]:
        return self.until("daemon_ready")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """As a crash would. The runner lives on, and has our stderr."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def end_runner(self) -> None:
        """What waits for the next daemon waits in vain here."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self.runtime / "runner"))
            caller.settimeout(PATIENCE)
            for greeting in Frames().feed(caller.recv(1 << 20))[:1]:
                os.kill(greeting["pid"], signal.SIGKILL)

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.end_runner()
        self._reader.join(PATIENCE)
        # To close a file that a thread reads waits for ever.
        assert not self._reader.is_alive(), "something of this daemon's still has its stderr"
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def begin(*flags: str, **keys: Any) -> Process:
        made.append(Process(tmp_path, *flags, **keys))
        return made[-1]

    yield begin
    for process in made:
        process.close()


def ran(job: str) -> Callable[[dict[str, Any]], bool]:
    return lambda entry: entry.get("JOBSCHEDD_JOB") == job


def command(*flags: str, **keys: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobschedd", *flags], capture_output=True, text=True, check=False, timeout=60,
        cwd=Path(__file__).parents[1], **keys,
    )  # fmt: skip


def test_a_file_that_is_dropped_runs_and_its_output_is_seen(start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    daemon.put("hello.json", "hello", EVERY_SECOND, command="echo out of the job")
    loaded = daemon.until("job_loaded")
    assert loaded["JOBSCHEDD_FILE"] == str(daemon.jobs / "hello.json")
    assert daemon.until("output")["message"] == "out of the job"
    ended = daemon.until("run_ended")
    assert (ended["JOBSCHEDD_OUTCOME"], ended["JOBSCHEDD_EXIT_CODE"]) == ("succeeded", "0")
    assert daemon.stop() == 0


def test_a_bad_file_beside_a_thousand_good_ones_stops_none_of_them(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    (tmp_path / "jobs.d").mkdir(0o755)
    for number in range(1_000):
        (tmp_path / "jobs.d" / f"{number}.json").write_bytes(
            job_file(f"j{number}", EVERY_SECOND, command=["/bin/true"])
        )
    (tmp_path / "jobs.d" / "bad.json").write_text('{\n "job_id": "bad",\n "schedule": "61 * * * *"\n}')
    daemon = start()
    problem = daemon.until("problem_found")
    assert 'schedule: cannot read "61" as the minute' in problem["message"]
    assert "(line 3, column 2)" in problem["message"]
    assert daemon.ready()["JOBSCHEDD_JOBS"] == "1000"
    seen: set[str] = set()
    while len(seen) < 1_000:
        ended = daemon.until("run_ended")
        assert ended["JOBSCHEDD_OUTCOME"] == "succeeded"
        seen.add(ended["JOBSCHEDD_JOB"])


def test_sighup_reads_settings_and_files_again_and_leaves_runs_alone(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    daemon = start()
    daemon.ready()
    daemon.put("long.json", "long", EVERY_SECOND, command="exec sleep 100")
    pid = int(daemon.until("run_started")["JOBSCHEDD_PID"])
    (tmp_path / "settings.toml").write_text('log_level = "debug"\n')
    daemon.signal(signal.SIGHUP)
    daemon.until("daemon_reloaded")
    assert not [entry for entry in daemon.said if entry["event"] == "run_due"]
    daemon.put("other.json", "other", EVERY_SECOND)
    daemon.until("run_due", ran("other"))
    os.kill(pid, 0)


def test_a_bad_settings_file_at_reload_is_told_and_the_old_one_stays(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    daemon = start()
    daemon.ready()
    (tmp_path / "settings.toml").write_text('log_levle = "debug"\n')
    daemon.signal(signal.SIGHUP)
    assert 'did you mean "log_level"?' in daemon.until("settings_refused")["message"]
    daemon.until("daemon_reloaded")
    assert daemon.stop() == 0


def test_sigusr1_tells_the_state_and_every_thread(start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    daemon.signal(signal.SIGUSR1)
    text = daemon.until("state_dumped")["message"]
    for name in ("scheduler:", "loader:", "runner-link:", "log:", "MainThread:", "jobs=0"):
        assert name in text


@pytest.mark.fault("F46")
def test_sigterm_gives_runs_their_grace_and_then_kills_them(start: Callable[..., Process]) -> None:
    daemon = start("--stop-grace", "500ms")
    daemon.ready()
    daemon.put(
        "polite.json",
        "polite",
        EVERY_SECOND,
        command="trap 'echo bye; exit 0' TERM; echo set; while :; do sleep 0.05; done",
    )
    daemon.put(
        "deaf.json", "deaf", EVERY_SECOND, command="trap '' TERM; echo deaf or polite; while :; do sleep 0.05; done"
    )
    prepared: set[str] = set()
    while prepared != {"polite", "deaf"}:
        prepared.add(daemon.until("output")["JOBSCHEDD_JOB"])
    daemon.signal(signal.SIGTERM)
    assert daemon.until("daemon_stopping")["message"].startswith("stopping (SIGTERM)")
    ends = {}
    while len(ends) < 2:
        entry = daemon.until("run_ended")
        ends[entry["JOBSCHEDD_JOB"]] = (entry["JOBSCHEDD_OUTCOME"], entry.get("JOBSCHEDD_SIGNAL"))
    assert ends == {"polite": ("stopped", None), "deaf": ("stopped", "9")}
    assert daemon.wait() == 0


@pytest.mark.fault("F46")
def test_a_second_sigterm_does_not_wait(start: Callable[..., Process]) -> None:
    daemon = start("--stop-grace", "1h")
    daemon.ready()
    daemon.put("deaf.json", "deaf", EVERY_SECOND, command="trap '' TERM; echo deaf; while :; do sleep 0.05; done")
    # Output and events come by two threads, either of them first.
    told: dict[str, dict[str, Any]] = {}
    while not told.keys() >= {"run_started", "output"}:
        entry = daemon.until_any("run_started", "output")
        told[entry["event"]] = entry
    pid = int(told["run_started"]["JOBSCHEDD_PID"])
    daemon.signal(signal.SIGTERM)
    daemon.until("daemon_stopping")
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.fault("F46")
def test_no_stray_signal_ends_or_stops_it(start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    stray = [
        signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPIPE, signal.SIGWINCH,
        signal.SIGURG, signal.SIGCHLD, signal.SIGCONT, signal.SIGPWR, signal.SIGRTMIN, signal.SIGRTMAX,
    ]  # fmt: skip
    for _ in range(50):
        for number in (*stray, signal.SIGHUP, signal.SIGUSR1):
            daemon.signal(number)
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_ended", ran("a"))
    assert daemon.stop() == 0


@pytest.mark.fault("F45")
def test_a_second_instance_exits_1_and_names_the_first(tmp_path: Path, start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    for _ in range(5):
        done = command(
            "--state-dir", str(daemon.state), "--runtime-dir", str(tmp_path / "run"), "--jobs-dir", str(daemon.jobs)
        )
        assert done.returncode == 1
        assert f"process {daemon.pid} has it; stop that instance first" in done.stderr
    assert daemon.stop() == 0


@pytest.mark.fault("F45")
def test_a_lock_left_by_a_killed_instance_holds_nobody_up(start: Callable[..., Process]) -> None:
    first = start()
    first.ready()
    first.signal(signal.SIGKILL)
    first.process.wait()
    second = start()
    second.ready()
    assert second.stop() == 0


@pytest.mark.fault("A38")
@pytest.mark.parametrize("how", ["writable", "link", "file", "owner"])
def test_a_state_directory_that_is_not_ours_is_refused(tmp_path: Path, how: str) -> None:
    state = tmp_path / "state"
    if how == "link":
        (tmp_path / "real").mkdir(0o700)
        state.symlink_to(tmp_path / "real")
    elif how == "file":
        state.touch()
    else:
        state.mkdir(0o700)
        if how == "writable":
            state.chmod(0o770)
        elif os.geteuid() != 0:
            pytest.skip("only root can give a directory away")
        else:
            os.chown(state, 65534, 65534)
    done = command(
        "--state-dir", str(state), "--runtime-dir", str(tmp_path / "run"), "--jobs-dir", str(tmp_path / "jobs.d")
    )
    assert done.returncode == 1
    assert f"jobschedd: cannot use {state}: " in done.stderr


def test_the_state_directory_is_ours_alone(tmp_path: Path, start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755
    assert daemon.state.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in daemon.state.iterdir())


@as_root
@pytest.mark.fault("A52")
def test_root_runs_no_code_that_others_may_write(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    evil.chmod(0o777)
    done = command("--state-dir", str(tmp_path / "state"), env=os.environ | {"PYTHONPATH": str(evil)})
    assert done.returncode == 1
    assert f"cannot run with {evil} on Python's import path: {evil} can be written by others" in done.stderr


def test_usage_is_exit_code_2_and_help_and_version_are_0() -> None:
    assert command("--no-such-flag").returncode == 2
    assert command("--log-level", "loud").returncode == 2
    helped = command("--help")
    assert helped.returncode == 0
    assert "example:" in helped.stdout
    assert command("--version").stdout.startswith("jobschedd ")


def test_a_bad_setting_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("stop_grace = 'soon'\n")
    done = command("--config", str(tmp_path / "bad.toml"))
    assert done.returncode == 1
    assert 'stop_grace: cannot read "soon" as a duration' in done.stderr


def test_a_log_level_is_read_in_any_case(start: Callable[..., Process]) -> None:
    daemon = start("--log-level", "DEBUG")
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_due")


def test_a_dead_runner_is_said_and_jobs_go_on(start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    daemon.put("long.json", "long", EVERY_SECOND, command="exec sleep 100")
    daemon.until("run_started")
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    threads = Path(f"/proc/{daemon.pid}/task").iterdir()
    runners = {child for thread in threads for child in (thread / "children").read_text().split()} | set(children)
    (runner,) = runners
    os.kill(int(runner), signal.SIGKILL)
    assert "signal SIGKILL" in daemon.until("runner_died")["message"]
    assert daemon.until("run_ended")["JOBSCHEDD_OUTCOME"] == "lost"
    daemon.until("run_started", ran("long"))
    assert daemon.stop() == 0


@pytest.mark.fault("F49")
def test_a_bug_in_the_scheduler_ends_the_daemon_loudly(start: Callable[..., Process], tmp_path: Path) -> None:
    """systemd starts it again; going on half dead would be cron's silence."""
    (tmp_path / "sitecustomize.py").write_text(
        "import jobschedd.scheduler as s\n"
        "def broken(self, *a, **k): raise ZeroDivisionError('a bug')\n"
        "s.Scheduler._follow = broken\n"
    )
    daemon = start(env={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"})
    daemon.ready()
    daemon.put("a.json", "a")
    assert "ZeroDivisionError: a bug" in daemon.until("thread_failed")["message"]
    assert daemon.wait() == 1


class Manager:
    """systemd's end of sd_notify."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)
        self.env = {"NOTIFY_SOCKET": str(path)}

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def drain(self) -> None:
        """Take what comes until nothing does: TimeoutError."""
        while True:
            self.next()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def test_systemd_is_told_ready_reloading_stopping(start: Callable[..., Process], manager: Manager) -> None:
    daemon = start(env=manager.env)
    told = manager.next()
    assert told["READY"] == "1"
    assert told["STATUS"] == "0 jobs, 0 problems, 0 running, nothing due"
    daemon.signal(signal.SIGHUP)
    told = manager.next()
    assert told["RELOADING"] == "1"
    assert told["MONOTONIC_USEC"].isdigit()
    assert manager.next()["READY"] == "1"
    daemon.signal(signal.SIGTERM)
    assert manager.next() == {"STOPPING": "1"}
    assert daemon.wait() == 0


def test_under_systemd_runs_go_on_when_the_daemon_stops(start: Callable[..., Process], manager: Manager) -> None:
    daemon = start(env=manager.env)
    daemon.ready()
    daemon.put("long.json", "long", EVERY_SECOND, command="exec sleep 100")
    pid = int(daemon.until("run_started")["JOBSCHEDD_PID"])
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(PATIENCE) == 0
    os.kill(pid, signal.SIGKILL)


@pytest.mark.fault("F49")
def test_the_watchdog_is_fed_only_while_the_scheduler_answers(start: Callable[..., Process], manager: Manager) -> None:
    daemon = start(env=manager.env | {"WATCHDOG_USEC": "300000"})
    assert manager.next()["READY"] == "1"
    for _ in range(3):
        told = manager.next()
        assert told["WATCHDOG"] == "1"
    daemon.signal(signal.SIGSTOP)
    manager.socket.settimeout(0.6)
    with pytest.raises(TimeoutError):
        manager.drain()
    daemon.signal(signal.SIGCONT)
    manager.socket.settimeout(PATIENCE)
    assert manager.next()["WATCHDOG"] == "1"


@pytest.mark.fault("F20")
def test_a_stopped_daemon_that_lost_events_knows_every_file_afterwards(start: Callable[..., Process]) -> None:
    """More changes than the kernel's queue holds, while nobody reads it."""
    daemon = start()
    daemon.ready()
    daemon.signal(signal.SIGSTOP)
    for number in range(20_000):
        (daemon.jobs / f"{number}.json").write_bytes(job_file(f"j{number}", "@yearly"))
    daemon.signal(signal.SIGCONT)
    for _ in range(4):
        daemon.signal(signal.SIGHUP)
        if int(daemon.until("daemon_reloaded")["JOBSCHEDD_JOBS"]) == 20_000:
            break
    assert daemon.said[-1]["JOBSCHEDD_JOBS"] == "20000"


@pytest.mark.fault("F16")
def test_without_memory_it_ends_cleanly_or_goes_on(start: Callable[..., Process]) -> None:
    daemon = start()
    daemon.ready()
    daemon.put("a.json", "a", EVERY_SECOND)
    daemon.until("run_ended", ran("a"))
    size = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.prlimit(daemon.pid, resource.RLIMIT_AS)
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (size + (1 << 20), before[1]))
    for number in range(20):
        (daemon.jobs / f".{number}").write_bytes(b'{"job_id": "big", "x": [' + b"[]," * 300_000 + b"[]]}")
        (daemon.jobs / f".{number}").rename(daemon.jobs / f"big{number}.json")
    daemon.until("run_ended", ran("a"))
    daemon.until("run_ended", ran("a"))
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, before)
    daemon.put("b.json", "b", EVERY_SECOND)
    if daemon.process.poll() is None:
        daemon.until("run_ended", ran("b"))
        assert daemon.stop() == 0
    else:
        assert daemon.wait() == 1


@pytest.mark.fault("F15")
def test_with_few_descriptors_it_works_or_waits(start: Callable[..., Process]) -> None:
    daemon = start(prefix=("prlimit", "--nofile=40:40"))
    daemon.ready()
    for number in range(60):
        daemon.put(f"{number}.json", f"j{number}", EVERY_SECOND, command="sleep 0.3")
    seen: set[str] = set()
    while len(seen) < 60:
        entry = daemon.until("run_ended")
        assert entry["JOBSCHEDD_OUTCOME"] == "succeeded"
        seen.add(entry["JOBSCHEDD_JOB"])
    assert daemon.stop() == 0


@pytest.mark.fault("F25")
@pytest.mark.slow
def test_a_hundred_thousand_files_are_loaded_and_one_change_is_quick(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    jobs = tmp_path / "jobs.d"
    jobs.mkdir(0o755)
    template = job_file("@@@", "@yearly")
    for number in range(100_000):
        (jobs / f"{number}.json").write_bytes(template.replace(b"@@@", b"j%d" % number))
    daemon = start()
    assert daemon.ready()["JOBSCHEDD_JOBS"] == "100000"
    resident = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    assert resident < 1 << 30
    began = time.monotonic()
    daemon.put("new.json", "new", EVERY_SECOND)
    daemon.until("job_loaded")
    assert time.monotonic() - began < 1
    daemon.until("run_ended", ran("new"))


def test_check_names_every_problem_and_starts_nothing(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.d"
    jobs.mkdir(0o755)
    (jobs / "good.json").write_bytes(job_file("good"))
    assert command("--check", "--jobs-dir", str(jobs)).returncode == 0
    (jobs / "bad.json").write_bytes(job_file("bad", "61 * * * *"))
    done = command("--check", "--jobs-dir", str(jobs))
    assert done.returncode == 1
    assert f'error: {jobs}/bad.json: schedule: cannot read "61" as the minute' in done.stdout
    assert "1 error, 0 warnings" in done.stdout


# -- time ----------------------------------------------------------------------------------------------------------


def test_reboot_jobs_run_once_however_often_the_daemon_is_started(tmp_path: Path) -> None:
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d/a.json").write_bytes(job_file("a", "@reboot"))
    (tmp_path / "jobs.d/b.json").write_bytes(job_file("b", EVERY_SECOND))
    counts = []
    for _ in range(3):
        process = Process(tmp_path)
        process.until("run_ended", ran("b"))
        process.until("run_ended", ran("b"))
        process.close()
        counts.append(
            sum(entry.get("JOBSCHEDD_JOB") == "a" and entry["event"] == "run_ended" for entry in process.said)
        )
    assert counts == [1, 0, 0]


@pytest.mark.fault("F32")
def test_a_daemon_that_was_stopped_and_continued_owes_one_run_and_says_the_rest(
    start: Callable[..., Process],
) -> None:
    """As a paused virtual machine: time has passed, and nobody was there."""
    process = start()
    process.ready()
    process.put("a.json", "a", EVERY_SECOND, catch_up="1m")
    process.until("run_ended")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3.5)  # this is what the test is about: real time that passes
    os.kill(process.pid, signal.SIGCONT)
    passed = process.until("instant_passed")
    assert passed["JOBSCHEDD_OUTCOME"] == "coalesced"
    assert int(passed["JOBSCHEDD_COUNT"]) >= 2
    began = process.until(
        "run_started", lambda entry: entry["JOBSCHEDD_SCHEDULED_AT"] > passed["JOBSCHEDD_SCHEDULED_AT"]
    )
    instants = [entry["JOBSCHEDD_SCHEDULED_AT"] for entry in process.said if entry["event"] == "run_started"]
    assert len(set(instants)) == len(instants)
    assert began["JOBSCHEDD_CAUSE"] == "schedule"


@pytest.mark.fault("F31")
def test_a_new_zone_database_is_noticed_at_reload_by_the_jobs_that_it_concerns(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    database = tmp_path / "zoneinfo"
    database.mkdir()
    for name, rules in (("Here", "Europe/Berlin"), ("There", "Europe/Berlin")):
        shutil.copy(f"/usr/share/zoneinfo/{rules}", database / name)
    process = start(env={"PYTHONTZPATH": str(database)})
    process.ready()
    process.put("a.json", "a", "0 12 1 7 *", timezone="Here")
    process.put("b.json", "b", "0 12 1 7 *", timezone="There")
    before = {process.until("job_loaded")["JOBSCHEDD_JOB"] for _ in range(2)}
    assert before == {"a", "b"}
    shutil.copy("/usr/share/zoneinfo/Asia/Tokyo", database / "There")
    os.kill(process.pid, signal.SIGHUP)
    loaded = process.until("job_loaded")
    assert loaded["JOBSCHEDD_JOB"] == "b"
    assert loaded["JOBSCHEDD_NEXT_DUE"][10:] == "T03:00:00Z"
    (database / "There").unlink()
    os.kill(process.pid, signal.SIGHUP)
    problem = process.until("problem_found")
    assert "There" in problem["message"]
    assert problem["JOBSCHEDD_JOB"] == "b"  # its last good version stays
    process.until("daemon_reloaded")
    assert sum(entry["event"] == "job_loaded" for entry in process.said) == 3


def test_the_machine_decides_where_jitter_moves_a_start_and_the_instant_stays(start: Callable[..., Process]) -> None:
    process = start()
    process.ready()
    process.put("a.json", "a", "@every 1s", jitter="999ms", overlap="allow")
    runs = [process.until("run_started") for _ in range(5)]
    assert not any("." in run["JOBSCHEDD_SCHEDULED_AT"] for run in runs)
    late = [int(run["JOBSCHEDD_LATENESS_USEC"]) for run in runs]
    assert max(late) - min(late) < 500_000
    process.put("b.json", "b", "@every 1s", jitter="999ms", overlap="allow")
    other = process.until("run_started", ran("b"))
    assert int(other["JOBSCHEDD_LATENESS_USEC"]) < 999_000 + 500_000


def test_a_file_that_arrives_starts_a_chain_that_is_tried_again_and_timed_out(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    incoming = tmp_path / "in"
    incoming.mkdir()
    daemon = start()
    daemon.ready()
    once = f"echo attempt $JOBSCHEDD_ATTEMPT; test -e {tmp_path}/second || {{ touch {tmp_path}/second; exit 1; }}"
    daemon.put("second.json", "second", None, after=["first"], command=once, retry={"delay": "100ms"})
    hang = "trap '' TERM; while :; do sleep 0.1; done"
    daemon.put("third.json", "third", None, after=["second"], command=hang, timeout="300ms", kill_after="300ms")
    daemon.put("last.json", "last", None, after=[{"job": "third", "on": "failure"}])
    watch = {"path": f"{incoming}/*.csv", "settle": "50ms"}
    daemon.put("first.json", "first", None, watch=watch, command='echo "got $JOBSCHEDD_PATH"')
    for _ in range(4):
        daemon.until("job_loaded")
    # The watch is set by another thread than the one that says so.
    deadline = time.monotonic() + PATIENCE
    while not any(e["event"] == "run_started" for e in daemon.said) and time.monotonic() < deadline:
        (incoming / "x.part").write_text("1,2,3\n")
        (incoming / "x.part").rename(incoming / "x.csv")
        with suppress(AssertionError, Empty):
            daemon.said.append(json.loads(daemon._lines.get(timeout=0.5)))
    assert daemon.until("run_ended", lambda e: e["JOBSCHEDD_JOB"] == "second")["JOBSCHEDD_OUTCOME"] == "failed"
    assert daemon.until("run_ended", lambda e: e["JOBSCHEDD_JOB"] == "second")["JOBSCHEDD_OUTCOME"] == "succeeded"
    third = daemon.until("run_ended", lambda e: e["JOBSCHEDD_JOB"] == "third")
    assert (third["JOBSCHEDD_OUTCOME"], third["JOBSCHEDD_SIGNAL"]) == ("timed_out", "9")
    daemon.until("run_ended", lambda e: e["JOBSCHEDD_JOB"] == "last")
    assert f"got {incoming}/x.csv" in json.dumps(daemon.said)
    assert daemon.stop() == 0


def test_max_running_holds_and_a_reload_changes_it(start: Callable[..., Process], tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("max_running = 1\n")
    daemon = start()
    daemon.ready()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    for name in ("a", "b", "c"):
        daemon.put(f"{name}.json", name, soon, command="exec sleep 1000")
    waits = [daemon.until("run_waits") for _ in range(2)]
    assert {entry["JOBSCHEDD_REASON"] for entry in waits} == {"limit: max_running = 1 runs go on already"}
    (tmp_path / "settings.toml").write_text("max_running = 3\n")
    daemon.signal(signal.SIGHUP)
    started = {daemon.until("run_started")["JOBSCHEDD_JOB"] for _ in range(2)}
    assert started <= {"a", "b", "c"}
    assert daemon.stop() == 0
