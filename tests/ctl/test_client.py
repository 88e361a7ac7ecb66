"""jobctl and daemons that hang up, lie, drip, or say nothing; and other machines."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobschedd.ctl import daemon
from jobschedd.ctl.__main__ import main
from jobschedd.ctl.daemon import Daemon, Failed
from tests.ctl.conftest import Serve, Sockets, Tell, jobctl
from tests.test_daemon import as_root


@pytest.mark.parametrize(
    ("pieces", "code", "says"),
    [
        ([b""], 3, "it has hung up"),
        ([b'{"parameters": {"run'], 3, "it has hung up"),
        ([b"HTTP/1.1 400 Bad Request\r\n\0"], 1, "is that jobschedd?"),
        ([b"[1]\0"], 1, "is that jobschedd?"),
        ([b'{"parameters": [1]}\0'], 1, "is that jobschedd?"),
        ([b'{"parameters": {}}\0'], 1, 'has no "run_ids": is it older than this jobctl?'),
        ([b'{"error": 5}\0'], 1, "5"),
        ([b"\xff\xfe\x00"], 1, "is that jobschedd?"),
        ([b"[" * 100_000 + b"\0"], 1, "is that jobschedd?"),
        ([b'{"error": "io.jobschedd.NoSuchJob", "parameters": {"job_id": "a"}}\0'], 4, "there is no job a"),
        ([b'{"error": "io.jobschedd.NothingNamed", "parameters": {"name": "a"}}\0'], 4, "neither a job nor a run a"),
        ([b'{"error": "org.varlink.service.PermissionDenied"}\0'], 5, "root and the members of the group jobschedd"),
        ([b'{"error": "org.varlink.service.MethodNotFound", "parameters": {}}\0'], 1, "is it older than this jobctl?"),
        ([b'{"error": "io.jobschedd.NotStarted", "parameters": {"job_id": "a", "reason": "why"}}\0'], 1, "why"),
        ([b'{"error": "io.jobschedd.CannotRead", "parameters": {"parameter": "p", "text": "bad"}}\0'], 2, "p: bad"),
        ([b'{"error": "io.jobschedd.NoJournal", "parameters": {"text": "no"}}\0'], 1, "no; when it ran, and how"),
        ([b'{"error": "io.jobschedd.Busy", "parameters": {"text": "too many"}}\0'], 1, "too many"),
    ],
)
def test_what_goes_wrong_is_said_in_words_and_in_the_exit_code(
    serve: Serve, capsys: pytest.CaptureFixture[str], pieces: list[bytes], code: int, says: str
) -> None:
    assert main(["stop", "a", "--runtime-dir", serve(*pieces)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jobctl stop: ")
    assert says in err


def test_no_daemon_is_said_with_how_to_start_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--runtime-dir", str(tmp_path)]) == 3
    assert f"nothing listens there; start it: jobschedd --runtime-dir {tmp_path}\n" in capsys.readouterr().err


def test_of_the_systems_own_daemon_it_is_said_how_the_service_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOBSCHEDD_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(daemon, "_instances", lambda: [str(tmp_path)])
    with pytest.raises(Failed, match="start it: systemctl start jobschedd"):
        Daemon()


def test_an_answer_in_pieces_is_one(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.dumps({"parameters": {"run_ids": ["ä" * 200_000]}}, ensure_ascii=False).encode() + b"\0"
    assert main(["stop", "a", "--json", "--runtime-dir", serve(answer[:7], answer[7:100_001], answer[100_001:])]) == 0
    assert json.loads(capsys.readouterr().out)["run_ids"] == ["ä" * 200_000]


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(serve: Serve) -> None:
    runtime_dir = serve(hang_up=False)
    with Daemon(runtime_dir, patience=0.1) as called, pytest.raises(Failed, match=r"none in 0\.1 s"):
        called.call("Status")


def test_a_daemon_that_drips_is_not_waited_for_longer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 16)
    monkeypatch.setattr(daemon.time, "monotonic", lambda: next(clock))
    runtime_dir = serve(b'{"parameters"', hang_up=False)
    with Daemon(runtime_dir) as called, pytest.raises(Failed, match="none in 30 s"):
        called.call("Status")


def test_that_a_run_begins_is_waited_for_not_for_ever(serve: Serve) -> None:
    with Daemon(serve(hang_up=False), patience=0.1) as called, pytest.raises(Failed, match=r"none in 0\.1 s"):
        next(called.replies("Run", forever=True, at_once=True, job_id="a"))


def test_ten_megabytes_are_an_answer_and_without_end_is_none(
    serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = json.dumps({"parameters": {"run_ids": ["x" * 10_000_000]}}).encode() + b"\0"
    runtime_dir = serve(answer)
    assert main(["stop", "a", "--json", "--runtime-dir", runtime_dir]) == 0
    assert len(capsys.readouterr().out) > 10_000_000
    monkeypatch.setattr(daemon, "LONGEST", 1 << 20)
    assert main(["stop", "a", "--runtime-dir", runtime_dir]) == 1
    assert "more than 1 MiB" in capsys.readouterr().err


def test_that_too_many_callers_wait_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "io.jobschedd"))
        listener.listen(0)
        with Daemon(str(tmp_path)), pytest.raises(Failed, match="too many callers"):
            Daemon(str(tmp_path))


def test_a_daemon_that_leaves_while_a_run_is_waited_for_leaves_its_name(sockets: Sockets) -> None:
    def leave(caller: socket.socket) -> None:
        caller.recv(1 << 16)
        caller.sendall(b'{"parameters": {"run_id": "01RUN"}, "continues": true}\0')

    done = jobctl(sockets.listen(leave), "run", "a", "--wait")
    assert done.returncode == 3
    assert "of run 01RUN the end will be on the record" in done.stderr


@pytest.mark.fault("A31")
def test_what_the_daemon_refuses_with_moves_no_terminal(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"error": "io.jobschedd.NotStarted", "parameters": {"job_id": "a", "reason": "\x1b]0;owned\x07\u202e"}}
    assert main(["run", "a", "--runtime-dir", serve(json.dumps(answer).encode() + b"\0")]) == 1
    assert capsys.readouterr().err == "jobctl run: a was not started: \\x1b]0;owned\\x07\\u202e\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_output_cannot_write_it_gets_by_number(tell: Tell, encoding: str) -> None:
    at = "2026-11-23T02:00:00.000000Z"
    entry = {"at": at, "job_id": "a", "run_id": None, "event": "output", "priority": 6, "text": "\u65e5\ud800"}
    due = {"job_id": "\u65e5" * 40, "scheduled_at": at, "starts_at": at}
    row = due | {"run_id": "01R", "started_at": at, "outcome": "running"}
    runtime_dir = tell({"Logs": [{"entries": [entry]}], "Next": [{"instants": [due]}],
                        "History": [{"runs": [row]}], "Status": [{"daemon": {"running": 0}}]})  # fmt: skip
    for words, part in ((["logs", "a"], "\\u65e5\\ud800"), (["next", "-n", "1"], "\\u65e5"), (["timeline"], "...")):
        done = jobctl(runtime_dir, *words, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        assert part in done.stdout


def test_a_full_disk_is_said(serve: Serve) -> None:
    runtime_dir = serve(b'{"parameters": {"run_ids": ["x"]}}\0')
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "jobschedd.ctl", "stop", "a", "--runtime-dir", runtime_dir],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "jobctl stop: cannot write the answer: No space left on device\n")


@as_root
@pytest.mark.fault("A37")
def test_a_strangers_socket_is_told_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for directory in tmp_path.parents[:2]:
        directory.chmod(directory.stat().st_mode | 0o011)
    squat = (
        "import os,socket,sys; os.setgid(65534); os.setuid(65534); s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
        "s.listen(); print('ready', flush=True); c,_=s.accept(); print(repr(c.recv(100)), flush=True)"
    )
    stranger = subprocess.Popen(
        [sys.executable, "-c", squat, tmp_path / "io.jobschedd"], stdout=subprocess.PIPE, text=True
    )
    assert stranger.stdout is not None
    assert stranger.stdout.readline() == "ready\n"
    with pytest.raises(Failed, match="uid 65534 listens there") as failed:
        Daemon(str(tmp_path))
    assert failed.value.code == 5
    assert stranger.stdout.readline() == "b''\n"
    assert stranger.wait(30) == 0
    stranger.stdout.close()


# -- another machine ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """jobctl where ssh shows its arguments, and ends in a way of its own."""

    def call(*words: str, ends: str = "exit 42") -> subprocess.CompletedProcess[str]:
        stub = tmp_path / "ssh"
        stub.write_text(f'#!/bin/sh\nprintf "%s|" "$@"\n{ends}\n')
        stub.chmod(0o755)
        return jobctl(str(tmp_path), *words, PATH=f"{tmp_path}:{os.environ['PATH']}")

    return call


def test_the_jobctl_of_another_machine_is_called_over_ssh(ssh: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = ssh("-H", "root@db1", "list", "a b*; rm -rf /", "--json")
    assert done.returncode == 42
    assert done.stdout == "--|root@db1|jobctl list 'a b*; rm -rf /' --json|"
    for words in (["-Hdb1", "status"], ["--host=db1", "status"], ["status", "-H", "db1"], ["status", "--host", "db1"]):
        assert ssh(*words).stdout == "--|db1|jobctl status|"
    done = ssh("import", "crontab", "-H", "root@db1", "--dry-run")
    assert done.stdout == "--|root@db1|jobctl import crontab --dry-run|"
    assert ssh("show", "-Hdb1", "--", "a").stdout == "--|db1|jobctl show -- a|"


def test_that_ssh_itself_has_failed_is_said(ssh: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = ssh("-H", "db1", "status", ends="exit 255")
    assert done.returncode == 255
    assert "cannot reach db1" in done.stderr
    assert ssh("-H", "db1", "status", ends="kill -9 $$").returncode == 128 + 9


def test_what_is_no_host_is_refused(ssh: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for words in (
        ["-H", "-oProxyCommand=evil", "list"],
        ["-H", "", "list"],
        ["--ho", "db1", "list"],
        ["list", "--ho", "db1"],
        ["logs", "a", "-fH", "db1"],
        ["list", "-H"],
        ["list", "--host="],
        ["-H", "db1", "list", "-H", "db2"],
    ):
        done = ssh(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
