"""What is said reaches the journal or stderr, and holds nobody up."""

from __future__ import annotations

import io
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobschedd.model import event
from jobschedd.model.error import Problem
from jobschedd.model.run import Cause, Ending, Outcome, Run
from jobschedd.world.log import Journal, JsonLines, Log, TextLines
from jobschedd.world.log.journal import encode
from jobschedd.world.log.output import Output
from jobschedd.world.log.writer import ROOM
from tests.conftest import StandingClock, at

NOW = at("2026-11-23 08:00")
RUN = Run("01RUN", "backup", NOW, Cause.SCHEDULE, (("team", "sales"),))
ENDED = event.RunFinished(RUN, Outcome.FAILED, Ending(3, None, 1500, 4096), NOW + 1_000, NOW + 2_001_000)


def decode(datagram: bytes) -> dict[str, str]:
    """As journald reads an entry: systemd.io/JOURNAL_NATIVE_PROTOCOL."""
    fields: dict[str, str] = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        assert name.decode() not in fields
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    """journald's end: a socket that is read only when a test does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "journal"))
        made.settimeout(10)
        yield made


def log_to(journald: socket.socket, level: str = "info") -> Log:
    log = Log(Journal(TextLines(io.StringIO()), path=journald.getsockname()), StandingClock(NOW), level)
    log.open()
    return log


def test_an_entry_carries_the_contract_s_fields(journald: socket.socket) -> None:
    log = log_to(journald)
    log(ENDED)
    fields = decode(journald.recv(65536))
    assert fields == {
        "MESSAGE": "backup: failed after 2s, exit code 3",
        "MESSAGE_ID": event.RunFinished.MESSAGE_ID,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "jobschedd",
        "JOBSCHEDD_EVENT": "run_ended",
        "JOBSCHEDD_JOB": "backup",
        "JOBSCHEDD_RUN": "01RUN",
        "JOBSCHEDD_OUTCOME": "failed",
        "JOBSCHEDD_CAUSE": "schedule",
        "JOBSCHEDD_EXIT_CODE": "3",
        "JOBSCHEDD_SCHEDULED_AT": "2026-11-23T08:00:00Z",
        "JOBSCHEDD_STARTED_AT": "2026-11-23T08:00:00.001000Z",
        "JOBSCHEDD_DURATION_USEC": "2000000",
        "JOBSCHEDD_CPU_USEC": "1500",
        "JOBSCHEDD_MEMORY_PEAK": "4096",
        "JOBSCHEDD_LABEL_TEAM": "sales",
    }
    log.close()


@pytest.mark.fault("A30")
def test_a_value_cannot_begin_a_field_of_its_own(journald: socket.socket) -> None:
    log = log_to(journald)
    path = "/etc/jobs.d/x\nPRIORITY=0\nJOBSCHEDD_JOB=root.json"
    log(event.ProblemFound(path, (Problem("a", "b\nMESSAGE=forged"),), None))
    fields = decode(journald.recv(65536))
    assert fields["JOBSCHEDD_FILE"] == path
    assert fields["PRIORITY"] == "3"
    assert "JOBSCHEDD_JOB" not in fields
    log.close()


@pytest.mark.fault("A30")
def test_an_endless_value_is_cut_and_a_lone_surrogate_is_spelled_out() -> None:
    fields = decode(encode({"MESSAGE": "x" * 1_000_000, "OTHER": "\ud800"}))
    assert len(fields["MESSAGE"]) == 48 * 1024
    assert fields["OTHER"] == "\\ud800"


def test_what_is_less_important_than_the_level_is_not_said(journald: socket.socket) -> None:
    log = log_to(journald, "warning")
    log(event.RunDue(RUN))
    log(event.DaemonReloaded(1, 2))
    log(ENDED)
    assert decode(journald.recv(65536))["JOBSCHEDD_EVENT"] == "run_ended"
    log.level = "debug"
    log(event.RunDue(RUN))
    assert decode(journald.recv(65536))["JOBSCHEDD_EVENT"] == "run_due"
    log.close()


@pytest.mark.fault("F33")
def test_a_journal_that_takes_nothing_holds_nobody_up_and_what_was_dropped_is_counted(journald: socket.socket) -> None:
    log = log_to(journald)
    began = time.monotonic()
    longest = 0.0
    total = ROOM * 2
    for _ in range(total):
        before = time.monotonic()
        log(ENDED)
        longest = max(longest, time.monotonic() - before)
    assert time.monotonic() - began < 10
    assert longest < 0.5
    kinds: list[str] = []
    dropped = 0
    while "lines_dropped" not in kinds[-1:]:
        fields = decode(journald.recv(65536))
        kinds.append(fields["JOBSCHEDD_EVENT"])
        dropped = int(fields.get("JOBSCHEDD_COUNT", 0))
    journald.settimeout(0.5)
    late = 0
    try:
        while True:
            late += decode(journald.recv(65536))["JOBSCHEDD_EVENT"] == "run_ended"
    except TimeoutError:
        pass
    assert kinds.count("run_ended") + late + dropped == total
    log.close()


@pytest.mark.fault("F33")
def test_without_a_journal_it_is_said_on_stderr(tmp_path: Path) -> None:
    stderr = io.StringIO()
    log = Log(Journal(TextLines(stderr), path=str(tmp_path / "none")), StandingClock(NOW), "info")
    log.open()
    log(ENDED)
    log.close()
    assert "backup: failed" in stderr.getvalue()


@pytest.mark.fault("F33")
def test_a_journal_that_comes_back_is_spoken_to_again(tmp_path: Path) -> None:
    stderr = io.StringIO()
    path = str(tmp_path / "journal")
    log = Log(Journal(TextLines(stderr), path=path), StandingClock(NOW), "info")
    log.open()
    for turn in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
            journald.bind(path)
            journald.settimeout(10)
            log(event.DaemonReloaded(turn, 0))
            assert decode(journald.recv(65536))["JOBSCHEDD_JOBS"] == str(turn)
        os.unlink(path)
    log.close()


def test_a_stopped_reader_of_stderr_holds_nobody_up() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stream:
        log = Log(TextLines(stream), StandingClock(NOW), "info")
        log.open()
        for _ in range(5_000):
            log(ENDED)
        log.close(patience=0.1)
        taken = threading.Thread(
            target=lambda: [None for _ in iter(lambda: os.read(read_end, 65536), b"")], daemon=True
        )
        taken.start()
        log._thread.join(10)
        assert not log.alive()
    taken.join(10)
    os.close(read_end)


def written(*pieces: tuple[str, str], kind: type[TextLines | JsonLines] = TextLines) -> list[str]:
    stream = io.StringIO()
    sink = kind(stream)
    for run_id, text in pieces:
        if text == "END":
            sink.write_event(ENDED, NOW)
        else:
            sink.write_output(Output("backup", run_id, text), NOW)
    return stream.getvalue().splitlines()


def test_each_line_of_output_is_prefixed_by_its_job() -> None:
    lines = written(("01RUN", "one\ntw"), ("02", "other\n"), ("01RUN", "o\nthree"), ("01RUN", "END"))
    assert [line.partition("OUT   ")[2] for line in lines[:4]] == [
        "backup | one", "backup | other", "backup | two", "backup | three",
    ]  # fmt: skip
    assert "backup: failed" in lines[4]


def test_output_without_an_end_of_line_does_not_grow_without_end() -> None:
    assert len(written(*[("01RUN", "x" * 10_000)] * 10)) == 2


def test_output_cannot_act_on_a_terminal() -> None:
    (line,) = written(("01RUN", "\033[2Jgone\rover\u202eabc\n"))
    assert line.endswith(r"backup | \x1b[2Jgone\rover\u202eabc")


def test_json_lines_hold_the_journal_s_fields() -> None:
    first, ended = (json.loads(line) for line in written(("01RUN", "a\n"), ("01RUN", "END"), kind=JsonLines))
    assert first == {
        "time": "2026-11-23T08:00:00Z", "priority": 6, "event": "output", "message": "a",
        "JOBSCHEDD_JOB": "backup", "JOBSCHEDD_RUN": "01RUN",
    }  # fmt: skip
    assert ended["event"] == "run_ended"
    assert ended["JOBSCHEDD_EXIT_CODE"] == "3"


def test_colour_is_for_terminals_only() -> None:
    assert "\033" not in "".join(written(("01RUN", "END")))
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        TextLines(terminal).write_event(ENDED, NOW)
        assert b"\033[33mWARN" in os.read(ours, 4096)
    os.close(ours)


def test_the_interpreter_s_lock_is_free_while_the_journal_is_waited_for(journald: socket.socket) -> None:
    """systemd-python keeps it; then nothing else in the process moves, the scheduler least of all."""
    script = (
        "import sys, time\n"
        "from jobschedd.world.log.journal import Journal\n"
        "from jobschedd.world.log import Log, TextLines\n"
        "from jobschedd.model.event import DaemonReloaded\n"
        "from jobschedd.world.clock import SystemClock\n"
        "log = Log(Journal(TextLines(sys.stderr), path=sys.argv[1]), SystemClock(), 'info')\n"
        "log.open()\n"
        "for n in range(5000): log(DaemonReloaded(n, 0))\n"
        "before = time.monotonic(); gaps = []\n"
        "for n in range(200):\n"
        "    time.sleep(0.002); now = time.monotonic(); gaps.append(now - before); before = now\n"
        "print(max(gaps))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, journald.getsockname()], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) < 0.5
