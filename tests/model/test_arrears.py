"""What is to be caught up."""

from __future__ import annotations

from jobschedd.model.arrears import Arrears


def test_the_oldest_comes_first_and_jobs_of_one_instant_by_id() -> None:
    arrears = Arrears()
    for job_id, first in (("c", 5), ("b", 7), ("a", 7), ("d", 6)):
        arrears.put(job_id, first, first)
    assert [arrears.take() for _ in range(5)] == [("c", 5, 5), ("d", 6, 6), ("a", 7, 7), ("b", 7, 7), None]


def test_a_job_that_runs_lets_others_pass_and_comes_when_its_run_has_ended() -> None:
    arrears = Arrears()
    arrears.put("a", 1, 3)
    arrears.put("b", 2, 2)
    assert arrears.take() == ("a", 1, 3)
    arrears.stand_behind("a", 1, 3)
    assert [arrears.take(), arrears.take()] == [("b", 2, 2), None]
    assert len(arrears) == 1
    arrears.run_ended("b")
    assert arrears.take() is None
    arrears.run_ended("a")
    assert arrears.take() == ("a", 1, 3)


def test_rows_of_the_same_job_come_one_after_the_other_and_are_not_joined() -> None:
    arrears = Arrears()
    arrears.put("a", 5, 6)
    arrears.put("a", 9, 9)
    assert arrears.of("a") == [(5, 6), (9, 9)]
    arrears.put("b", 7, 7)
    arrears.put("a", 2, 3)
    assert [arrears.take() for _ in range(5)] == [("a", 2, 3), ("a", 5, 6), ("b", 7, 7), ("a", 9, 9), None]
    assert len(arrears) == 0


def test_what_is_dropped_is_gone_and_may_come_again() -> None:
    arrears = Arrears()
    arrears.put("a", 1, 1)
    arrears.drop("a")
    arrears.drop("a")
    assert (arrears.take(), arrears.of("a"), len(arrears)) == (None, [], 0)
    arrears.stand_behind("b", 1, 1)
    arrears.drop("b")
    arrears.run_ended("b")
    arrears.put("b", 2, 2)
    assert arrears.take() == ("b", 2, 2)
