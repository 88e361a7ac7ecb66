"""What is next."""

from __future__ import annotations

import random

from jobschedd.model.agenda import Agenda


def test_what_is_due_comes_off_earliest_first_and_by_id_within_an_instant() -> None:
    agenda = Agenda()
    for job_id, instant in (("b", 5), ("c", 3), ("a", 5), ("d", 9)):
        agenda.put(job_id, instant)
    assert agenda.take(5) == [(3, "c", 0), (5, "a", 0), (5, "b", 0)]
    assert agenda.first() == 9


def test_a_job_stands_on_it_once() -> None:
    agenda = Agenda()
    agenda.put("a", 5)
    agenda.put("a", 3)
    agenda.put("a", 7)
    assert agenda.first() == 7
    assert agenda.take(10) == [(7, "a", 0)]
    assert agenda.take(10) == []


def test_a_job_that_is_put_back_to_an_old_instant_is_due_once() -> None:
    agenda = Agenda()
    agenda.put("a", 5)
    agenda.put("a", 7)
    agenda.put("a", 5)
    assert agenda.take(10) == [(5, "a", 0)]


def test_never_takes_a_job_off() -> None:
    agenda = Agenda()
    agenda.put("a", 5)
    agenda.put("a", None)
    assert agenda.first() is None
    assert len(agenda) == 0


def test_a_job_replaced_over_and_over_does_not_fill_it() -> None:
    agenda = Agenda()
    for instant in range(10_000):
        agenda.put("a", instant)
    assert len(agenda._heap) < 200


def test_it_agrees_with_a_plain_dictionary() -> None:
    draw, agenda, plain = random.Random(7), Agenda(), dict[str, int]()
    for _ in range(5_000):
        job_id, instant = f"j{draw.randrange(50)}", draw.randrange(1_000)
        if draw.random() < 0.2:
            agenda.put(job_id, None)
            plain.pop(job_id, None)
        else:
            agenda.put(job_id, instant)
            plain[job_id] = instant
        if draw.random() < 0.1:
            now = draw.randrange(1_000)
            expected = sorted((when, job, 0) for job, when in plain.items() if when <= now)
            assert agenda.take(now) == expected
            plain = {job: when for job, when in plain.items() if when > now}
        assert agenda.first() == min(plain.values(), default=None)


def test_a_delayed_start_comes_off_when_it_starts_and_keeps_its_instant() -> None:
    agenda = Agenda()
    agenda.put("a", 10, delay=5)
    agenda.put("b", 12)
    assert (agenda.first(), agenda.due("a")) == (12, 10)
    assert agenda.take(14) == [(12, "b", 0)]
    assert agenda.take(15) == [(10, "a", 5)]
    agenda.put("a", 20, delay=5)
    agenda.put("a", 30)
    assert (agenda.first(), agenda.due("a")) == (30, 30)
