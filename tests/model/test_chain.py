"""Who runs after whom."""

from __future__ import annotations

import random
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from jobschedd.model.chain import MEANS, Chain
from jobschedd.model.part import After
from jobschedd.model.run import Outcome
from tests.conftest import at_most

JOBS = "abcdef"
ENDS = ("success", "failure", "end")


def after(*jobs: str) -> tuple[After, ...]:
    return tuple(After(job=job) for job in jobs)


def chain(**jobs: str) -> Chain:
    """`chain(b="a")`: b runs after a."""
    made = Chain()
    for job_id, causes in jobs.items():
        made.put(job_id, after(*causes))
    return made


def test_followers_are_told_by_outcome_in_order_of_their_ids() -> None:
    made = Chain()
    for job_id, on in (("c", "success"), ("b", "success"), ("f", "failure"), ("e", "end")):
        made.put(job_id, (After(job="a", on=on),))
    assert made.followers("a", Outcome.SUCCEEDED) == ["b", "c", "e"]
    for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST):
        assert made.followers("a", outcome) == ["e", "f"]
    assert made.followers("a", Outcome.STOPPED) == ["e"]
    assert made.followers("b", Outcome.SUCCEEDED) == []


def test_what_did_not_run_starts_nobody() -> None:
    made = Chain()
    made.put("b", tuple(After(job="a", on=on) for on in ENDS))
    for outcome in set(Outcome) - MEANS.keys():
        assert made.followers("a", outcome) == []


def test_a_job_that_waits_for_two_ends_of_another_runs_once() -> None:
    made = Chain()
    made.put("b", (After(job="a"), After(job="a", on="failure"), After(job="a", on="end"), After(job="a")))
    assert made.followers("a", Outcome.SUCCEEDED) == ["b"]
    made.put("b", (After(job="a"),))
    assert made.followers("a", Outcome.FAILED) == []


def test_a_job_that_is_dropped_follows_nobody_and_is_still_waited_for() -> None:
    made = chain(b="a", c="b")
    made.drop("b")
    assert made.followers("a", Outcome.SUCCEEDED) == []
    assert made.followers("b", Outcome.SUCCEEDED) == ["c"]
    made.drop("b")
    made.drop("c")
    assert vars(made) == vars(Chain())


def test_a_cycle_is_told_in_the_order_of_its_runs() -> None:
    assert chain().cycle("a", after("a")) == ("a",)
    assert chain(b="a").cycle("a", after("b")) == ("a", "b")
    assert chain(b="a", c="b").cycle("a", after("x", "c")) == ("a", "b", "c")
    assert chain(b="a", c="b").cycle("a", after("x")) is None
    assert chain(b="a", c="a").cycle("d", after("b", "c")) is None


def test_the_old_version_of_a_job_counts_for_nothing() -> None:
    made = chain(b="a", a="x")
    assert made.cycle("b", after("x")) is None
    made.put("b", ())
    assert made.cycle("a", after("b")) is None


def brute_force(links: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """Every cycle, each beginning at each of its jobs; every order of every set of jobs is tried."""
    return {
        order
        for size in range(1, len(JOBS) + 1)
        for order in permutations(JOBS, size)
        if all(order[i - 1] in links.get(order[i], ()) for i in range(size))
    }


EDITS = st.lists(
    st.tuples(st.sampled_from(JOBS), st.none() | st.lists(st.sampled_from(JOBS), max_size=3)), min_size=1, max_size=12
)


@given(EDITS)
def test_cycles_and_followers_are_what_trying_everything_finds(edits: list[tuple[str, list[str] | None]]) -> None:
    made, links = Chain(), dict[str, set[str]]()
    for job_id, causes in edits:
        if causes is None:
            made.drop(job_id)
            links.pop(job_id, None)
            continue
        tried = links | {job_id: set(causes)}
        closed = {cycle for cycle in brute_force(tried) if cycle[0] == job_id}
        found = made.cycle(job_id, after(*causes))
        if closed:
            assert found in closed
        else:
            assert found is None
            made.put(job_id, after(*causes))
            links = tried
        for job in JOBS:
            expected = sorted(follower for follower, of in links.items() if job in of)
            assert made.followers(job, Outcome.SUCCEEDED) == expected


def test_a_hundred_thousand_jobs_in_a_row_are_put_in_any_order_in_no_time() -> None:
    row = list(range(100_000))
    orders = [row, row[::-1], random.Random(1).sample(row, len(row))]
    for order in orders:
        made = Chain()
        with at_most(6):
            for number in order:
                links = after(f"j{number - 1}")
                assert made.cycle(f"j{number}", links) is None
                made.put(f"j{number}", links)
        with at_most(2):
            closed = made.cycle("j0", after("j99999"))
        assert closed == tuple(f"j{number}" for number in row)
