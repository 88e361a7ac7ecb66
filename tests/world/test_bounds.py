"""What holds a run where it has no cgroup, and what a run may be given."""

from __future__ import annotations

import grp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobschedd.model.launch import Launch
from jobschedd.model.limits import Limits
from jobschedd.model.message import RunEnded, RunRefused, RunStarted
from jobschedd.model.run import SECOND, Asked
from jobschedd.runner import tree
from tests.world.runs import SHELL, Runs, as_root, await_gone, gone

HASTY = """#!/bin/sh
exec {python} -I -c '
from jobschedd.runner import cgroup, orphans
cgroup.GRACE = orphans.GRACE = {grace}
from jobschedd.runner.__main__ import main
main()' "$4" "$5"
"""
GRACE = 1.0


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """With a runner that gives less grace to what a run leaves behind."""
    python = tmp_path / "python"
    python.write_text(HASTY.format(python=sys.executable, grace=GRACE))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    made = Runs()
    yield made
    made.process.close()


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await_gone(pid)


# -- what a run leaves behind ----------------------------------------------------------------------------------------


@pytest.mark.fault("F37")
def test_a_run_is_over_when_its_main_process_is_whoever_holds_its_output(runs: Runs) -> None:
    began = time.monotonic()
    ended, output = runs.finish(*SHELL, "echo before; (sleep 1000 &); echo after")
    assert time.monotonic() - began < 2
    assert (ended.ending.exit_code, output) == (0, "before\nafter\n")


@pytest.mark.fault("F36")
def test_a_daemon_that_left_session_and_environment_ends_with_the_run(runs: Runs) -> None:
    _, output = runs.finish(*SHELL, "env -i setsid -f sh -c 'echo $$; exec sleep 1000'; sleep 0.3")
    await_gone(int(output))


STUBBORN = 'setsid -f sh -c \'trap "" TERM; echo $$; while :; do sleep 0.1; done\'; trap "exit 7" TERM; {}'
"""Starts a daemon that does not end when it is asked to, and ends itself when it is."""


@pytest.mark.fault("F35")
@pytest.mark.fault("F36")
def test_a_run_that_was_asked_to_end_is_over_when_all_of_it_is_and_within_its_time(runs: Runs) -> None:
    run, launch = runs.make(*SHELL, STUBBORN.format("while :; do sleep 0.1; done"))
    runs.process.start([(replace(run, kill_after=SECOND), launch, 0)])
    runs.next(RunStarted, run.run_id)
    (daemon,) = runs.lines(run.run_id, 1)
    began = time.monotonic()
    runs.process.end([run.run_id], signal.SIGTERM, Asked.STOPPED)
    ended = runs.next(RunEnded, run.run_id)
    took = time.monotonic() - began
    assert gone(int(daemon))
    assert ended.ending.exit_code == 7, "as its main process did"
    assert 1 <= took < 5


def test_what_a_run_starts_when_it_is_asked_to_end_is_asked_too(runs: Runs) -> None:
    helper = '(trap "echo asked; exit" TERM; while :; do sleep 0.1; done) &'
    run, launch = runs.make(*SHELL, f"trap '{helper} sleep 0.3; exit 3' TERM; echo up; while :; do sleep 0.1; done")
    runs.process.start([(replace(run, kill_after=60 * SECOND), launch, 0)])
    runs.next(RunStarted, run.run_id)
    runs.lines(run.run_id, 1)
    began = time.monotonic()
    runs.process.end([run.run_id], signal.SIGTERM, Asked.STOPPED)
    assert runs.next(RunEnded, run.run_id).ending.exit_code == 3
    assert time.monotonic() - began < 20
    assert runs.output(run.run_id).endswith("asked\n")


def test_of_a_run_that_stood_still_it_is_told_when_it_is_ended(runs: Runs) -> None:
    run, launch = runs.make(*SHELL, "kill -STOP $$")
    runs.process.start([(run, launch, 0)])
    started = runs.next(RunStarted, run.run_id)
    while not tree.is_stopped(started.pid):
        os.sched_yield()
    runs.process.end([run.run_id], signal.SIGTERM, Asked.TIMED_OUT)
    assert runs.next(RunEnded, run.run_id).ending.reason == "it had been stopped (SIGSTOP)"


def test_a_run_that_ends_by_itself_waits_for_nobody(runs: Runs) -> None:
    began = time.monotonic()
    ended, output = runs.finish(*SHELL, STUBBORN.format("sleep 0.3"))
    assert (ended.ending.exit_code, time.monotonic() - began < 5) == (0, True)
    assert not gone(int(output))
    end(int(output))


def test_what_a_run_leaves_behind_ends_at_once_however_deep_it_is(hasty: Runs, tmp_path: Path) -> None:
    script = tmp_path / "deep"
    script.write_text('trap "" TERM\n[ $1 = 0 ] && echo $$ && while :; do sleep 0.1; done\nsh $0 $(($1 - 1)); true\n')
    _, output = hasty.finish(*SHELL, f"setsid -f sh {script} 3; sleep 0.5")
    began = time.monotonic()
    await_gone(int(output))
    assert time.monotonic() - began < 2 * GRACE, "not one level after the other"


def test_what_a_job_may_leave_is_left(runs: Runs) -> None:
    _, output = runs.finish(*SHELL, "setsid -f sh -c 'echo $$; exec sleep 1000'; sleep 0.3", leave_children=True)
    runs.shell("true")  # its end has the runner look around
    assert not gone(int(output))
    os.kill(int(output), signal.SIGKILL)


def test_a_daemon_without_a_name_is_left_too_where_it_can_be_of_no_other_run(runs: Runs) -> None:
    _, output = runs.finish(*SHELL, "env -i setsid -f sh -c 'echo $$; exec sleep 1000'; sleep 0.3", leave_children=True)
    for _ in range(3):
        runs.shell("sleep 0.6")
    assert not gone(int(output))
    end(int(output))


LEAVES = "setsid -f sh -c 'echo $$; exec sleep 1000'; sleep 0.3"
HIDES = "(env -i setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &); sleep 0.3"


@pytest.mark.fault("F36")
def test_who_has_no_name_is_not_hidden_by_what_another_run_has_left(hasty: Runs) -> None:
    _, left = hasty.finish(*SHELL, LEAVES, leave_children=True)
    _, hidden = hasty.finish(*SHELL, HIDES)
    await_gone(int(hidden))
    assert not gone(int(left))
    end(int(left))


@pytest.mark.fault("F36")
def test_who_has_no_name_is_not_hidden_by_a_run_beside_it_that_may_leave_children(hasty: Runs) -> None:
    leaver = hasty.start(*SHELL, f"{LEAVES}; sleep 2", leave_children=True)
    (left,) = hasty.lines(leaver, 1)
    _, hidden = hasty.finish(*SHELL, HIDES)
    hasty.next(RunEnded, leaver)
    await_gone(int(hidden))
    assert not gone(int(left))
    end(int(left))


def test_what_is_left_keeps_what_it_had_when_it_was_left(hasty: Runs) -> None:
    """Its child has no name, and comes to us when its parent has ended."""
    script = "setsid sh -c 'env -i setsid sh -c \"echo \\$\\$; exec sleep 1000\" & echo $$; exec sleep 1.5' & sleep 0.3"
    _, output = hasty.finish(*SHELL, script, leave_children=True)
    for pid in map(int, output.split()):
        if "1.5" in Path(f"/proc/{pid}/cmdline").read_text():
            await_gone(pid)
        else:
            kept = pid
    for _ in range(3):
        hasty.shell("sleep 0.6")
    assert not gone(kept)
    end(kept)


@pytest.mark.fault("F35")
def test_what_it_was_asked_to_end_for_comes_back_with_the_end(runs: Runs) -> None:
    run_id = runs.start(*SHELL, "trap '' TERM; echo up; while :; do sleep 0.1; done")
    runs.lines(run_id, 1)
    runs.process.end([run_id], signal.SIGTERM, Asked.TIMED_OUT)
    runs.process.end([run_id], signal.SIGKILL, Asked.TIMED_OUT)
    ending = runs.next(RunEnded, run_id).ending
    assert (ending.signal, ending.asked) == (signal.SIGKILL, Asked.TIMED_OUT)


@pytest.mark.fault("F40")
def test_a_number_that_was_given_to_somebody_else_is_not_signalled() -> None:
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        found = tree.read_process(stranger.pid)
        assert found is not None
        tree._send(found._replace(born=found.born - 1), signal.SIGKILL)
        assert stranger.poll() is None
        tree._send(found, signal.SIGKILL)
        assert stranger.wait(10) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait()


# -- output ----------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F38")
def test_a_gigabyte_without_an_end_of_line_costs_no_memory(runs: Runs) -> None:
    runs.shell("true")
    before = resident(runs.process.pid)
    runs.keeps = False
    ended, _ = runs.finish(*SHELL, "head -c 1000000000 /dev/zero")
    assert (ended.ending.exit_code, runs.heard) == (0, 1_000_000_000)
    assert resident(runs.process.pid) - before < 10 << 20


@pytest.mark.fault("F38")
def test_bytes_that_are_no_text_arrive_readable(runs: Runs) -> None:
    assert runs.shell(r"printf 'a\000b\377c\n'") == "a\0b\\xffc\n"


def test_a_run_that_closes_its_output_goes_on(runs: Runs) -> None:
    ended, output = runs.finish(*SHELL, "echo last; exec >&- 2>&-; sleep 0.2; exit 5")
    assert (ended.ending.exit_code, output) == (5, "last\n")


@pytest.mark.fault("A27")
def test_a_run_cannot_take_back_what_it_has_written(runs: Runs) -> None:
    script = "echo said; python3 -c 'import os; os.ftruncate(1, 0)' 2>/dev/null && echo cut; echo more"
    assert runs.shell(script) == "said\nmore\n"


# -- no room ---------------------------------------------------------------------------------------------------------

PIDS = Path("/sys/fs/cgroup/pids")


@pytest.fixture
def few_processes() -> Iterator[Path]:
    """A group of the kernel's in which there may be four processes."""
    group = PIDS / f"jobschedd-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("this machine has no pids controller that can be used from here")
    (group / "pids.max").write_text("4")
    yield group
    while group.exists():
        with suppress(OSError):
            group.rmdir()


@as_root
@pytest.mark.fault("F17")
@pytest.mark.parametrize("cwd", [None, "/tmp"], ids=["spawned", "forked"])
def test_starts_for_which_there_is_no_process_are_made_when_there_is(
    runs: Runs, few_processes: Path, cwd: str | None
) -> None:
    (few_processes / "cgroup.procs").write_text(str(runs.process.pid))
    run_ids = [runs.start("sleep", "0.2", cwd=cwd) for _ in range(12)]
    assert [runs.next(RunEnded, run_id).ending.exit_code for run_id in run_ids] == [0] * 12
    assert runs.process.pid is not None
    Path("/sys/fs/cgroup/pids/cgroup.procs").write_text(str(runs.process.pid))


# -- other users -----------------------------------------------------------------------------------------------------


@as_root
@pytest.mark.fault("A26")
def test_files_and_directories_of_a_job_are_opened_as_its_user(runs: Runs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOKEN=x\n")
    secret.chmod(0o600)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    for directory in list(tmp_path.parents)[:-2]:
        directory.chmod(directory.stat().st_mode | 0o111)
    link = tmp_path / "link"
    link.symlink_to(secret)
    for path in (secret, link):
        refused = runs.refusal("env", user="nobody", env_file=str(path))
        assert refused == f"cannot read env_file {path}: Permission denied"
    assert runs.refusal("pwd", user="nobody", cwd=str(closed)) == f"no permission to enter the directory: {closed}"


@as_root
@pytest.mark.fault("A28")
def test_a_job_of_another_user_cannot_signal_the_runner(runs: Runs) -> None:
    assert runs.shell("kill -9 $PPID 2>/dev/null || echo refused", user="nobody") == "refused\n"
    assert runs.shell("echo alive") == "alive\n"


@as_root
def test_groups_that_are_named_are_all_it_has(runs: Runs) -> None:
    mail = grp.getgrnam("mail").gr_gid
    games = grp.getgrnam("games").gr_gid
    assert runs.shell("id -G", user="games", groups=("mail",)).split() == [str(games), str(mail)]
    assert runs.refusal("id", user="games", groups=("nosuch",)) == "no such group: nosuch"


@as_root
def test_a_session_is_opened_around_a_run_and_its_status_is_the_run_s(runs: Runs) -> None:
    ended, output = runs.finish(
        *SHELL, "id -un; pwd; echo $A; exit 9", user="games", pam_session=True, env=(("A", "b"),)
    )
    assert ended.ending.exit_code == 9
    assert output.split()[0::2] == ["games", "b"]


HANGING = """#!/bin/sh
exec unshare -m --propagation private {python} -I -c '
import os, socket, subprocess, sys
os.makedirs("/run/nscd", exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/nscd"], check=True)
silent = socket.socket(socket.AF_UNIX)
silent.bind("/run/nscd/socket")
silent.listen(100)
from jobschedd.runner import starting
starting.START_WITHIN = {patience}
from jobschedd.runner.__main__ import main
main()' "$4" "$5"
"""


@as_root
@pytest.mark.fault("F42")
def test_a_user_database_that_does_not_answer_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library asks the cache daemon first, and waits five seconds for it."""
    hanging = tmp_path / "python"
    hanging.write_text(HANGING.format(python=sys.executable, patience=2.0))
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    runs = Runs()
    waiting = runs.start("true", user="games")
    began = time.monotonic()
    assert runs.shell("echo meanwhile") == "meanwhile\n"
    assert time.monotonic() - began < 1.5
    assert runs.next(RunRefused, waiting).reason.startswith("it was not ready to start within")
    runs.process.close()


# -- what a run is given ---------------------------------------------------------------------------------------------


def test_an_env_file_is_read_at_the_start_and_env_comes_after_it(runs: Runs, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# comment\n\nA=1\nB=\"two words\"\nC='x=y'\nD=  \nPATH=/nowhere\n")
    told = runs.shell('echo "$A|$B|$C|$D|$E|$PATH"', env_file=str(path), env=(("A", "9"), ("E", "5")))
    assert told == "9|two words|x=y||5|/nowhere\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"A=1\nexport SECRET=hunter2\n", "line 2: write NAME=value"),
        (b"A=1\n=hunter2\n", "line 2: write NAME=value"),
        (b"\0" * 10, "it is no text file of at most 1 MiB"),
        (b"A" * (1 << 20) + b"=1", "it is no text file of at most 1 MiB"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_told_without_its_content(
    runs: Runs, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "env"
    path.write_bytes(content)
    refused = runs.refusal("true", env_file=str(path))
    assert refused.startswith(f"cannot read env_file {path}")
    assert refused.endswith(said)
    assert "hunter2" not in refused


def test_an_env_file_that_is_a_pipe_holds_up_nobody(runs: Runs, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "no text file" in runs.refusal("true", env_file=str(path))


def limited(runs: Runs, script: str, **limits: Any) -> str:
    return runs.shell(script, limits=Limits(**limits))


def test_limits_that_need_no_controller_are_the_run_s(runs: Runs) -> None:
    assert limited(runs, "ulimit -Sn; ulimit -Hn", nofile=333) == "333\n333\n"
    assert limited(runs, "ulimit -c", core=1 << 20) == "2048\n"
    assert limited(runs, "nice", nice=7) == "7\n"
    assert limited(runs, "cat /proc/self/oom_score_adj", oom_score_adj=321) == "321\n"
    assert limited(runs, "ionice", ionice="idle") == "idle\n"
    assert limited(runs, "ionice", ionice="best-effort") == "best-effort: prio 4\n"


def test_a_limit_that_nobody_keeps_is_refused(runs: Runs) -> None:
    refused = runs.refusal("true", limits=Limits(memory=1 << 20, cpu="50%"))
    assert refused == "cannot limit memory, cpu: no cgroup controller is delegated to jobschedd here"


def test_a_run_that_is_forked_begins_at_its_moment_and_not_before(runs: Runs) -> None:
    run, launch = runs.make("date", "+%s%N", cwd="/tmp")
    moment = runs.clock.now() + SECOND // 50
    runs.process.start([(run, launch, moment)])
    assert runs.next(RunStarted, run.run_id).started_at >= moment
    runs.next(RunEnded, run.run_id)
    assert int(runs.output(run.run_id)) // 1_000 >= moment


def test_a_run_that_waits_for_its_moment_can_still_be_stopped(runs: Runs) -> None:
    run, launch = runs.make("echo", "never", cwd="/tmp")
    runs.process.start([(run, launch, runs.clock.now() + SECOND // 45)])
    runs.process.end([run.run_id], signal.SIGTERM, Asked.STOPPED)
    assert runs.next(RunRefused, run.run_id).reason == "stopped before it could start"
    assert runs.output(run.run_id) == ""


def test_a_thousand_runs_that_are_forked_all_start_and_end(runs: Runs) -> None:
    made = [runs.make("true", cwd="/tmp") for _ in range(1_000)]
    runs.process.start([(run, launch, 0) for run, launch in made])
    for run, _ in made:
        assert runs.next(RunEnded, run.run_id).ending.exit_code == 0


def resident(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_launch_is_told_whole(runs: Runs) -> None:
    """A key that is not sent is a setting that is silently ignored."""
    from dataclasses import fields

    from jobschedd.world.runs.forms import order

    run, launch = runs.make("true")
    told = order(run, launch, 0)
    assert {field.name for field in fields(Launch)} - told.keys() == {"sandbox"}
