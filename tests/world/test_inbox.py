"""The scheduler's wait."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread

import pytest

from jobschedd.model.message import FirstLoadDone, Message
from jobschedd.model.run import HOUR, SECOND
from jobschedd.world.clock import SystemClock, WallTimer
from jobschedd.world.inbox import NEVER, SchedulerInbox


@pytest.fixture
def inbox() -> Iterator[SchedulerInbox]:
    timer = WallTimer()
    yield SchedulerInbox(timer)
    timer.close()


def test_messages_come_in_their_order_whenever_they_were_put(inbox: SchedulerInbox) -> None:
    sent: list[Message] = [FirstLoadDone() for _ in range(1_000)]

    def send() -> None:
        for item in sent:
            inbox.put(item)

    Thread(target=send).start()
    received: list[Message] = []
    while len(received) < len(sent):
        item = inbox.wait(None)
        if item is not None:
            received.append(item)
    assert [id(item) for item in received] == [id(item) for item in sent]


def test_the_wait_ends_when_the_wall_clock_comes_to_the_moment(inbox: SchedulerInbox) -> None:
    clock = SystemClock()
    for _ in range(3):
        moment = clock.now() + SECOND // 50
        assert inbox.wait(moment) is None
        assert clock.now() >= moment


def test_a_moment_that_has_passed_does_not_hold_messages_up(inbox: SchedulerInbox) -> None:
    sent = FirstLoadDone()
    inbox.put(sent)
    assert inbox.wait(0) is sent
    assert inbox.wait(0) is None
    inbox.put(sent)
    assert inbox.wait(SystemClock().now() + HOUR) is sent


class Told:
    """A timer that tells what it is set to and is made to go off."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.moments: list[int] = []
        self.was_set = False

    def fileno(self) -> int:
        return self._read

    def set(self, moment: int) -> bool:
        self.moments.append(moment)
        return self.was_set

    def clear(self) -> None:
        os.read(self._read, 1)

    def go_off(self) -> None:
        os.write(self._write, b"x")


@pytest.mark.fault("F32")
def test_a_clock_that_is_set_ends_the_wait_at_once_even_when_nothing_is_due() -> None:
    timer = Told()
    inbox = SchedulerInbox(timer)
    for until in (None, 5, 5):
        answers: SimpleQueue[Message | None] = SimpleQueue()
        waiting = Thread(target=lambda until=until, answers=answers: answers.put(inbox.wait(until)))
        waiting.start()
        timer.go_off()
        assert answers.get(timeout=20) is None
        waiting.join()
        assert not select.select([timer.fileno()], [], [], 0)[0]  # else it would not wait any more
    assert timer.moments == [NEVER, 5, 5]  # each time armed again: it went off


def test_the_timer_is_set_only_when_the_moment_is_another() -> None:
    timer = Told()
    inbox = SchedulerInbox(timer)
    for until in (7, 7, 8):
        inbox.put(FirstLoadDone())
        inbox.put(FirstLoadDone())
        inbox.wait(until)
        inbox.wait(until)
        assert inbox.wait(until) is None  # the bell, without a message
    assert timer.moments == [7, 8]


def test_a_clock_that_was_set_while_nobody_waited_ends_the_wait_before_it_begins() -> None:
    timer = Told()
    timer.was_set = True
    assert SchedulerInbox(timer).wait(None) is None
