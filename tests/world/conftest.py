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
    made.process.close()  # it may be about to start another runner, which listens there
    shutil.rmtree(made.directory)
