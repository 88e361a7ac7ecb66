"""Followers of what happens come and go, and nobody who says something notices."""

from __future__ import annotations

import os
import threading

from jobschedd.control.feed import ROOM, Feed, Written
from jobschedd.model.event import ClockStepped, Event


def make() -> tuple[Feed, list[Event]]:
    heard: list[Event] = []
    return Feed(heard.append, lambda *_: None), heard


def test_a_follower_is_told_from_its_beginning_to_its_end() -> None:
    feed, heard = make()
    feed(ClockStepped(1))
    with feed.follow() as following:
        feed(ClockStepped(2))
        feed.output("a", "r", "text", lambda: None)
        assert following.take() == [ClockStepped(2), Written("a", "r", "text")]
        assert following.take() == []
    feed(ClockStepped(3))
    assert heard == [ClockStepped(1), ClockStepped(2), ClockStepped(3)]


def test_who_tells_a_follower_that_has_just_left_touches_no_file() -> None:
    feed, _ = make()
    with feed.follow() as following:
        pass
    read, write = os.pipe()  # has the number that the bell had
    os.set_blocking(read, False)
    following.tell(ClockStepped(1))
    assert following.take() == []
    os.close(write)
    assert os.read(read, 8) == b""
    os.close(read)


def test_followers_that_come_and_go_all_the_time_do_not_disturb_who_tells() -> None:
    feed, heard = make()
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            with feed.follow() as following:
                following.take()

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    for number in range(20_000):
        feed(ClockStepped(number))
    done.set()
    for other in others:
        other.join()
    assert len(heard) == 20_000


def test_who_takes_nothing_loses_the_oldest_and_is_told_so() -> None:
    feed, _ = make()
    with feed.follow() as following:
        for number in range(ROOM + 1):
            feed(ClockStepped(number))
        assert following.take_missed()
        assert not following.take_missed()
        assert following.take()[0] == ClockStepped(1)
