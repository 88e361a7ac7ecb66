"""What the tests of the world share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.world.runs import Runs


@pytest.fixture
def runs() -> Iterator[Runs]:
    made = Runs()
    yield made
    shutil.rmtree(made.directory)
    made.process.close()
