"""What may be said to have happened."""

from __future__ import annotations

import re
from pathlib import Path

from jobschedd.model.event import KINDS, RunFinished, show_instant
from jobschedd.model.run import Cause, Ending, Outcome, Run
from tests.conftest import at

ROOT = Path(__file__).parents[2]


def test_every_kind_has_a_name_and_an_id_of_its_own() -> None:
    assert len({kind.NAME for kind in KINDS}) == len({kind.MESSAGE_ID for kind in KINDS}) == len(KINDS)
    assert all(re.fullmatch("[0-9a-f]{32}", kind.MESSAGE_ID) for kind in KINDS)


def test_the_catalog_explains_every_kind_and_no_other() -> None:
    explained = re.findall(r"^-- ([0-9a-f]{32})$", (ROOT / "systemd/jobschedd.catalog").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(kind.MESSAGE_ID for kind in KINDS)


def test_what_a_run_has_used_is_told_as_far_as_it_is_known() -> None:
    run = Run("run", "a", 0, Cause.SCHEDULE)
    fields = RunFinished(run, Outcome.SUCCEEDED, Ending(0, None, 5, None), 1, 2).fields()
    assert fields["JOBSCHEDD_CPU_USEC"] == "5"
    assert "JOBSCHEDD_MEMORY_PEAK" not in fields
    assert "JOBSCHEDD_CPU_USEC" not in RunFinished(run, Outcome.LOST, Ending(None, None, 0, None), 1, 2).fields()


def test_an_instant_is_shown_in_utc() -> None:
    assert show_instant(at("2026-11-23 08:00")) == "2026-11-23T08:00:00Z"
    assert show_instant(at("2026-11-23 08:00") + 1) == "2026-11-23T08:00:00.000001Z"
