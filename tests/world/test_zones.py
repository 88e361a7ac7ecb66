"""The machine's time zones."""

from __future__ import annotations

import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from jobschedd.model.run import SECOND
from jobschedd.model.schedule import UTC_ZONE, read_zone
from jobschedd.model.timing import open_zone
from jobschedd.world import zones
from jobschedd.world.zones import ZoneDatabase
from tests.conftest import at

SYSTEM = next(path for path in map(Path, zones.TZPATH) if (path / "Europe/Berlin").exists())


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zone database of our own with one zone in it."""
    (tmp_path / "Europe").mkdir()
    shutil.copy(SYSTEM / "Europe/Berlin", tmp_path / "Europe/Berlin")
    monkeypatch.setattr(zones, "TZPATH", (str(tmp_path),))
    return tmp_path


def test_a_zone_is_its_rules_and_the_same_as_long_as_they_are(database: Path) -> None:
    before = ZoneDatabase()("Europe/Berlin")
    assert ZoneDatabase()("Europe/Berlin") is before
    (database / "Europe/Berlin").touch()
    assert ZoneDatabase()("Europe/Berlin") is before
    shutil.copy(SYSTEM / "Asia/Tokyo", database / "Europe/Berlin")
    assert ZoneDatabase()("Europe/Berlin") is not before


@pytest.mark.fault("F31")
def test_a_new_database_is_seen_by_the_next_reader_and_not_before(database: Path) -> None:
    reading = ZoneDatabase()
    summer = at("2026-07-01 12:00") // SECOND
    before = reading("Europe/Berlin")
    shutil.copy(SYSTEM / "Asia/Tokyo", database / "Europe/Berlin")
    assert reading("Europe/Berlin") is before
    from datetime import datetime

    assert datetime.fromtimestamp(summer, ZoneDatabase()("Europe/Berlin")).hour == 21


@pytest.mark.fault("F31")
def test_a_zone_that_is_gone_is_a_problem_in_words(database: Path) -> None:
    (database / "Europe/Berlin").unlink()
    with pytest.raises(ValueError, match='cannot find the time zone "Europe/Berlin" on this machine'):
        open_zone("Europe/Berlin", ZoneDatabase())


@pytest.mark.fault("A50")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"TZif",
        b"TZif2" + b"\xff" * 100,
        b"x" * 5_000,
        b"TZif2" + b"\0" * 39,
        b"TZif\0" + b"\0" * 15 + b"\x7f" * 24,
    ],
)
def test_a_zone_file_that_is_none_is_a_problem_in_words(database: Path, content: bytes) -> None:
    (database / "Europe/Bad").write_bytes(content)
    with pytest.raises(ValueError, match='cannot find the time zone "Europe/Bad"'):
        open_zone("Europe/Bad", ZoneDatabase())


@pytest.mark.fault("A50")
@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/../Europe/Berlin",
        ":Europe/Berlin",
        "Europe",
        "",
        "Europe//Berlin",
        "posixrules",
        "Europe/Berlin\n",
        "a" * 5_000,
    ],
)
def test_only_names_of_zones_are_looked_for(database: Path, name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        open_zone(name, ZoneDatabase())
    with pytest.raises((ValueError, OSError, KeyError)):
        ZoneDatabase()(f"../{database.name}/Europe/Berlin")


def test_utc_is_there_where_there_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "TZPATH", (str(tmp_path),))
    monkeypatch.setenv("TZ", "UTC")
    for zone in (ZoneDatabase()("UTC"), ZoneDatabase().local(), UTC_ZONE):
        assert zone.utcoffset(None) is None or zone.key == "UTC"
        from datetime import datetime

        assert datetime(2026, 7, 1, tzinfo=zone).utcoffset().total_seconds() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["Europe/Berlin", ":Europe/Berlin"])
def test_the_local_zone_is_what_tz_says(database: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TZ", text)
    assert ZoneDatabase().local().key == "Europe/Berlin"


def test_without_tz_it_is_what_the_link_or_the_file_says(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setattr(zones, "_LOCALTIME", link)
    assert ZoneDatabase().local().key == "Europe/Berlin"
    link.unlink()
    shutil.copy(SYSTEM / "Asia/Tokyo", link)
    assert ZoneDatabase().local() is read_zone("localtime", link.read_bytes())
    link.write_bytes(b"nonsense")
    assert ZoneDatabase().local() is UTC_ZONE


def test_a_tz_that_is_no_name_leaves_the_file_to_tell(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    link = tmp_path / "localtime"
    shutil.copy(SYSTEM / "Asia/Tokyo", link)
    monkeypatch.setattr(zones, "_LOCALTIME", link)
    assert ZoneDatabase().local() is read_zone("localtime", link.read_bytes())


def test_our_reading_is_zoneinfo_s() -> None:
    from datetime import UTC, datetime

    ours, theirs = ZoneDatabase()("Europe/Berlin"), ZoneInfo("Europe/Berlin")
    for month in range(1, 13):
        moment = datetime(2026, month, 29 if month != 2 else 28, 12, tzinfo=UTC)
        assert moment.astimezone(ours).isoformat() == moment.astimezone(theirs).isoformat()
