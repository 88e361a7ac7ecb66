"""What may be said to have happened."""

from __future__ import annotations

import re
from pathlib import Path

from jobschedd.model.event import KINDS, show_instant
from tests.conftest import at

ROOT = Path(__file__).parents[2]


def test_every_kind_has_a_name_and_an_id_of_its_own() -> None:
    assert len({kind.NAME for kind in KINDS}) == len({kind.MESSAGE_ID for kind in KINDS}) == len(KINDS)
    assert all(re.fullmatch("[0-9a-f]{32}", kind.MESSAGE_ID) for kind in KINDS)


def test_the_catalog_explains_every_kind_and_no_other() -> None:
    explained = re.findall(r"^-- ([0-9a-f]{32})$", (ROOT / "systemd/jobschedd.catalog").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(kind.MESSAGE_ID for kind in KINDS)


def test_an_instant_is_shown_in_utc() -> None:
    assert show_instant(at("2026-11-23 08:00")) == "2026-11-23T08:00:00Z"
    assert show_instant(at("2026-11-23 08:00") + 1) == "2026-11-23T08:00:00.000001Z"
