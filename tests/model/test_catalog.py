"""The jobs we believe in."""

from __future__ import annotations

import pytest

from jobschedd.model.catalog import Added, Catalog, Cleared, Removed, Troubled
from jobschedd.model.error import Problem
from jobschedd.model.message import FileChange
from tests.conftest import change

BAD = (Problem("schedule", "cannot read it"),)


def bad(name: str) -> FileChange:
    return FileChange(name, f"/etc/jobs.d/{name}", problems=BAD)


def test_a_new_file_adds_its_job() -> None:
    catalog = Catalog()
    (effect,) = catalog.apply(change("a.json", "a"))
    assert isinstance(effect, Added)
    assert not effect.replaced
    assert [made.job.job_id for made in catalog] == ["a"]


def test_the_same_content_again_has_no_effect() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "a"))
    assert catalog.apply(change("a.json", "a")) == []


def test_a_changed_file_replaces_its_job() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "a", "0 1 * * *"))
    (effect,) = catalog.apply(change("a.json", "a", "0 2 * * *"))
    assert isinstance(effect, Added)
    assert effect.replaced


def test_a_file_whose_id_changes_takes_its_old_job_away() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "old"))
    removed, added = sorted(
        catalog.apply(change("a.json", "new")), key=lambda effect: type(effect).__name__, reverse=True
    )
    assert isinstance(removed, Removed)
    assert isinstance(added, Added)
    assert catalog.get("old") is None
    assert catalog.get("new") is not None


def test_a_file_that_goes_takes_its_job_away() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "a"))
    (effect,) = catalog.apply(change("a.json"))
    assert isinstance(effect, Removed)
    assert len(catalog) == 0


def test_a_bad_file_keeps_its_last_good_version_and_says_which() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "a"))
    assert catalog.apply(bad("a.json")) == [Troubled("/etc/jobs.d/a.json", BAD, "a")]
    assert catalog.get("a") is not None
    assert catalog.problems == 1


def test_a_file_that_was_never_good_has_only_a_problem() -> None:
    catalog = Catalog()
    assert catalog.apply(bad("a.json")) == [Troubled("/etc/jobs.d/a.json", BAD, None)]
    assert len(catalog) == 0


def test_a_problem_is_said_once() -> None:
    catalog = Catalog()
    catalog.apply(bad("a.json"))
    assert catalog.apply(bad("a.json")) == []


def test_a_mended_file_clears_its_problem() -> None:
    catalog = Catalog()
    catalog.apply(bad("a.json"))
    added, cleared = catalog.apply(change("a.json", "a"))
    assert isinstance(added, Added)
    assert cleared == Cleared("/etc/jobs.d/a.json")
    assert catalog.problems == 0


def test_a_bad_file_that_goes_takes_its_last_good_version_with_it() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "a"))
    catalog.apply(bad("a.json"))
    effects = catalog.apply(change("a.json"))
    assert {type(effect) for effect in effects} == {Removed, Cleared}


@pytest.mark.fault("A09")
def test_of_two_files_with_one_id_the_one_that_sorts_first_has_it() -> None:
    for order in (["a.json", "b.json"], ["b.json", "a.json"]):
        catalog = Catalog()
        effects = [effect for name in order for effect in catalog.apply(change(name, "same", description=name))]
        winner = catalog.get("same")
        assert winner is not None
        assert winner.path == "/etc/jobs.d/a.json"
        (trouble,) = [effect for effect in effects if isinstance(effect, Troubled)]
        assert trouble.path == "/etc/jobs.d/b.json"
        assert "/etc/jobs.d/a.json has it" in trouble.problems[0].text
        assert len(catalog) == 1


@pytest.mark.fault("A09")
def test_when_the_winner_goes_the_other_takes_over() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "same", description="a"))
    catalog.apply(change("b.json", "same", description="b"))
    added, cleared = catalog.apply(change("a.json"))
    assert isinstance(added, Added)
    assert added.replaced is not None
    assert (added.replaced.path, added.definition.path) == ("/etc/jobs.d/a.json", "/etc/jobs.d/b.json")
    assert cleared == Cleared("/etc/jobs.d/b.json")


@pytest.mark.fault("A09")
def test_a_loser_that_goes_leaves_the_winner_alone() -> None:
    catalog = Catalog()
    catalog.apply(change("a.json", "same"))
    catalog.apply(change("b.json", "same"))
    assert catalog.apply(change("b.json")) == [Cleared("/etc/jobs.d/b.json")]
    assert catalog.get("same") is not None


def test_three_files_with_one_id_take_turns() -> None:
    catalog = Catalog()
    for name in ("c.json", "a.json", "b.json"):
        catalog.apply(change(name, "same", description=name))
    order = []
    for name in ("a.json", "b.json", "c.json"):
        winner = catalog.get("same")
        assert winner is not None
        order.append(winner.path[-6:])
        catalog.apply(change(name))
    assert order == ["a.json", "b.json", "c.json"]
    assert catalog.get("same") is None
    assert catalog.problems == 0
