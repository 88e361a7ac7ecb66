"""Names that count and layers that win."""

from __future__ import annotations

import pytest

from jobschedd.model.layers import is_job_file, winner


@pytest.mark.fault("A07")
@pytest.mark.parametrize(
    "name",
    [
        "..json", ".x.json", ".x.json.swp", "x.json~", "x.json.swp", "x.json.tmp", "x.json.dpkg-new", "x.json.dpkg-dist",
        "x.json.rpmsave", "x.json.rpmnew", "x", "x.JSON", "4913", "x\n.json", "x\x1b[2J.json", "x\udcff.json", "",
        ".json", "x\u202e.json",
    ],
)  # fmt: skip
def test_a_name_that_is_no_job_file_s(name: str) -> None:
    assert not is_job_file(name)


@pytest.mark.fault("A07")
@pytest.mark.parametrize("name", ["x.json", "-rf.json", "x.toml", "a b.json", "ü.json", "x" * 250 + ".json"])
def test_a_name_that_counts(name: str) -> None:
    assert is_job_file(name)


def test_the_highest_layer_that_has_a_name_wins() -> None:
    layers = [{"b"}, {"a", "b"}, {"c"}]
    assert [winner(name, layers) for name in "abcd"] == [1, 0, 2, None]
