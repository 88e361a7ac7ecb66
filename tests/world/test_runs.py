"""The runner process, by its own door: real processes, started, seen and ended."""

from __future__ import annotations

import grp
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import mkdtemp
from threading import Thread

import pytest

from jobschedd.model.launch import Launch
from jobschedd.model.message import Message, RunEnded, RunnerFound, RunnerLost, RunRefused, RunStarted
from jobschedd.model.record import Open
from jobschedd.model.run import Cause, Run
from jobschedd.runner.wire import pack
from jobschedd.world.clock import SystemClock
from jobschedd.world.runs import RunnerProcess
from tests.world.runs import PATIENCE, SHELL, Runs, as_root, await_gone, gone

# -- how a run ends ------------------------------------------------------------------------------------------------


def test_a_run_starts_and_ends_and_says_so(runs: Runs) -> None:
    before = runs.clock.now()
    run_id = runs.start(*SHELL, "exit 3")
    started = runs.next(RunStarted, run_id)
    ended = runs.next(RunEnded, run_id)
    assert before <= started.started_at <= ended.ended_at <= runs.clock.now()
    assert (ended.ending.exit_code, ended.ending.signal) == (3, None)


def test_a_signal_that_ends_a_run_is_told(runs: Runs) -> None:
    ended, _ = runs.finish(*SHELL, "kill -SEGV $$")
    assert (ended.ending.exit_code, ended.ending.signal) == (None, signal.SIGSEGV)


def test_what_a_run_has_used_is_told(runs: Runs) -> None:
    script = (
        "x = bytearray(80 << 20)\nimport time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    )
    ended, _ = runs.finish(sys.executable, "-c", script)
    assert 200_000 <= ended.ending.cpu_usec < 5_000_000
    assert ended.ending.memory_peak is not None
    assert 80 << 20 <= ended.ending.memory_peak < 400 << 20


def test_what_was_ours_before_it_was_the_run_is_not_its_memory(runs: Runs) -> None:
    for launch in ({}, {"umask": 0o022}):
        ended, _ = runs.finish("/bin/true", **launch)
        assert ended.ending.memory_peak is None or ended.ending.memory_peak < 6 << 20


def test_two_hundred_runs_at_once_each_end_as_they_should(runs: Runs) -> None:
    orders = [runs.make(*SHELL, f"exit {number % 100}") for number in range(200)]
    runs.process.start([(*order, 0) for order in orders])
    codes = {ended.run_id: ended.ending.exit_code for ended in (runs.next(RunEnded) for _ in orders)}
    assert [codes[run.run_id] for run, _ in orders] == [number % 100 for number in range(200)]


# -- what a run is given -------------------------------------------------------------------------------------------


@pytest.mark.fault("A25")
def test_a_list_goes_to_the_program_as_it_is(runs: Runs) -> None:
    _, output = runs.finish("/usr/bin/printf", "%s|", "a b", "$HOME", "-x", "", ";", "*")
    assert output == "a b|$HOME|-x||;|*|"


@pytest.mark.fault("A23")
def test_the_environment_is_made_from_nothing(runs: Runs) -> None:
    os.environ["JOBSCHEDD_TEST_LEAK"] = "leaked"
    try:
        fresh = Runs()
        output = fresh.shell("env", env=(("EXTRA", "a\nb"), ("PATH", "/opt/bin:/usr/bin:/bin")), timezone="Asia/Tokyo")
        fresh.process.close()
    finally:
        del os.environ["JOBSCHEDD_TEST_LEAK"]
    names = set(re.findall(r"^([A-Z_]+)=", output, re.MULTILINE))
    assert names - {"_", "PWD", "OLDPWD", "SHLVL"} == {
        "PATH", "HOME", "LOGNAME", "USER", "SHELL", "LANG", "TZ", "EXTRA", "JOBSCHEDD_JOB_ID", "JOBSCHEDD_RUN_ID",
        "JOBSCHEDD_SCHEDULED_AT", "JOBSCHEDD_ATTEMPT",
    }  # fmt: skip
    person = pwd.getpwuid(os.geteuid())
    for line in (
        f"HOME={person.pw_dir}", f"USER={person.pw_name}", f"LOGNAME={person.pw_name}", "SHELL=/bin/sh",
        "TZ=Asia/Tokyo", "JOBSCHEDD_SCHEDULED_AT=2023-11-14T22:13:20Z", "PATH=/opt/bin:/usr/bin:/bin", "EXTRA=a\nb",
    ):  # fmt: skip
        assert f"{line}\n" in output


@pytest.mark.fault("A24")
def test_nothing_of_ours_reaches_a_run(runs: Runs) -> None:
    script = (
        "ls -l /proc/self/fd | wc -l; umask; pwd; ulimit -Sn; cat /proc/self/oom_score_adj; nice;"
        "grep -E '^Sig(Blk|Ign|Cgt)|^TracerPid' /proc/self/status; cut -d ' ' -f 6,7 /proc/$$/stat; echo $$"
    )
    lines = runs.shell(script).splitlines()
    # total, 0, 1, 2 and the descriptor that ls itself reads by
    assert lines[0] == "5"
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert lines[1:6] == ["0022", "/", str(soft), "0", "0"]
    masks = dict(line.split() for line in lines[6:10])
    assert masks["SigBlk:"] == masks["SigIgn:"] == "0000000000000000"
    session, terminal = lines[10].split()
    assert (session, terminal) == (lines[11], "0")


@as_root
@pytest.mark.fault("A24")
def test_a_run_of_a_user_has_none_of_root_s_capabilities(runs: Runs) -> None:
    for circumstances in ({}, {"umask": 0o027}):
        _, output = runs.finish("/bin/grep", "^Cap[PEA]", "/proc/self/status", user="nobody", **circumstances)
        assert {line.split()[1] for line in output.splitlines()} == {"0000000000000000"}
        assert len(output.splitlines()) == 3


@pytest.mark.fault("A24")
def test_a_run_has_the_daemon_s_soft_limit_on_files_and_the_runner_more(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
    try:
        fresh = Runs()
        assert fresh.shell("ulimit -Sn; ulimit -Hn") == f"400\n{before[1]}\n"
        assert fresh.process.pid is not None
        assert resource.prlimit(fresh.process.pid, resource.RLIMIT_NOFILE) == (before[1], before[1])
        fresh.process.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.fault("A24")
def test_what_the_daemon_ignores_or_blocks_is_not_inherited() -> None:
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        fresh = Runs()
        # Not by a shell: some of them set their mask anew.
        _, output = fresh.finish("/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        fresh.process.close()
    finally:
        signal.signal(signal.SIGHUP, ignored)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    assert set(output.split()[1::2]) == {"0000000000000000"}


@as_root
@pytest.mark.fault("A24")
def test_a_daemon_that_is_spared_by_the_oom_killer_does_not_spare_its_runs() -> None:
    adjust = Path("/proc/self/oom_score_adj")
    before = adjust.read_text()
    try:
        adjust.write_text("-900")
    except PermissionError:
        pytest.skip("this machine lets nobody be spared")
    try:
        fresh = Runs()
        assert fresh.shell("cat /proc/self/oom_score_adj") == "0\n"
        fresh.process.close()
    finally:
        adjust.write_text(before)


@as_root
@pytest.mark.fault("A24")
def test_a_daemon_that_is_nice_does_not_make_its_runs_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 7)
    try:
        fresh = Runs()
        assert fresh.shell("nice") == "0\n"
        fresh.process.close()
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


PRELOADED = """
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
    FILE *file = fopen("%s", "a");
    if (file) { fprintf(file, "%%d\\n", (int)geteuid()); fclose(file); }
}
"""


@as_root
@pytest.mark.fault("A23")
@pytest.mark.parametrize("pam_session", [False, True])
def test_what_a_user_writes_into_its_env_file_is_loaded_by_that_user_s_programs_alone(
    runs: Runs, tmp_path: Path, pam_session: bool
) -> None:
    games = pwd.getpwnam("games")
    home = Path(mkdtemp(dir="/var/tmp"))  # others may come there
    try:
        home.chmod(0o777)
        (home / "x.c").write_text(PRELOADED % (home / "loaded"))
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", home / "x.so", home / "x.c"], check=True)
        (home / "app.env").write_text(f"LD_PRELOAD={home}/x.so\nODD=it's $HOME \\\"`id`\nEMPTY=\n")
        (home / "app.env").chmod(0o644)
        _, output = runs.finish(
            "/usr/bin/env", user="games", env_file=str(home / "app.env"), pam_session=pam_session, env=(("B", "ü\nb"),)
        )
        assert set((home / "loaded").read_text().split()) == {str(games.pw_uid)}
    finally:
        shutil.rmtree(home)
    assert "\nODD=it's $HOME \\\"`id`\n" in output
    assert "\nEMPTY=\n" in output
    assert "\nB=ü\nb\n" in output


@pytest.mark.fault("A25")
def test_a_bare_name_is_never_looked_for_where_the_run_stands(runs: Runs, tmp_path: Path) -> None:
    tool = tmp_path / "backup-tool"
    tool.write_text("#!/bin/sh\necho of another\n")
    tool.chmod(0o755)
    here = (("PATH", ":.:/usr/bin"),)
    assert runs.refusal("backup-tool", cwd=str(tmp_path)) == "no such program: backup-tool"
    assert runs.refusal("backup-tool", cwd=str(tmp_path), env=here) == "no such program: backup-tool"
    assert runs.finish("backup-tool", env=(("PATH", f"/usr/bin:{tmp_path}"),))[1] == "of another\n"
    tool.chmod(0o644)
    refused = runs.refusal("backup-tool", env=(("PATH", str(tmp_path)),))
    assert refused == f"no permission to execute: {tool}"


@as_root
@pytest.mark.fault("A25")
def test_a_bare_name_means_what_its_user_may_execute_however_often_it_runs(runs: Runs) -> None:
    home = Path(mkdtemp(dir="/var/tmp"))
    try:
        home.chmod(0o755)
        for name, mode in (("one", 0o700), ("two", 0o755)):
            (home / name).mkdir()
            (home / name).chmod(0o755)
            (home / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
            (home / name / "tool").chmod(mode)
        env = (("PATH", f"{home}/one:{home}/two:/usr/bin:/bin"),)
        assert [runs.finish("tool", user="games", env=env)[1] for _ in range(2)] == ["two\n", "two\n"]
    finally:
        shutil.rmtree(home)


@as_root
@pytest.mark.fault("F17")
def test_a_user_who_has_all_its_processes_starts_the_next_one_later(runs: Runs) -> None:
    assert runs.process.pid is not None
    resource.prlimit(runs.process.pid, resource.RLIMIT_NPROC, (2, 2))
    started = [runs.start("/bin/sleep", "0.5", user="games") for _ in range(4)]
    assert [runs.next(RunEnded, run_id).ending.exit_code for run_id in started] == [0] * 4


def test_standard_input_is_the_given_text_or_nothing(runs: Runs) -> None:
    text = "ü\n" * 200_000
    assert runs.shell("cat | md5sum; cat", stdin=text) == runs.shell("printf 'ü\\n%.0s' $(seq 200000) | md5sum")
    assert runs.shell("cat; readlink /proc/self/fd/0") == "/dev/null\n"


def test_directory_and_umask_are_as_asked(runs: Runs, tmp_path: Path) -> None:
    assert runs.shell("pwd; umask", cwd=str(tmp_path), umask=0o077) == f"{tmp_path}\n0077\n"


@as_root
@pytest.mark.fault("A22")
def test_a_user_comes_with_its_groups(runs: Runs) -> None:
    subprocess.run(["groupadd", "-f", "jobschedd-test"], check=True)
    subprocess.run(["usermod", "-aG", "jobschedd-test", "games"], check=True)
    try:
        expected = subprocess.run(
            ["setpriv", "--reuid=games", "--regid=games", "--init-groups", "id"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert runs.shell("id", user="games") == expected
        assert "jobschedd-test" in expected
        status = runs.shell("grep -E '^(Uid|Gid|CapEff)' /proc/self/status", user="games")
        games = pwd.getpwnam("games")
        assert status.split() == [
            "Uid:",
            *[str(games.pw_uid)] * 4,
            "Gid:",
            *[str(games.pw_gid)] * 4,
            "CapEff:",
            "0" * 16,
        ]
    finally:
        subprocess.run(["gpasswd", "-d", "games", "jobschedd-test"], check=True, capture_output=True)
        subprocess.run(["groupdel", "jobschedd-test"], check=True)


@as_root
def test_a_group_may_be_given_beside_the_user_or_alone(runs: Runs) -> None:
    mail = grp.getgrnam("mail").gr_gid
    assert f"gid={mail}(mail)" in runs.shell("id", user="games", group="mail")
    alone = runs.shell("id", group="mail")
    assert "uid=0(root)" in alone
    assert f"gid={mail}(mail)" in alone


@as_root
def test_a_user_s_home_is_its_directory_where_there_is_one(runs: Runs) -> None:
    assert runs.shell("pwd; echo $HOME $PATH", user="nobody") == "/\n/nonexistent /usr/local/bin:/usr/bin:/bin\n"


NAMELESS = """
import os
from jobschedd.runner.launch import PLAIN, Ready
read_end, write_end = os.pipe()
os.setgid(54321)
os.setuid(54321)
order = dict(moment=0, argv=["/bin/sh", "-c", "echo $USER $HOME $(id -u)"], stdin=None, shell="/bin/sh",
             umask=18, env=[], job_id="a", run_id="r", scheduled_at="", attempt=1, timezone=None, **PLAIN)
os.waitpid(Ready(order, write_end, None).start()[0], 0)
os.close(write_end)
print(os.read(read_end, 100).decode(), end="")
"""


@as_root
def test_a_user_id_without_a_name_runs_jobs_as_itself() -> None:
    """As containers have them."""
    done = subprocess.run([sys.executable, "-c", NAMELESS], capture_output=True, text=True, check=True)
    assert done.stdout == "54321 / 54321\n"


# -- what cannot be started ----------------------------------------------------------------------------------------


@as_root
@pytest.mark.fault("A21")
@pytest.mark.parametrize("name", ["nosuch", "0day", "-1", "4294967295", "4294967296", "root ", "0", ""])
def test_an_unknown_user_is_never_root_by_chance(runs: Runs, name: str) -> None:
    assert runs.refusal("/usr/bin/id", user=name) == f"no such user: {name}" if name else True
    assert runs.refusal("/usr/bin/id", group=name) == f"no such group: {name}" if name else True


@as_root
@pytest.mark.fault("A21")
def test_an_id_that_means_leave_unchanged_is_refused(runs: Runs) -> None:
    """(uid_t) -1 in the user database: setresuid(2) would leave the run root."""
    passwd = Path("/etc/passwd")
    before = passwd.read_text()
    try:
        passwd.write_text(before + "jobschedd-evil:x:4294967295:65534::/:/bin/sh\n")
        assert "jobschedd-evil" in runs.refusal("/usr/bin/id", user="jobschedd-evil")
    finally:
        passwd.write_text(before)


@pytest.mark.fault("A25")
def test_the_reason_of_a_refusal_says_what_is_missing(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("echo hello\n")
    (tmp_path / "text").chmod(0o755)
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    assert runs.refusal("/no/such/program") == "no such program: /no/such/program"
    assert runs.refusal("no-such-program") == "no such program: no-such-program"
    assert runs.refusal("/bin/true", cwd="/no/such/place") == "no such directory: /no/such/place"
    assert runs.refusal("/bin/true", cwd="/etc/passwd") == "no such directory: /etc/passwd"
    assert (
        runs.refusal(str(tmp_path / "text"))
        == f'not a program: {tmp_path}/text has no "#!" line and is no binary of this machine'
    )
    assert runs.refusal(str(tmp_path / "lost")).startswith("no such interpreter")
    assert runs.refusal(str(tmp_path / "plain")) == f"no permission to execute: {tmp_path}/plain"
    (tmp_path / "locked").write_text(f"#!{tmp_path}/plain\n")
    (tmp_path / "locked").chmod(0o755)
    assert runs.refusal(str(tmp_path / "locked")) == (
        f'no permission to execute the interpreter that the first line "#!" of {tmp_path}/locked names'
    )
    assert runs.refusal("/bin/true", "x" * 200_000).startswith("argument list too long")
    assert "null byte" in runs.refusal("/bin/true", "a\0b")


@pytest.mark.fault("F15")
def test_without_a_descriptor_left_starts_wait_and_all_run(runs: Runs) -> None:
    runs.shell("true")
    pid = runs.process.pid
    assert pid is not None
    open_now = len(os.listdir(f"/proc/{pid}/fd"))
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        orders = [runs.make(*SHELL, "echo ran") for _ in range(20)]
        runs.process.start([(*order, 0) for order in orders])
        with pytest.raises(Empty):
            runs.inbox.get(timeout=0.4)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    ended = [runs.next(RunEnded) for _ in orders]
    assert [message.run_id for message in ended] != []
    assert {message.ending.exit_code for message in ended} == {0}
    assert len(os.listdir(f"/proc/{pid}/fd")) == open_now


# -- output --------------------------------------------------------------------------------------------------------


def test_output_is_complete_and_in_order(runs: Runs) -> None:
    assert runs.shell("seq 1 200000") == "".join(f"{number}\n" for number in range(1, 200_001))


def test_a_run_that_floods_waits_in_its_pipe_and_nothing_grows(runs: Runs) -> None:
    runs.unwritten = []
    run_id = runs.start(*SHELL, "yes | head -c 50000000; echo; echo done")
    runs.next(RunStarted, run_id)
    pid = runs.process.pid
    other = runs.start("/bin/true")
    runs.next(RunStarted, other)
    resident = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
    runs.take_output()
    runs.next(RunEnded, run_id)
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
    assert len(runs.output(run_id)) == 50_000_000 + len("\ndone\n")
    assert peak < resident + 20_000


def test_bytes_that_are_no_text_are_spelled_out(runs: Runs) -> None:
    assert runs.shell(r"printf 'a\377\000b'") == "a\\xff\0b"


def test_a_run_that_closes_its_output_goes_on(runs: Runs) -> None:
    ended, output = runs.finish(*SHELL, "echo before; exec >&- 2>&-; sleep 0.2; exit 5")
    assert (output, ended.ending.exit_code) == ("before\n", 5)


# -- everything of a run -------------------------------------------------------------------------------------------


def test_what_is_left_behind_when_the_main_process_ends_is_ended(runs: Runs) -> None:
    _, output = runs.finish(*SHELL, "sleep 1000 & echo $!")
    await_gone(int(output))


def test_a_daemon_that_forked_twice_is_ended_with_its_run(runs: Runs) -> None:
    _, output = runs.finish(*SHELL, "setsid -f sh -c 'echo $$; exec sleep 1000'; sleep 0.2")
    await_gone(int(output))


def test_a_leftover_that_ignores_sigterm_is_killed(runs: Runs) -> None:
    """Ten seconds later."""
    _, output = runs.finish(*SHELL, "(trap '' TERM; echo up; while :; do sleep 1; done) & echo $!; sleep 0.5")
    lines = sorted(output.split())
    assert lines[1] == "up"
    began = time.monotonic()
    await_gone(int(lines[0]))
    assert time.monotonic() - began > 5


def test_an_end_reaches_children_and_those_who_left_the_session(runs: Runs) -> None:
    run_id = runs.start(*SHELL, "sleep 1000 & echo $!; setsid -f sh -c 'echo $$; exec sleep 1000'; wait")
    pids = [int(line) for line in runs.lines(run_id, 2)]
    runs.process.end([run_id], signal.SIGKILL)
    assert runs.next(RunEnded, run_id).ending.signal == signal.SIGKILL
    for pid in pids:
        await_gone(pid)


def test_an_end_reaches_who_left_the_session_while_the_main_process_goes_on(runs: Runs) -> None:
    script = "setsid -f sh -c 'echo $$; exec sleep 1000'; trap '' TERM; while :; do echo; sleep 0.1; done"
    run_id = runs.start(*SHELL, script)
    started = runs.next(RunStarted, run_id)
    (left,) = runs.lines(run_id, 5)
    runs.process.end([run_id], signal.SIGTERM)
    await_gone(int(left))
    assert not gone(started.pid)
    runs.process.end([run_id], signal.SIGKILL)
    runs.next(RunEnded, run_id)


def test_an_end_leaves_other_runs_alone(runs: Runs) -> None:
    first, second = runs.start("/bin/sleep", "1000"), runs.start("/bin/sleep", "1000")
    runs.next(RunStarted, first)
    kept = runs.next(RunStarted, second)
    runs.process.end([first], signal.SIGTERM)
    runs.next(RunEnded, first)
    assert not gone(kept.pid)
    runs.process.end([second], signal.SIGKILL)
    runs.next(RunEnded, second)


def test_a_stopped_run_can_be_ended(runs: Runs) -> None:
    run_id = runs.start(*SHELL, "kill -STOP $$")
    started = runs.next(RunStarted, run_id)
    deadline = time.monotonic() + PATIENCE
    while " T " not in Path(f"/proc/{started.pid}/stat").read_text():
        assert time.monotonic() < deadline
    runs.process.end([run_id], signal.SIGTERM)
    assert runs.next(RunEnded, run_id).ending.signal == signal.SIGTERM


# -- the runner's own end ------------------------------------------------------------------------------------------


@pytest.mark.fault("F06")
def test_a_killed_runner_is_noticed_replaced_and_its_runs_are_ended(runs: Runs) -> None:
    run_id = runs.start(*SHELL, "setsid -f sleep 1000; exec sleep 1000")
    started = runs.next(RunStarted, run_id)
    pid = runs.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    lost = runs.next(RunnerLost)
    assert (lost.reason, lost.run_ids) == ("signal SIGKILL", (run_id,))
    assert runs.shell("echo again") == "again\n"
    assert runs.process.pid != pid
    await_gone(started.pid)


def test_orders_given_while_there_is_no_runner_reach_the_next_one(runs: Runs) -> None:
    runs.shell("true")
    pid = runs.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    run_ids = [runs.start("/bin/true") for _ in range(5)]
    lost = runs.next(RunnerLost).run_ids
    ended = [runs.next(RunEnded).run_id for _ in range(5 - len(lost))]
    assert sorted([*lost, *ended]) == sorted(run_ids)


@pytest.mark.fault("F03")
def test_a_runner_keeps_what_it_has_seen_for_the_next_daemon(tmp_path: Path) -> None:
    first = Runs()
    going = first.start("sleep", "60")
    first.next(RunStarted, going)
    ended = first.start(*SHELL, f"echo saw it out > {tmp_path}/end; exit 3")
    refused = first.start("/nowhere/at/all")
    pid = first.process.pid
    assert pid is not None
    first.process.close()

    second = Runs(first.directory)
    found = {run.run.run_id: run for run in second.next(RunnerFound).runs}
    assert second.process.pid == pid
    assert set(found) == {ended, going, refused}
    assert found[going].pid is not None
    assert found[going].run.job_id == "job"
    assert second.next(RunEnded, ended).ending.exit_code == 3
    assert "nowhere" in second.next(RunRefused, refused).reason
    assert (tmp_path / "end").read_text() == "saw it out\n"
    second.process.end([going], signal.SIGKILL)
    assert second.next(RunEnded, going).ending.signal == signal.SIGKILL
    second.process.close()
    await_gone(pid)  # it has nothing left to tell
    shutil.rmtree(first.directory)


def test_what_a_daemon_has_recorded_is_not_told_to_the_next() -> None:
    first = Runs()
    going = first.start("sleep", "60")
    first.finish("true")
    first.process.close()
    second = Runs(first.directory)
    assert [run.run.run_id for run in second.next(RunnerFound).runs] == [going]
    second.process.end([going], signal.SIGKILL)
    second.next(RunEnded, going)
    second.process.close()
    shutil.rmtree(first.directory)


def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone() -> None:
    """As after a power cut: the claim is of another boot, the process is not."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    straggler = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"JOBSCHEDD_RUN_ID": "r2"})
    unknown = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"JOBSCHEDD_RUN_ID": "r3"})
    claims = [
        Open(Run(run_id, "job", 0, Cause.SCHEDULE), pid, 0)
        for run_id, pid in (("r1", stranger.pid), ("r2", straggler.pid), ("r3", None))
    ]
    directory = mkdtemp()
    process = RunnerProcess(SimpleQueue(), SystemClock(), lambda *_: None, runtime_dir=directory, journal=None)
    try:
        process.open(claims)
        assert straggler.wait(PATIENCE) == unknown.wait(PATIENCE) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        process.close()
        shutil.rmtree(directory)


def test_a_runner_that_does_not_answer_keeps_its_runs() -> None:
    directory = mkdtemp()
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(f"{directory}/runner")
    silent.listen(1)
    survivor = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"JOBSCHEDD_RUN_ID": "r2"})

    def answer() -> None:
        caller, _ = silent.accept()
        caller.sendall(pack({"hello": 999, "runs": []}))
        caller.close()

    Thread(target=answer, daemon=True).start()
    inbox: SimpleQueue[Message] = SimpleQueue()
    process = RunnerProcess(inbox, SystemClock(), lambda *_: None, runtime_dir=directory, journal=None)
    try:
        process.open([Open(Run("r2", "job", 0, Cause.SCHEDULE), survivor.pid, 0)])
        assert inbox.get(timeout=PATIENCE) == RunnerFound()
        assert sorted(os.listdir(directory)) == ["runner", "runner.left"]
        run, launch = Run("r9", "job", 0, Cause.SCHEDULE), Launch(argv=("true",))
        process.start([(run, launch, 0)])
        assert isinstance(inbox.get(timeout=PATIENCE), RunStarted)
        assert isinstance(inbox.get(timeout=PATIENCE), RunEnded)
        process.forget(["r9"])
        assert survivor.poll() is None
    finally:
        survivor.kill()
        survivor.wait()
        process.close()
        silent.close()
        shutil.rmtree(directory)


def test_no_program_begins_before_its_moment(runs: Runs) -> None:
    """The order comes ahead of it, and a start takes its time; what it takes is known, and is not waited for."""
    for _ in range(30):
        run, launch = runs.make(sys.executable, "-I", "-S", "-c", "import time; print(time.time_ns())")
        moment = time.time_ns() // 1_000 + 8_000
        runs.process.start([(run, launch, moment)])
        assert runs.next(RunStarted, run.run_id).started_at >= moment
        runs.next(RunEnded, run.run_id)
        (began,) = runs.lines(run.run_id, 1)
        assert int(began) // 1_000 >= moment


def test_a_terminal_s_interrupt_does_not_reach_the_runner(runs: Runs) -> None:
    assert runs.process.pid is not None
    assert os.getsid(runs.process.pid) == runs.process.pid


OLDER = """#!/bin/sh
exec {python} -I -c '
import sys
from jobschedd.runner import wire
wire.VERSION = 2
from jobschedd.runner.__main__ import main
main()' "$4" "$5"
"""


@pytest.mark.fault("F05")
def test_a_runner_of_an_older_version_drains_beside_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "python"
    older.write_text(OLDER.format(python=sys.executable))
    older.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(older))
        patch.setattr("jobschedd.world.runs.link.VERSION", 2)
        first = Runs()
        going = first.start(*SHELL, f"while [ ! -e {tmp_path}/end ]; do sleep 0.05; done; exit 7")
        stubborn = first.start("sleep", "1000")
        first.next(RunStarted, stubborn)
        old = first.process.pid
        first.process.close()

    second = Runs(first.directory)
    assert {run.run.run_id for run in second.next(RunnerFound).runs} == {going, stubborn}
    assert second.process.pid != old
    assert second.shell("echo by the new one") == "by the new one\n"
    second.process.close()

    # And again: the next daemon finds both.
    third = Runs(first.directory)
    assert {run.run.run_id for run in third.next(RunnerFound).runs} == {going, stubborn}
    (tmp_path / "end").touch()
    assert third.next(RunEnded, going).ending.exit_code == 7
    third.process.end([stubborn], signal.SIGKILL)
    assert third.next(RunEnded, stubborn).ending.signal == signal.SIGKILL
    assert old is not None
    assert third.shell("echo still here") == "still here\n"
    third.process.close()
    await_gone(old)
    shutil.rmtree(first.directory)
