"""The record on a real disk: what is in its file, and what happens to it."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from jobschedd.model.error import CannotRun
from jobschedd.model.record import Alive, Booted, Claimed, Defined, Doubt, Doubted, Ended, Owing, Passed, RecordFailed
from jobschedd.model.rows import lies_in
from jobschedd.model.run import DAY, HOUR, SECOND, Cause, Ending, Instant, Outcome, Run, make_run_id
from jobschedd.world.store import Marker, SqliteStore, record_path, tidying
from jobschedd.world.store.reading import Reader, UnreadableRecord
from jobschedd.world.store.statement import SCHEMA, SQL
from tests.conftest import at, at_most

NOW = at("2026-11-23 08:00")
HOSTILE = ["'; DROP TABLE run; --", "a%b_c", 'x"y', "☃\x1b[31m", "a*?[b]"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "record.db"), host="here", marker=Marker(str(tmp_path)))
    made.open(NOW, "boot")
    yield made
    made.close()


def again(store: SqliteStore) -> SqliteStore:
    """As the next daemon would make it."""
    store.close()
    return SqliteStore(store._path, host="here", marker=store._marker)


def run(job: str = "a", instant: Instant = NOW, number: int = 0, **keys: object) -> Run:
    return Run(make_run_id(instant, number or crc32(job.encode())), job, instant, Cause.SCHEDULE, **keys)  # type: ignore[arg-type]


def claimed(store: SqliteStore, *runs: Run) -> frozenset[str]:
    return store.write([Claimed(made) for made in runs])


def test_of_one_job_instant_and_attempt_there_is_one_claim(store: SqliteStore) -> None:
    one, two, retry = run(number=1), run(number=2), run(number=3, attempt=2)
    assert claimed(store, one, two, retry) == {two.run_id}
    assert claimed(again(store), one, run(number=4)) == {one.run_id, run(number=4).run_id}


def test_what_is_written_stands_as_one_or_not_at_all(store: SqliteStore) -> None:
    good = run("a")
    with pytest.raises(RecordFailed, match="NOT NULL"):
        store.write([Claimed(good), Defined("a", None, "", "{}", 0, NOW)])  # type: ignore[arg-type]
    assert claimed(store, good) == frozenset()


@pytest.mark.fault("A44")
def test_the_record_is_nobody_else_s_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = SqliteStore(str(tmp_path / "record.db"), host="here", marker=Marker(str(tmp_path)))
        made.open(NOW, "boot")
        made.write([Alive(NOW)])
        made.doubt(Doubt(NOW))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        made.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("record.db", "record.db-wal", "record.db-shm", "unrecorded-since"), 0o600)


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "record.db").symlink_to(tmp_path / "elsewhere")
    made = SqliteStore(str(tmp_path / "record.db"), host="here", marker=Marker(str(tmp_path)))
    with pytest.raises(RecordFailed, match="is a symbolic link"):
        made.open(NOW, "boot")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.fault("A39")
@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_values_and_never_sql(store: SqliteStore, text: str) -> None:
    store.write(
        [
            Claimed(run(text)),
            Ended(run(text).run_id, Outcome.FAILED, NOW, Ending(1, None, 0, None, text)),
            Passed(run(text, NOW + SECOND, 1), Outcome.MISSED, text, NOW, 2),
            Defined(text, text, text, text, 0, NOW),
        ]
    )
    with Reader(store._path) as reader:
        assert [(row.job_id, row.reason) for row in reader.history("*", 9)] == [(text, text)] * 2
        assert [version.path for version in reader.versions(text)] == [text]
        assert reader.history("' OR 1=1 --", 9) == []
        assert reader.history("%", 9) == []


@pytest.mark.parametrize("name", ["ahead", *(name for name in vars(SQL) if name.startswith(("past_", "take_back")))])
def test_no_start_and_no_step_of_the_clock_looks_at_all_rows(store: SqliteStore, name: str) -> None:
    statement = getattr(SQL, name)
    values = dict.fromkeys(re.findall(r":([a-z_]+)", statement), 1) or (1,) * statement.count("?")
    assert store._db is not None
    plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    few = r"SCAN (run|passed) USING INDEX (run_open|run_waiting|run_ahead)"
    assert [step for step in plan if re.match("SCAN (run|passed)", step) and not re.match(few, step)] == []


def test_sql_is_never_put_together_from_values() -> None:
    room = Path(__file__).parents[2] / "jobschedd/world/store"
    for path in room.glob("*.py"):
        for line in path.read_text().splitlines():
            if 'f"' in line and any(word in line for word in ("SELECT ", "INSERT ", "DELETE ", "UPDATE ")):
                raise AssertionError(f"{path.name}: {line}")


# -- a file that is not what it should be --------------------------------------------------------------------------


@pytest.mark.fault("F12")
@pytest.mark.parametrize("content", [b"", b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_record_is_set_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "record.db").write_bytes(content)
    made = SqliteStore(str(tmp_path / "record.db"), host="here", marker=Marker(str(tmp_path)))
    past = made.open(NOW, "boot")
    if content:
        assert past.set_aside == f"{tmp_path}/record.db.unusable-{NOW}"
        assert Path(past.set_aside).read_bytes() == content
    assert claimed(made, run()) == frozenset()
    made.close()


@pytest.mark.fault("F12")
def test_whatever_is_done_to_its_bytes_the_daemon_has_a_record(store: SqliteStore, tmp_path: Path) -> None:
    store.write([Claimed(run(f"j{n}", NOW + n, n)) for n in range(300)])
    store.close()
    content = (tmp_path / "record.db").read_bytes()
    draw = random.Random(12)
    broken, newer = [], []
    for number in range(300):
        spoilt = bytearray(content)
        match draw.randrange(3):
            case 0:
                del spoilt[draw.randrange(len(spoilt)) :]
            case 1:
                for _ in range(draw.choice([1, 10, 1_000])):
                    spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
            case 2:
                begin = draw.randrange(len(spoilt))
                spoilt[begin : begin + 4096] = bytes(4096)
        home = tmp_path / str(number)
        home.mkdir()
        (home / "record.db").write_bytes(spoilt)
        made = SqliteStore(str(home / "record.db"), host="here", marker=Marker(str(home)))
        try:
            made.open(NOW, "boot")
            made.write([Claimed(run("new", NOW + DAY))])
        except RecordFailed as error:
            broken.append((error.broken, str(error)))  # found at the first write: it is set aside then
            made.set_aside(NOW)
            made.write([Claimed(run("new", NOW + DAY))])
        except CannotRun as error:
            newer.append(str(error))
        made.close()
    assert [text for kind, text in broken if not kind] == []
    assert all("a newer jobschedd has written it" in text for text in newer)


def spoil_a_page_that_no_start_reads(store: SqliteStore) -> None:
    rows = [run("a", NOW + n, n) for n in range(1_000)]
    store.write([*map(Claimed, rows)])
    store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0)) for made in rows])
    store.close()
    content = bytearray(Path(store._path).read_bytes())
    page = content.index(rows[500].run_id.encode()) // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    Path(store._path).write_bytes(content)


@pytest.mark.fault("F12")
def test_a_page_that_no_start_of_the_daemon_reads_is_looked_at_all_the_same(store: SqliteStore) -> None:
    spoil_a_page_that_no_start_reads(store)
    assert again(store).open(NOW + DAY, "boot").set_aside is not None


@pytest.mark.fault("F12")
def test_a_record_that_is_too_large_for_the_start_is_looked_through_meanwhile(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_a_page_that_no_start_reads(store)
    monkeypatch.setattr("jobschedd.world.store.sqlite.CHECKED", 0)
    later = again(store)
    assert later.open(NOW + DAY, "boot").set_aside is None
    assert later._check is not None
    later._check.join(60)
    with pytest.raises(RecordFailed, match="Page") as failed:
        later.write([Alive(NOW + DAY)])
    assert failed.value.broken
    later.set_aside(NOW + DAY)
    assert claimed(later, run("b")) == frozenset()
    later.close()


@pytest.mark.parametrize(
    ("name", "value"), [("synchronous", 2), ("journal_mode", "wal"), ("trusted_schema", 0), ("auto_vacuum", 2)]
)
def test_what_a_power_cut_and_a_foreign_file_need_is_set(store: SqliteStore, name: str, value: object) -> None:
    """2 is FULL of the one and INCREMENTAL of the other. The power cuts of tests/system see what it is for."""
    assert store._db is not None
    assert store._db.execute(f"PRAGMA {name}").fetchone() == (value,)


@pytest.mark.fault("A40")
@pytest.mark.parametrize(
    "poison",
    [
        "CREATE TRIGGER evil AFTER INSERT ON run BEGIN DELETE FROM run; END",
        "CREATE VIEW evil AS SELECT * FROM run",
        "DROP INDEX run_claim",
        "ALTER TABLE run ADD COLUMN evil",
    ],
)
def test_a_record_with_other_tables_than_ours_is_not_used(store: SqliteStore, poison: str) -> None:
    store.close()
    db = sqlite3.connect(store._path)
    db.execute(poison)
    db.close()
    assert again(store).open(NOW, "boot").set_aside is not None


@pytest.mark.fault("F05")
@pytest.mark.parametrize("version", range(1, len(SCHEMA)))
def test_a_record_of_an_older_version_is_brought_up_to_date_with_all_that_is_in_it(
    tmp_path: Path, version: int
) -> None:
    db = sqlite3.connect(tmp_path / "record.db")
    for step in SCHEMA[:version]:
        db.executescript(step)
    head = "run_id, job_id, scheduled_at, attempt, definition, cause, outcome, synchronised, host"
    going = run("a", NOW, 1)
    db.execute(
        f"INSERT INTO run ({head}) VALUES (?, 'a', ?, 1, 'd', 'schedule', 'running', 1, 'here')", (going.run_id, NOW)
    )
    if version == 4:
        db.execute(
            "INSERT INTO passed VALUES ('x', 'z', ?, ?, 9, 'd', 'schedule', 'missed', 'not known', 0, 1, 'here', NULL, 1, NULL)",
            (NOW - HOUR, NOW),
        )
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
    made = SqliteStore(str(tmp_path / "record.db"), host="here", marker=Marker(str(tmp_path)))
    past = made.open(NOW + SECOND, "boot")
    assert (past.set_aside, [claim.run.run_id for claim in past.open]) == (None, [going.run_id])
    assert past.doubted.noted == (((NOW - HOUR, NOW),) if version == 4 else ())
    assert claimed(made, run("a", NOW, 2), run("b", NOW)) == {run("a", NOW, 2).run_id}
    made.close()
    with Reader(made._path) as reader:
        assert [row.told()["labels"] for row in reader.history("a", 9)] == [{}]


@pytest.mark.fault("F05")
def test_a_record_of_a_newer_version_is_left_alone(store: SqliteStore) -> None:
    store.close()
    db = sqlite3.connect(store._path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(CannotRun, match="a newer jobschedd has written it"):
        again(store).open(NOW, "boot")
    assert Path(store._path).exists()


# -- while it is in use --------------------------------------------------------------------------------------------


@pytest.mark.fault("F13")
def test_somebody_else_s_lock_costs_a_moment_and_not_the_record(store: SqliteStore) -> None:
    other = sqlite3.connect(store._path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = os.times().elapsed
    with pytest.raises(RecordFailed, match="locked") as failed:
        claimed(store, run())
    assert os.times().elapsed - began < 0.2
    assert not failed.value.broken
    other.execute("ROLLBACK")
    other.close()
    assert claimed(store, run()) == frozenset()


def test_whoever_reads_does_not_hold_up_a_write(store: SqliteStore) -> None:
    claimed(store, run())
    with Reader(store._path) as reader:
        reader._db.execute("BEGIN")
        assert len(reader.history("a", 9)) == 1
        assert claimed(store, run("b")) == frozenset()


@pytest.mark.fault("F14")
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_taken_away_is_noticed_at_the_next_write(store: SqliteStore, tmp_path: Path, how: str) -> None:
    claimed(store, run())
    if how == "deleted":
        os.unlink(store._path)
    else:
        (tmp_path / "new").write_bytes(b"")
        os.rename(tmp_path / "new", store._path)
    with pytest.raises(RecordFailed, match="was taken away") as failed:
        claimed(store, run("b"))
    assert failed.value.broken
    store.set_aside(NOW)
    assert claimed(store, run("b")) == frozenset()


@pytest.mark.fault("F11")
def test_after_an_error_of_the_disk_the_file_is_opened_and_looked_at_anew(store: SqliteStore) -> None:
    claimed(store, run())
    real = store._db

    class Failing:
        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            assert real is not None
            if statement == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            return real.execute(statement, *values)

        def close(self) -> None:
            assert real is not None
            real.close()

    store._db = Failing()  # type: ignore[assignment]
    with pytest.raises(RecordFailed, match="disk I/O error"):
        claimed(store, run("b"))
    assert store._db is None
    assert claimed(store, run("b")) == frozenset()


@pytest.mark.parametrize("doubt", [Doubt(NOW, ((NOW, NOW + 7), (NOW + DAY, NOW + 2 * DAY)), NOW - 5), None])
def test_the_marker_is_read_by_the_next_daemon(store: SqliteStore, doubt: Doubt | None) -> None:
    store.doubt(Doubt(NOW - 5))
    store.doubt(doubt)
    assert again(store).open(NOW, "boot").doubt == doubt


def test_a_marker_fits_into_a_sector_however_many_spans_there_are(tmp_path: Path) -> None:
    marker, doubt = Marker(str(tmp_path)), Doubt(NOW)
    starts = [NOW + (1_600 - number * number) * HOUR for number in range(40)]
    for instant in starts:
        doubt = doubt.of([(instant, instant)]).short(NOW)
        marker.write(doubt)
    assert marker.read() == doubt
    assert (tmp_path / "unrecorded-since").stat().st_size <= 512
    assert all(lies_in(doubt.spans, instant) for instant in starts)
    assert not lies_in(doubt.spans, min(starts) + HOUR)  # the gaps that are kept are the longest


def test_a_marker_that_does_not_outlive_the_machine_says_so_and_is_read_all_the_same(tmp_path: Path) -> None:
    state, runtime = tmp_path / "state", tmp_path / "run"
    runtime.mkdir()
    assert not Marker(str(state), str(runtime)).write(Doubt(NOW))
    assert Marker(str(state), str(runtime)).read() == Doubt(NOW)
    state.mkdir()
    assert Marker(str(state), str(runtime)).write(Doubt(NOW))


@pytest.mark.parametrize("text", [b"9" * 480, b"-1" * 240, b"\xff" * 480, b"x" * 7, b"0" * 19 + b"1"])
def test_a_marker_that_nobody_has_written_so_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "unrecorded-since").write_bytes(text)
    found = Marker(str(tmp_path)).read()
    assert found in (None, Doubt(1))


def test_of_a_marker_that_is_spoilt_what_can_be_read_is_in_doubt(tmp_path: Path) -> None:
    marker = Marker(str(tmp_path))
    marker.write(Doubt(NOW, ((NOW, NOW + 1), (NOW + DAY, NOW + 2 * DAY))))
    path = tmp_path / "unrecorded-since"
    path.write_bytes(b"?" * 20 + path.read_bytes()[20:])
    assert marker.read() == Doubt(NOW, ((NOW, NOW + 1), (NOW + DAY, NOW + 2 * DAY)))
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert marker.read() is None


def test_the_marker_has_its_room_before_it_is_needed(tmp_path: Path) -> None:
    marker = Marker(str(tmp_path))
    marker.make()
    size = (tmp_path / "unrecorded-since").stat().st_size
    assert marker.read() is None
    marker.write(Doubt(NOW, ((NOW, NOW + 5),)))
    marker.make()
    assert marker.read() == Doubt(NOW, ((NOW, NOW + 5),))
    assert (tmp_path / "unrecorded-since").stat().st_size == size == 480


def test_a_record_that_others_could_read_is_closed_to_them(store: SqliteStore) -> None:
    store.close()
    os.chmod(store._path, 0o644)
    again(store).open(NOW, "boot")
    assert stat.S_IMODE(os.stat(store._path).st_mode) == 0o600


def test_a_boot_whose_row_was_deleted_has_had_its_reboot(store: SqliteStore) -> None:
    store.write([Defined("a", "d", "p", "{}", 0, NOW - DAY), Booted("boot", NOW), Claimed(run("a", NOW))])
    store.write([Ended(run("a", NOW).run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0))])
    store.write([Booted("boot", NOW + 3 * SECOND)])  # the clock was set
    tidy(store, NOW + DAY, 1_000)
    later = again(store)
    assert later.open(NOW + 91 * DAY, "boot").known["a"].accounted == NOW + 3 * SECOND
    later.close()


# -- size ----------------------------------------------------------------------------------------------------------


def tidy(store: SqliteStore, before: Instant, per_job: int) -> int:
    rounds = 1
    while store.tidy(before, per_job):
        rounds += 1
    return rounds


def test_what_may_have_been_started_is_known_as_long_as_rows_of_its_time_are_kept(store: SqliteStore) -> None:
    store.write([Doubted(((NOW, NOW + HOUR), (NOW + 200 * DAY, NOW + 201 * DAY)))])
    assert again(store).open(NOW, "boot").doubted.noted == ((NOW, NOW + HOUR), (NOW + 200 * DAY, NOW + 201 * DAY))
    tidy(store, NOW, 1_000)
    assert len(again(store).open(NOW, "boot").doubted.noted) == 2
    later = again(store)
    later.open(NOW, "boot")
    tidy(later, NOW + 91 * DAY, 1_000)
    assert later.read(NOW).doubted.noted == ((NOW + 200 * DAY, NOW + 201 * DAY),)
    later.close()


def test_rows_are_kept_for_a_time_and_so_many_a_job_and_what_ran_stays_done(store: SqliteStore) -> None:
    store.write([Defined("a", "d", "p", "{}", 0, NOW - 200 * DAY), Defined("b", "d", "p", "{}", 0, NOW - 200 * DAY)])
    old = [run("b", NOW - 100 * DAY + n * HOUR, n) for n in range(3)]
    new = [run("a", NOW - 1_500 * SECOND + n * SECOND, n) for n in range(1_500)]
    still = run("b", NOW - 99 * DAY, 99)
    store.write([Claimed(made) for made in (*old, *new, still)])
    done = Ending(0, None, 0, 0)
    store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, done) for made in (*old, *new)])
    assert tidy(store, NOW - 90 * DAY, 1_000) > 2
    with Reader(store._path) as reader:
        assert len(reader.history("a", 9_999)) == 1_000
        assert [row.run_id for row in reader.history("b", 9)] == [still.run_id]
    known = again(store).open(NOW, "boot").known
    assert known["b"].accounted == still.scheduled_at
    assert known["a"].accounted == new[-1].scheduled_at
    store.close()


def test_what_rows_have_taken_is_given_back_to_the_disk(store: SqliteStore) -> None:
    rows = [run("a", NOW - DAY + n * SECOND, n) for n in range(4_000)]
    store.write([Defined("a", "d", "p", "{}", 0, NOW - DAY), *map(Claimed, rows)])
    store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0)) for made in rows])
    assert store._db is not None
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    tidy(store, NOW - 90 * DAY, 10)
    assert store._db.execute("PRAGMA page_count").fetchone()[0] < pages // 2


def test_what_ran_once_stays_done_when_its_row_is_deleted(store: SqliteStore) -> None:
    store.write([Defined("a", "d", "p", "{}", 0, NOW - 200 * DAY), Claimed(run("a", NOW - 100 * DAY))])
    store.write([Ended(run("a", NOW - 100 * DAY).run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0))])
    tidy(store, NOW - 90 * DAY, 1_000)
    later = again(store)
    assert later.open(NOW, "boot").known["a"].accounted == NOW - 100 * DAY
    later.close()


def test_however_many_are_kept_a_piece_is_small_and_the_rest_goes(store: SqliteStore) -> None:
    rows = [run("a", NOW - DAY + n * SECOND, n) for n in range(30_500)]
    store.write([Defined("a", "d", "p", "{}", 0, NOW - DAY), *map(Claimed, rows)])
    store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0)) for made in rows])
    going = True
    while going:
        with at_most(0.02):
            going = store.tidy(NOW - 90 * DAY, 25_000)
    with Reader(store._path) as reader:
        kept = reader.history("a", 99_999)
    assert [row.run_id for row in kept] == [made.run_id for made in rows[-25_000:]]


def test_a_piece_of_tidying_takes_milliseconds(store: SqliteStore) -> None:
    store.write([Claimed(run("a", NOW - DAY + n * SECOND, n)) for n in range(20_000)])
    store.write(
        [
            Ended(make_run_id(NOW - DAY + n * SECOND, n), Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0))
            for n in range(20_000)
        ]
    )
    with at_most(0.05):
        assert store.tidy(NOW, 1_000)


@pytest.mark.fault("F12")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE fact SET value = 'zzz'", "UPDATE fact SET value = -1", "UPDATE definition SET terms = x'00'",
        "UPDATE definition SET digest = x'00'", "UPDATE boot SET instant = 'soon'", "UPDATE owing SET first_at = 'x'",
        "UPDATE run SET labels = '[1]'", "UPDATE run SET cause = 'whim'",
    ],
)  # fmt: skip
def test_values_that_jobschedd_does_not_write_are_no_record(store: SqliteStore, change: str) -> None:
    store.write([Alive(NOW), Booted("boot", NOW), Defined("a", "d", "p", "{}", 0, NOW), Owing("a", ((NOW, NOW),))])
    store.write([Claimed(run("b"))])
    store.close()
    with sqlite3.connect(store._path) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(change)
    db.close()
    later = again(store)
    assert later.open(NOW, "boot").set_aside
    assert claimed(later, run()) == frozenset()
    later.close()


def test_what_a_full_disk_left_in_doubt_is_told_of_a_record_that_is_put_aside_too(tmp_path: Path) -> None:
    marker = Marker(str(tmp_path))
    marker.make()
    marker.write(Doubt(NOW, ((NOW, NOW + HOUR),)))
    (tmp_path / "record.db").write_bytes(b"garbage" * 1_000)
    store = SqliteStore(str(tmp_path / "record.db"), host="here", marker=marker)
    past = store.open(NOW + HOUR, "boot")
    assert (bool(past.set_aside), past.doubt) == (True, Doubt(NOW, ((NOW, NOW + HOUR),)))
    store.close()


def test_rows_that_a_wrong_clock_deleted_do_not_silence_a_job_until_then(store: SqliteStore) -> None:
    store.write([Defined("a", "d", "p", "{}", 0, NOW - DAY)])
    ahead = [run("a", NOW + 400 * DAY + n * SECOND, n + 1) for n in range(30)]
    store.write([Claimed(made) for made in ahead])
    store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, Ending(0, None, 0, 0)) for made in ahead])
    tidy(store, NOW - 90 * DAY, 10)
    later = again(store)
    assert later.open(NOW + HOUR, "boot").known["a"].accounted <= NOW + HOUR
    later.close()


def test_jobs_without_rows_are_not_looked_at_one_by_one(store: SqliteStore) -> None:
    store.write([Defined(f"job-{n}", "d", "p", "{}", 0, NOW) for n in range(1_000)])
    assert tidy(store, NOW - 90 * DAY, 1_000) == 1


def test_a_piece_that_took_long_leaves_the_rest_to_the_next(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ending(0, None, 0, 0)
    for job, first in (("a", 1), ("b", 101)):
        runs = [run(job, NOW + n * SECOND, first + n) for n in range(30)]
        store.write([Claimed(made) for made in runs])
        store.write([Ended(made.run_id, Outcome.SUCCEEDED, NOW, ended) for made in runs])
    monkeypatch.setattr(tidying, "PIECE", 0.0)  # the first row takes too long
    assert tidy(store, NOW - 90 * DAY, 10) > 30
    with Reader(store._path) as reader:
        assert [len(reader.history(job, 99)) for job in ("a", "b")] == [10, 10]


def test_the_record_is_where_the_setting_says() -> None:
    assert record_path(None, "/var/lib/jobschedd") == "/var/lib/jobschedd/record.db"
    assert record_path("sqlite:///srv/x.db", "/var/lib/jobschedd") == "/srv/x.db"


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRecord, match=r"cannot read the record .*nowhere\.db"):
        Reader(str(tmp_path / "nowhere.db"))
