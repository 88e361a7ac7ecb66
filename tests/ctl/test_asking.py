"""jobctl and its daemon: a real one, and those that hang up, lie, or say nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobschedd.ctl.__main__ import main
from jobschedd.ctl.daemon import Daemon, Failed
from jobschedd.ctl.drawing import ASCII, Bar, Frame, draw
from jobschedd.ctl.terminal import fit, plain, width_of
from tests.test_daemon import EVERY_SECOND, Process, as_root, ran, start

__all__ = ["start"]

ROOT = Path(__file__).parents[2]
NEVER_SOON = "0 3 1 1 *"
Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A socket on which every call gets the same bytes; the runtime directory it is in."""
    listeners: list[socket.socket] = []

    def begin(*pieces: bytes, hang_up: bool = True) -> str:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "io.jobschedd"))
        listener.listen()
        listeners.append(listener)

        def answer() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller, suppress(BrokenPipeError, ConnectionResetError):
                        caller.recv(1 << 16)
                        for piece in pieces:
                            caller.sendall(piece)
                        if not hang_up:
                            caller.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        return str(tmp_path)

    yield begin
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    ("pieces", "code", "says"),
    [
        ([b""], 3, "it has hung up"),
        ([b'{"parameters": {"run'], 3, "it has hung up"),
        ([b"HTTP/1.1 400 Bad Request\r\n\0"], 1, "is that jobschedd?"),
        ([b"[1]\0"], 1, "is that jobschedd?"),
        ([b"[" * 100_000 + b"\0"], 1, "is that jobschedd?"),
        ([b'{"error": "io.jobschedd.NoSuchJob", "parameters": {"job_id": "a"}}\0'], 4, "there is no job a"),
        ([b'{"error": "io.jobschedd.NothingNamed", "parameters": {"name": "a"}}\0'], 4, "neither a job nor a run a"),
        ([b'{"error": "org.varlink.service.PermissionDenied"}\0'], 5, "root and the members of the group jobschedd"),
        ([b'{"error": "org.varlink.service.MethodNotFound", "parameters": {}}\0'], 1, "is it older than this jobctl?"),
        ([b'{"error": "io.jobschedd.NotStarted", "parameters": {"job_id": "a", "reason": "why"}}\0'], 1, "why"),
        ([b'{"error": "io.jobschedd.CannotRead", "parameters": {"parameter": "p", "text": "bad"}}\0'], 2, "p: bad"),
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
    assert "start it: systemctl" in capsys.readouterr().err


def test_an_answer_in_pieces_is_one(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.dumps({"parameters": {"run_ids": ["ä" * 200_000]}}, ensure_ascii=False).encode() + b"\0"
    assert main(["stop", "a", "--json", "--runtime-dir", serve(answer[:7], answer[7:100_001], answer[100_001:])]) == 0
    assert json.loads(capsys.readouterr().out)["run_ids"] == ["ä" * 200_000]


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(serve: Serve) -> None:
    runtime_dir = serve(hang_up=False)
    with Daemon(runtime_dir, patience=0.1) as called, pytest.raises(Failed, match=r"none in 0\.1 s"):
        called.call("Status")


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


# -- with a real daemon ------------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(start: Callable[..., Process]) -> Process:
    process = start()
    process.ready()
    return process


def loaded(daemon: Process, job: str, *args: object, **keys: object) -> None:
    daemon.put(f"{job}.json", job, *args, **keys)
    daemon.until("job_loaded", ran(job))


def jobctl(daemon: Process, *words: str, **keys: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", *words], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
        env=os.environ | {"JOBSCHEDD_RUNTIME_DIR": str(daemon.runtime), "JOBSCHEDD_STATE_DIR": str(daemon.state)},
        **keys,  # type: ignore[call-overload]
    )  # fmt: skip


def test_run_with_wait_shows_the_output_and_exits_as_the_job_does(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo out; echo err >&2; exit 7")
    done = jobctl(daemon, "run", "a", "--wait")
    assert done.returncode == 7
    assert sorted(done.stdout.split()) == ["err", "out"]
    assert done.stderr.splitlines()[-1].startswith("a: failed after")
    loaded(daemon, "k", NEVER_SOON, command="kill -9 $$")
    assert jobctl(daemon, "run", "k", "--wait").returncode == 128 + 9
    loaded(daemon, "n", NEVER_SOON, command=["/does/not/exist"])
    never = jobctl(daemon, "run", "n", "--wait")
    assert (never.returncode, "no such program: /does/not/exist" in never.stderr) == (1, True)
    assert jobctl(daemon, "run", "nope").returncode == 4


def test_every_command_says_the_same_in_json(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="exit 3")
    assert jobctl(daemon, "run", "a", "--wait").returncode == 3
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")

    def said(*words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in jobctl(daemon, *words, "--json").stdout.splitlines()]

    assert said("status")[0]["pid"] == daemon.pid
    assert [entry.get("job_id") for entry in said("list")] == ["a", None]
    assert said("show", "a")[0].keys() == {"job", "definition", "files", "coming", "runs"}
    assert said("next", "--within", "400d", "-n", "1")[0]["job_id"] == "a"
    assert said("pause", "a") == [{"changed": True}]
    assert said("resume", "a") == [{"changed": True}]
    assert said("reload")[0]["problems"] == 1
    assert said("stop", "a") == [{"run_ids": []}]
    assert said("timeline")[0]["job_id"] == "a"
    assert said("history", "a")[-1]["uid"] == os.getuid()
    begun, *_, ended = said("run", "a", "--wait")
    assert "run_id" in begun
    assert ended["run"]["exit_code"] == 3  # type: ignore[index]


def test_list_puts_what_needs_care_first_and_fits_80_columns(daemon: Process) -> None:
    for job in ("a-good", "z-bad"):
        loaded(daemon, job, NEVER_SOON, command="exit 3" if "bad" in job else "true", description="d" * 300)
        jobctl(daemon, "run", job, "--wait")
    loaded(daemon, "l" * 120, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21 3 1 1 *")
    (daemon.jobs / "stray.json").write_text('{"x": 1}')
    daemon.until("problem_found")
    lines = jobctl(daemon, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["JOB", "stray.json", "z-bad", "a-good"]
    assert max(map(len, lines)) <= 80


def test_reload_exits_1_while_there_are_problems(daemon: Process) -> None:
    assert jobctl(daemon, "reload").returncode == 0
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")
    assert jobctl(daemon, "reload").returncode == 1


def test_interrupting_a_wait_leaves_the_run_alone(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo begun; exec sleep 100")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "jobschedd.ctl", "run", "a", "--wait", "--runtime-dir", daemon.runtime],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "begun\n"
    waiting.send_signal(2)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "to end it: jobctl stop" in said
    assert "running" in jobctl(daemon, "list", "a").stdout


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202eevil\u200b\x9b2J\rback"


def on_a_terminal(daemon: Process, *words: str) -> str:
    """What a terminal gets."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "jobschedd.ctl", *words],
        stdin=its, stdout=its, stderr=its, cwd=ROOT,
        env=os.environ | {"JOBSCHEDD_RUNTIME_DIR": str(daemon.runtime), "JOBSCHEDD_STATE_DIR": str(daemon.state), "TERM": "xterm"},
    )  # fmt: skip
    os.close(its)
    said, deadline = b"", time.monotonic() + 60
    with suppress(OSError):  # EIO: nobody has the other end
        while time.monotonic() < deadline and select.select([ours], [], [], 60)[0] and (piece := os.read(ours, 65536)):
            said += piece
    process.wait(60)
    os.close(ours)
    return said.decode()


@pytest.mark.fault("A31")
def test_what_a_job_says_of_itself_moves_no_terminal(daemon: Process) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in HOSTILE.encode())
    script = f"printf '{octal}\\n'; exit 3"
    loaded(daemon, "a", NEVER_SOON, command=script)
    (daemon.jobs / "bad.json").write_text(json.dumps({"job_id": "b", "schedule": HOSTILE, HOSTILE: 1}))
    daemon.until("problem_found")
    for words in (
        ["list"],
        ["show", "a"],
        ["run", "a", "--wait"],
        ["history"],
        ["why", "a"],
        ["next", "--within", "400d"],
    ):
        said = on_a_terminal(daemon, *words)
        ours = re.sub(r"\x1b\[[0-9;]*m", "", said)  # colours are ours
        assert "\x1b" not in ours, words
        assert not set(ours) & set("\x07\x9b\u202e\u200b"), words
        assert "\rback" not in ours, words
        assert words[0] != "run" or "\\x1b]0;owned\\x07\\x1b[31mred\\u202eevil\\u200b\\x9b2J\\x0dback" in ours
    assert "\x1b]0;owned" in on_a_terminal(daemon, "run", "a", "--wait", "--raw")
    # A pipe gets what was written.
    assert "\x1b]0;owned" in jobctl(daemon, "run", "a", "--wait").stdout


@pytest.mark.fault("A32")
def test_texts_are_measured_as_they_are_shown() -> None:
    assert [width_of(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    assert fit("日本語テキスト", 7) == "日本語…"
    assert fit("e\u0301" * 10, 5) == "e\u0301" * 4 + "…"
    assert fit("a\u200bb", 20) == "a\\u200bb"
    assert plain("\x1b[1m\u202e\u2028\U000e0041") == "\\x1b[1m\\u202e\\u2028\\U000e0041"
    began = time.process_time()
    assert len(fit("x" * 10_000_000, 80)) == 80
    assert time.process_time() - began < 1


def test_the_output_of_another_machines_jobctl_is_asked_for_by_ssh(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 42\n')
    ssh.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", "-H", "root@db1", "list", "a b*; rm -rf /", "--json"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 42
    assert done.stdout == "--|root@db1|jobctl list 'a b*; rm -rf /' --json|"
    assert main(["-H", "-oProxyCommand=evil", "list"]) == 2


def test_a_shell_completes_commands_and_job_ids(daemon: Process, tmp_path: Path) -> None:
    loaded(daemon, "backup-home", NEVER_SOON)
    loaded(daemon, "backup-mail", NEVER_SOON)
    loaded(daemon, "other", NEVER_SOON)
    wrapper = tmp_path / "jobctl"
    wrapper.write_text(
        f'#!/bin/sh\n# PYTHON_ARGCOMPLETE_OK\ncd {ROOT} && exec {sys.executable} -m jobschedd.ctl "$@"\n'
    )
    wrapper.chmod(0o755)

    def complete(line: str) -> list[str]:
        script = (
            f'eval "$({wrapper} completion bash)"; COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; '
            f'COMP_WORDS=($COMP_LINE); [ "${{COMP_LINE% }}" = "$COMP_LINE" ] || COMP_WORDS+=(""); '
            'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _python_argcomplete jobctl; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=60,
            env=os.environ | {"JOBSCHEDD_RUNTIME_DIR": str(daemon.runtime), "PATH": f"{tmp_path}:/usr/bin:/bin"},
        )  # fmt: skip
        return done.stdout.split()

    assert complete("jobctl hist") == ["history"]
    assert complete("jobctl show backup-") == ["backup-home", "backup-mail"]
    daemon.stop()
    assert complete("jobctl show backup-") == []


# -- the drawing -----------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def test_a_timeline_shows_what_ran_runs_did_not_run_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    bars = [
        Bar("long", "succeeded", minutes(-50), minutes(-20)),
        Bar("long", "running", minutes(-10), minutes(0)),
        Bar("much", "failed", minutes(-30), minutes(-30)),
        Bar("much", "missed", minutes(-40), minutes(-40)),
        *(Bar("much", "coming", minutes(30), minutes(30)) for _ in range(3)),
        *(Bar("much", "coming", minutes(50), minutes(50)) for _ in range(12)),
    ]
    lines = draw(bars, Frame(minutes(-60), minutes(60)), NOON, 66, ASCII)
    monkeypatch.undo()
    time.tzset()
    assert lines[:3] == [
        "      ---------------11:30----------12:00----------12:30----------",
        "long       ================    ~~~~~~",
        "much            x    =              :              3         +",
    ]
    assert lines[-1] == "crowded: 2026-11-23 12:50 has 12 starts"


def test_a_timeline_of_nothing_says_so() -> None:
    assert draw([], Frame(minutes(-60), minutes(60)), NOON, 80, ASCII) == [
        "nothing ran and nothing is due in that time"
    ]


def test_a_job_of_every_second_is_drawn_in_no_more_than_the_lines_columns(daemon: Process) -> None:
    loaded(daemon, "tick", EVERY_SECOND)
    daemon.until("run_ended")
    lines = jobctl(daemon, "timeline").stdout.splitlines()
    assert max(map(len, lines[:2])) <= 80
    assert lines[-1].startswith("crowded: ")
