"""The socket against those who speak badly, slowly, too much, or not at all."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from jobschedd.model.error import CannotRun
from jobschedd.world.varlink import Call, Patience, Refused, Server
from jobschedd.world.varlink.bounds import BURST, MOST, MOST_OF_ONE, MOST_OF_OTHERS, MOST_STREAMS, Bounds
from jobschedd.world.varlink.call import MOST_BYTES, NotACall, decode

PATIENCE = 30.0


BUSY = {"error": "io.jobschedd.Busy", "parameters": {"text": "too many connections"}}


class Toy:
    """A service of a few methods."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.may_go_on = threading.Event()
        self.reached = threading.Event()

    def goes_on(self, call: Call) -> bool:
        return call.method == "stream"

    def answer(self, call: Call) -> None:
        self.calls.append((call.method, dict(call.parameters)))
        match call.method:
            case "echo":
                call.reply(call.parameters)
            case "who":
                call.reply({"uid": call.peer.uid, "pid": call.peer.pid, "gid": call.peer.gid})
            case "three":
                for number in range(2):
                    call.reply({"number": number}, continues=True)
                call.reply({"number": 2})
            case "wait":
                self.reached.set()
                assert self.may_go_on.wait(PATIENCE)
                call.reply({})
            case "stream":
                while True:
                    call.reply({"text": "x" * 10_000}, continues=True)
                    self.reached.set()
            case "work":
                until = time.thread_time() + 0.3
                while time.thread_time() < until:
                    pass
                call.reply({})
            case "bug":
                raise ZeroDivisionError
            case _:
                raise Refused("org.varlink.service.MethodNotFound", method=call.method)


class Caller:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._rest = b""

    def send(self, method: str, **more: Any) -> None:
        self.socket.sendall(json.dumps({"method": method, **more}).encode() + b"\0")

    def hear(self) -> dict[str, Any] | None:
        """The next reply; None: the server has hung up."""
        while b"\0" not in self._rest:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._rest += data
        frame, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(frame)
        return answer

    def ask(self, method: str, **more: Any) -> dict[str, Any] | None:
        self.send(method, **more)
        return self.hear()


class Hall:
    """A server, and those who call it."""

    def __init__(self, path: Path, **keys: Any) -> None:
        self.path = path
        self.toy = Toy()
        self.bugs: list[str] = []
        self.server = Server(str(path), self.toy, self.bugs.append, **keys)
        self.server.start()
        self._callers = ExitStack()

    def caller(self) -> Caller:
        made = Caller(self.path)
        self._callers.enter_context(made.socket)
        return made

    def close(self) -> None:
        self.toy.may_go_on.set()
        self._callers.close()
        self.server.close()


@pytest.fixture
def open_hall(tmp_path: Path) -> Iterator[Callable[..., Hall]]:
    made: list[Hall] = []

    def begin(**keys: Any) -> Hall:
        made.append(Hall(tmp_path / "socket", **keys))
        return made[-1]

    yield begin
    for hall in made:
        hall.close()


@pytest.fixture
def hall(open_hall: Callable[..., Hall]) -> Hall:
    return open_hall()


def test_a_call_is_answered_and_so_is_the_next(hall: Hall) -> None:
    caller = hall.caller()
    assert caller.ask("echo", parameters={"a": 1}) == {"parameters": {"a": 1}}
    assert caller.ask("echo", parameters=None) == {"parameters": {}}
    assert caller.ask("nope") == {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": "nope"}}


def test_the_kernel_says_who_calls(hall: Hall) -> None:
    answer = hall.caller().ask("who")
    assert answer == {"parameters": {"uid": os.getuid(), "pid": os.getpid(), "gid": os.getgid()}}


def test_calls_that_come_at_once_are_answered_in_their_order(hall: Hall) -> None:
    caller = hall.caller()
    caller.socket.sendall(
        b"".join(json.dumps({"method": "echo", "parameters": {"n": n}}).encode() + b"\0" for n in range(50))
    )
    assert [caller.hear() for _ in range(50)] == [{"parameters": {"n": n}} for n in range(50)]


def test_a_call_that_comes_byte_by_byte_is_one(hall: Hall) -> None:
    caller = hall.caller()
    for byte in b'{"method": "echo", "parameters": {"a": "\xc3\xa4"}}\0':
        caller.socket.sendall(bytes([byte]))
    assert caller.hear() == {"parameters": {"a": "ä"}}


def test_more_replies_say_that_others_follow(hall: Hall) -> None:
    caller = hall.caller()
    caller.send("three", more=True)
    said = [caller.hear() for _ in range(3)]
    assert said == [
        {"parameters": {"number": 0}, "continues": True},
        {"parameters": {"number": 1}, "continues": True},
        {"parameters": {"number": 2}},
    ]


def test_who_wants_no_answer_gets_none(hall: Hall) -> None:
    caller = hall.caller()
    caller.send("echo", oneway=True)
    caller.send("nope", oneway=True)
    assert caller.ask("echo", parameters={"last": 1}) == {"parameters": {"last": 1}}
    assert len(hall.toy.calls) == 3


def test_a_bug_of_ours_is_told_and_ends_nothing(hall: Hall) -> None:
    caller = hall.caller()
    answer = caller.ask("bug")
    assert answer is not None
    assert answer["error"] == "io.jobschedd.Busy"
    assert "ZeroDivisionError" in hall.bugs[0]
    assert caller.ask("echo") == {"parameters": {}}


@pytest.mark.fault("A35")
@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"\0", "cannot read the message as JSON"),
        (b"\xff\xfe\x00\x00\0", "cannot read the message as JSON"),
        (b"[]\0", "cannot read the message as a call"),
        (b"{}\0", "cannot read the message as a call"),
        (b"3\0", "cannot read the message as a call"),
        (b'{"method": 3}\0', 'cannot read "method"'),
        (b'{"method": "a", "parameters": []}\0', 'cannot read "parameters"'),
        (b'{"method": "a", "more": 1}\0', 'cannot read "more"'),
        (b'{"method": "a", "sudo": true}\0', 'cannot read "sudo"'),
        (b'{"method": "a", "upgrade": true}\0', "cannot upgrade"),
        (b'{"method": "echo", "parameters": {"a": NaN}}\0', "NaN is no number"),
        (b"[" * 60_000 + b"\0", "cannot read the message as JSON"),
        (b'{"method": "a", "parameters": {"a": ' + b"9" * 5_000 + b"}}\0", "cannot read the message as JSON"),
        (b"x" * (MOST_BYTES + 1), "more than 65536 bytes"),
    ],
)
def test_what_is_no_call_is_told_so_and_ends_the_connection(hall: Hall, frame: bytes, says: str) -> None:
    caller = hall.caller()
    with suppress(BrokenPipeError, ConnectionResetError):
        caller.socket.sendall(frame)
    answer = caller.hear()
    assert answer is not None
    assert answer["error"] == "io.jobschedd.CannotRead"
    assert says in answer["parameters"]["text"]
    assert caller.hear() is None
    assert hall.caller().ask("echo") == {"parameters": {}}


@pytest.mark.fault("A35")
def test_connections_full_of_junk_bring_out_no_bug(hall: Hall) -> None:
    draw = random.Random(6)
    good = json.dumps({"method": "echo", "parameters": {"a": ["b", 1, None]}, "more": True}).encode() + b"\0"
    for _ in range(400):
        pieces = []
        for _ in range(250):
            frame = bytearray(good)
            for _ in range(draw.randrange(4)):
                frame[draw.randrange(len(frame))] = draw.randrange(256)
            pieces.append(bytes(frame[: draw.randrange(len(frame) + 1)] if draw.random() < 0.2 else frame))
        caller = Caller(hall.path)
        with caller.socket, suppress(BrokenPipeError, ConnectionResetError):
            caller.socket.sendall(b"".join(pieces))
            if draw.random() < 0.1:
                caller.hear()
    assert hall.bugs == []
    assert hall.server.alive()
    assert hall.caller().ask("echo") == {"parameters": {}}


@pytest.mark.fault("A35")
def test_frames_of_junk_are_calls_or_no_calls_and_nothing_else() -> None:
    draw = random.Random(35)
    good = json.dumps({"method": "echo", "parameters": {"a": ["b", 1.5, None, {"ä": True}]}, "more": True}).encode()
    connection: Any = None
    calls = 0
    for _ in range(1_000_000 if os.environ.get("JOBSCHEDD_TEST_LONG") else 50_000):
        frame = bytearray(good)
        for _ in range(draw.randrange(4)):
            frame[draw.randrange(len(frame))] = (
                draw.choice(b'{}[]",:0e-\\\xff') if draw.random() < 0.5 else draw.randrange(256)
            )
        with suppress(NotACall):
            call = decode(connection, bytes(frame))
            assert isinstance(call.method, str)
            assert isinstance(call.parameters, dict)
            calls += 1
    assert calls > 1_000


@pytest.mark.fault("F44")
def test_who_does_not_end_a_message_is_given_up(open_hall: Callable[..., Hall]) -> None:
    hall = open_hall(patience=Patience(message=0.2))
    caller = hall.caller()
    caller.socket.sendall(b'{"method": "ec')
    assert caller.hear() is None
    # Nor does another byte now and then help: it is counted from the first one.
    slow = hall.caller()
    began = time.monotonic()
    with suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < began + PATIENCE:
            slow.socket.sendall(b" ")
            slow.socket.settimeout(0.02)
            with suppress(TimeoutError):
                if not slow.socket.recv(1):
                    break
    assert time.monotonic() < began + PATIENCE


@pytest.mark.fault("F44")
def test_who_takes_nothing_is_given_up_and_the_answer_ends(open_hall: Callable[..., Hall]) -> None:
    hall = open_hall(patience=Patience(message=0.2))
    deaf = hall.caller()
    deaf.send("stream", more=True)
    assert hall.toy.reached.wait(PATIENCE)
    assert hall.caller().ask("echo") == {"parameters": {}}  # others are served meanwhile
    deadline = time.monotonic() + PATIENCE
    while any(thread.name == "stream" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert hall.bugs == []


@pytest.mark.fault("A36")
def test_who_says_nothing_gives_room_to_others(open_hall: Callable[..., Hall]) -> None:
    hall = open_hall(patience=Patience(idle=0.2))
    silent = [hall.caller() for _ in range(10)]
    assert [caller.hear() for caller in silent] == [None] * 10
    assert hall.caller().ask("echo") == {"parameters": {}}


def test_a_caller_who_leaves_ends_what_goes_on_for_them(hall: Hall) -> None:
    caller = hall.caller()
    caller.send("stream", more=True)
    assert caller.hear() is not None
    caller.socket.close()
    deadline = time.monotonic() + PATIENCE
    while any(thread.name == "stream" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_long_answer_reaches_a_caller_who_reads_late(hall: Hall) -> None:
    caller = hall.caller()
    caller.send("stream", more=True)
    assert hall.toy.reached.wait(PATIENCE)
    for _ in range(200):
        answer = caller.hear()
        assert answer is not None
        assert len(answer["parameters"]["text"]) == 10_000


@pytest.mark.fault("A36")
def test_connections_are_bounded_and_one_is_kept_for_root() -> None:
    bounds = Bounds()
    assert [bounds.admit(1000) for _ in range(MOST_OF_ONE + 1)] == [True] * MOST_OF_ONE + [False]
    others = [uid for uid in range(2000, 2100) for _ in range(MOST_OF_ONE) if bounds.admit(uid)]
    assert len(others) + MOST_OF_ONE == MOST_OF_OTHERS
    assert [bounds.admit(0) for _ in range(MOST - MOST_OF_OTHERS + 1)] == [True] * (MOST - MOST_OF_OTHERS) + [False]
    bounds.leave(1000)
    assert bounds.admit(1000)


@pytest.mark.fault("A36")
def test_streams_are_bounded_and_some_are_kept_for_root() -> None:
    bounds = Bounds()
    taken = [bounds.admit_stream(uid) for uid in range(1000, 1100) for _ in range(10)]
    assert sum(taken) < MOST_STREAMS
    assert bounds.admit_stream(0)
    bounds.leave_stream(1000)
    assert bounds.admit_stream(1000)


@pytest.mark.fault("A36")
def test_who_calls_too_often_waits_and_nobody_else_does() -> None:
    bounds = Bounds()
    assert not any(bounds.spend(1000) for _ in range(int(BURST)))
    assert 0 < bounds.spend(1000) < 0.1
    assert bounds.spend(1001) == 0


@pytest.mark.fault("A36")
def test_calls_that_cost_much_are_paid_for() -> None:
    bounds = Bounds()
    assert bounds.spend(1000) == 0
    bounds.charge(1000, 10.0)
    assert bounds.spend(1000) > 10
    assert bounds.spend(1001) == 0
    bounds.charge(0, 10.0)
    assert 10 < bounds.spend(0) < 20, "root pays too, but less"


@pytest.mark.fault("A36")
def test_what_an_answer_takes_is_charged_to_who_asked(hall: Hall) -> None:
    assert hall.caller().ask("work") == {"parameters": {}}
    assert hall.server._bounds.debt(os.geteuid(), reserve=BURST) > 0.2
    assert hall.server._bounds.debt(54321, reserve=BURST) < 0.01


@pytest.mark.fault("A36")
def test_an_answer_that_goes_on_is_paid_for_as_it_goes_and_leaves_room_for_questions(hall: Hall) -> None:
    follower = hall.caller()
    follower.send("stream", more=True)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert follower.hear() is not None
    asking = hall.caller()
    began = time.monotonic()
    assert asking.ask("echo") == {"parameters": {}}
    assert time.monotonic() - began < 2
    follower.socket.close()
    assert hall.server._bounds.debt(os.geteuid()) < 0.2, "nothing is left to be paid for at its end"


@pytest.mark.fault("A36")
def test_one_user_has_few_answers_that_go_on() -> None:
    bounds = Bounds()
    assert [bounds.admit_stream(1000) for _ in range(5)] == [True] * 4 + [False]
    assert bounds.admit_stream(1001)


@pytest.mark.fault("A36")
def test_a_thousand_calls_in_a_row_are_answered_if_not_at_once(hall: Hall) -> None:
    caller = hall.caller()
    began = time.monotonic()
    number = int(BURST) + 100
    for _ in range(number):
        caller.send("echo")
    assert [caller.hear() for _ in range(number)] == [{"parameters": {}}] * number
    assert time.monotonic() - began > 0.3


@pytest.mark.fault("A36")
def test_who_has_had_too_much_is_not_even_listened_to(hall: Hall) -> None:
    caller = hall.caller()
    assert caller.ask("echo") == {"parameters": {}}
    hall.server._bounds.charge(os.geteuid(), 2.0)
    pause = hall.server._bounds.debt(os.geteuid())
    assert pause > 0.5
    began = time.monotonic()
    caller.socket.sendall(b"x" * MOST_BYTES)
    answer = caller.hear()
    assert answer is not None
    assert answer["error"] == "io.jobschedd.CannotRead"
    assert time.monotonic() - began > pause - 0.1


@pytest.mark.fault("A36")
def test_those_who_are_turned_away_hold_up_root_for_a_moment_only(hall: Hall) -> None:
    kept = [hall.caller() for _ in range(MOST)]
    assert kept[-1].ask("echo") == {"parameters": {}}
    began = time.monotonic()
    knocking = [hall.caller() for _ in range(100)]
    assert [caller.hear() for caller in knocking] == [BUSY] * 100
    assert time.monotonic() - began < 2


@pytest.mark.fault("A36")
def test_connections_without_number_are_turned_away_with_a_word(hall: Hall) -> None:
    kept = [hall.caller() for _ in range(MOST)]
    assert kept[-1].ask("echo") == {"parameters": {}}
    refused = hall.caller()
    assert refused.hear() == BUSY
    assert refused.hear() is None
    kept[0].socket.close()
    deadline = time.monotonic() + PATIENCE
    while hall.caller().ask("echo") != {"parameters": {}}:
        assert time.monotonic() < deadline


@pytest.mark.fault("A34")
def test_descriptors_that_are_sent_along_are_closed(hall: Hall) -> None:
    caller = hall.caller()
    assert caller.ask("echo") == {"parameters": {}}
    read, write = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    frame = json.dumps({"method": "echo"}).encode() + b"\0"
    socket.send_fds(caller.socket, [frame], [write] * 100)
    assert caller.hear() == {"parameters": {}}
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(write)
    assert os.read(read, 1) == b""  # nobody has the other end
    os.close(read)


@pytest.mark.fault("A37")
def test_what_stands_in_the_sockets_place_gives_way(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for make in (lambda: path.write_text("x"), lambda: path.symlink_to("/etc/passwd")):
        make()
        hall = Hall(path)
        assert path.is_socket()
        assert not path.is_symlink()
        assert hall.caller().ask("echo") == {"parameters": {}}
        hall.close()
        assert not path.exists()
    path.mkdir()
    with pytest.raises(CannotRun, match=r"cannot listen on .*give another --runtime-dir"):
        Hall(path)


def test_a_socket_that_is_somebody_elses_by_now_is_left(tmp_path: Path) -> None:
    first = Hall(tmp_path / "socket")
    second = Hall(tmp_path / "socket")
    first.close()
    assert second.caller().ask("echo") == {"parameters": {}}
    second.close()


def test_a_socket_that_we_were_started_with_is_used_and_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    hall = Hall(path, handed=listener.detach())
    assert hall.caller().ask("echo") == {"parameters": {}}
    hall.close()
    assert path.is_socket()


def test_everybody_may_connect(hall: Hall) -> None:
    assert hall.path.stat().st_mode & 0o777 == 0o666
