"""`jobctl history`, `audit` and `why` over a record on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobschedd.ctl.__main__ import main
from jobschedd.explanation import Explanation
from jobschedd.model.audit import Audit, InForce, Row, Start, audit_job
from jobschedd.model.record import Alive, Began, Claimed, Defined, Ended, Entry, Owing, Passed, Paused, Undefined, Waits
from jobschedd.model.run import DAY, HOUR, MINUTE, SECOND, Cause, Ending, Instant, Outcome, Run, make_run_id
from jobschedd.model.schedule import UTC_ZONE, parse_schedule
from jobschedd.model.waiting import Held
from jobschedd.world.store import Marker, SqliteStore
from jobschedd.world.store.reading import Reader
from jobschedd.world.zones import ZoneDatabase
from tests.conftest import at, definition
from tests.test_daemon import as_root

EIGHT = at("2026-11-23 08:00")
Said = Callable[..., tuple[int, str]]


class Written:
    """A record, and what is written to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = SqliteStore(str(home / "record.db"), host="here", marker=Marker(str(home)))
        self.store.open(EIGHT, "boot")
        self._count = 0

    def write(self, *entries: Entry) -> None:
        self.store.write(entries)

    def define(self, job: str, schedule: Any, since: Instant, **keys: Any) -> None:
        made = definition(job, schedule, **keys)
        self.write(Defined(job, made.digest, made.path, made.terms, keys.pop("delay", 0), since))

    def make(self, job: str, instant: Instant, **keys: Any) -> Run:
        self._count += 1
        return Run(make_run_id(instant, self._count), job, instant, keys.pop("cause", Cause.SCHEDULE), **keys)

    def ran(
        self, job: str, instant: Instant, *, late: int = 2_000, took: int = SECOND, code: int = 0, **keys: Any
    ) -> None:
        run = self.make(job, instant, **keys)
        outcome = Outcome.FAILED if code else Outcome.SUCCEEDED
        began = Began(run.run_id, 4711, instant + late)
        self.write(Claimed(run), began, Ended(run.run_id, outcome, instant + late + took, Ending(code, None, 5, 6)))

    def passed(self, job: str, span: tuple[Instant, Instant], count: int, outcome: Outcome, reason: str) -> None:
        self.write(Passed(self.make(job, span[1]), outcome, reason, span[0], count))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    monkeypatch.setenv("JOBSCHEDD_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("JOBSCHEDD_CONFIG", str(tmp_path / "none"))
    made = Written(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def said(*words: str) -> tuple[int, str]:
        code = main(words)
        out = capsys.readouterr()
        return code, out.out + out.err

    return said


# -- history -------------------------------------------------------------------------------------------------------


def test_history_shows_runs_and_what_did_not_run(written: Written, said: Said) -> None:
    written.ran("backup", EIGHT)
    written.ran("report", EIGHT + MINUTE, code=3)
    written.passed(
        "backup", (EIGHT + HOUR, EIGHT + 3 * HOUR), 3, Outcome.MISSED, "down 08:30–11:10, which is a long while"
    )
    code, text = said("history")
    lines = text.splitlines()
    assert code == 0
    assert len(lines) == 4
    assert lines[1].split()[2:] == ["backup", "succeeded", "1s"]
    assert lines[2].split()[2:] == ["report", "failed", "1s", "exit", "code", "3"]
    assert "missed" in lines[3]
    assert "3 instants, down 08:30–11:10" in lines[3]


def test_that_nothing_is_on_the_record_is_said(written: Written, said: Said) -> None:
    written.define("a", "0 9 * * *", EIGHT)
    assert said("history", "a") == (0, "nothing is on the record for that\n")
    assert said("history", "a", "--json") == (0, "")


def test_history_is_narrowed_by_job_time_outcome_and_number(written: Written, said: Said) -> None:
    for hour in range(10):
        written.ran("a", EIGHT + hour * HOUR, code=hour % 2)
        written.ran("b", EIGHT + hour * HOUR)

    def rows(*words: str) -> list[tuple[str, str]]:
        code, text = said("history", "--json", *words)
        assert code == 0
        return [(row["job_id"], row["scheduled_at"][11:13]) for row in map(json.loads, text.splitlines())]

    assert len(rows()) == 20
    assert rows("a", "-n", "2") == [("a", "16"), ("a", "17")]
    assert rows("[a]*", "--outcome", "failed", "-n", "1") == [("a", "17")]
    assert rows("b", "--since", "2026-11-23T15:00:00Z", "--until", "2026-11-23T16:00:00Z") == [("b", "15"), ("b", "16")]
    assert rows("nobody*") == []
    assert said("history", "nobody")[0] == 4
    assert said("history", "--since", "yesterdayish")[0] == 2


def test_what_a_record_holds_cannot_speak_to_the_terminal(written: Written, said: Said) -> None:
    written.passed("a", (EIGHT, EIGHT), 1, Outcome.SKIPPED, "cannot_start: \x1b[2Jgone")
    assert "\x1b" not in said("history")[1]
    assert "\x1b" not in said("history", "--json")[1]


def test_without_a_record_it_says_where_it_looked(tmp_path: Path, said: Said) -> None:
    code, text = said("history", "--state-dir", str(tmp_path / "nowhere"))
    assert (code, text.startswith(f"jobctl history: cannot read the record {tmp_path}/nowhere/record.db")) == (1, True)


@as_root
@pytest.mark.parametrize("words", [("history",), ("audit",), ("why", "a")])
def test_a_record_that_one_may_not_read_is_not_permitted(written: Written, said: Said, words: tuple[str, ...]) -> None:
    written.define("a", "0 9 * * *", EIGHT)
    assert said(*words)[0] != 5
    os.seteuid(65534)
    try:
        code, text = said(*words)
    finally:
        os.seteuid(0)
    assert (code, text.startswith(f"jobctl {words[0]}: cannot read the record {written.home}/record.db")) == (5, True)


# -- audit ---------------------------------------------------------------------------------------------------------


def test_an_audit_counts_what_is_explained(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE)
    written.passed("a", (EIGHT + 20 * MINUTE, EIGHT + 40 * MINUTE), 3, Outcome.MISSED, "down")
    written.write(Owing("a", ((EIGHT + 50 * MINUTE, EIGHT + 50 * MINUTE),)), Alive(EIGHT + 55 * MINUTE))
    code, text = said("audit")
    assert code == 0
    assert text.startswith("instants 5, explained 5, unexplained 0, double 0, early 0; up to ")


@pytest.mark.parametrize("missing", [1, 3])
def test_an_audit_names_what_is_unexplained(written: Written, said: Said, missing: int) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    for number in range(1, 6):
        if number != missing:
            written.ran("a", EIGHT + number * 10 * MINUTE)
    written.write(Alive(EIGHT + 55 * MINUTE))
    code, text = said("audit", "--json")
    problem, numbers = map(json.loads, text.splitlines())
    assert code == 1
    assert problem == {"problem": "unexplained", "job_id": "a", "scheduled_at": f"2026-11-23T08:{missing}0:00Z"}
    assert (numbers["instants"], numbers["explained"], numbers["unexplained"]) == (5, 4, 1)
    assert said("audit", "--since", "2026-11-23T08:31:00Z")[0] == 0


def test_an_audit_goes_by_the_versions_that_were_in_force(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE)
    written.define("a", "*/15 * * * *", EIGHT + 20 * MINUTE - 1)
    written.ran("a", EIGHT + 30 * MINUTE)
    written.define("a", "*/15 * * * *", EIGHT + 40 * MINUTE, enabled=False)
    written.write(Undefined("a", EIGHT + HOUR), Alive(EIGHT + DAY))
    assert "instants 2, explained 2" in said("audit")[1]


def test_an_audit_says_of_how_many_jobs_it_cannot_see_all(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.define("b", "0 0 * * *", EIGHT)
    for number in range(1, 6):
        written.ran("a", EIGHT + number * 10 * MINUTE)
    written.write(Alive(EIGHT + 55 * MINUTE))
    while written.store.tidy(0, 2):
        pass
    code, text = said("audit")
    assert (code, "instants 2, explained 2" in text) == (0, True)
    assert "of 1 jobs the older rows have been deleted" in text
    assert json.loads(said("audit", "--json")[1])["shortened_jobs"] == 1
    assert "deleted" not in said("audit", "--since", "2026-11-23T08:40:00Z")[1]


def test_an_audit_finds_two_outcomes_of_one_instant(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    digest = definition("a", "*/10 * * * *").digest
    written.ran("a", EIGHT + 10 * MINUTE, definition=digest)
    made = written.make("a", EIGHT + 20 * MINUTE, definition=digest)
    written.write(Passed(made, Outcome.MISSED, "down", EIGHT + 10 * MINUTE, 2), Alive(EIGHT + 25 * MINUTE))
    code, text = said("audit")
    assert code == 1
    assert "double: a 2026-11-23 08:10:00" in text


def test_an_audit_finds_a_start_before_its_time(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE, late=-5)
    written.write(Alive(EIGHT + 15 * MINUTE))
    assert (said("audit")[0], "early: a " in said("audit")[1]) == (1, True)


def test_what_jitter_holds_back_is_not_missing_yet(written: Written, said: Said) -> None:
    made = definition("a", "0 * * * *", jitter="30m")
    written.write(Defined("a", made.digest, made.path, made.terms, 20 * MINUTE, EIGHT), Alive(EIGHT + 75 * MINUTE))
    assert "instants 0" in said("audit")[1]
    written.write(Alive(EIGHT + 81 * MINUTE))
    assert said("audit")[0] == 1


def test_a_year_of_seconds_that_was_missed_is_one_row_to_an_audit() -> None:
    schedule = parse_schedule("@every 1s", UTC_ZONE)
    year = 365 * DAY
    found = audit_job(
        "a",
        [InForce(schedule, 0, EIGHT, EIGHT + 2 * year)],
        starts=[Start(EIGHT + year + SECOND)],
        rows=[Row(EIGHT + SECOND, EIGHT + year, None)],
        boots=[],
        until=EIGHT + year + 2 * SECOND,
    )
    assert (found.instants, found.explained, found.rows) == (10_002, 10_001, 1)
    assert found.unexplained == [("a", EIGHT + year + 2 * SECOND)]


def test_a_start_of_an_instant_that_is_said_not_to_have_run_is_one_outcome_too_many() -> None:
    schedule = parse_schedule("*/10 * * * *", UTC_ZONE)
    half = EIGHT + 30 * MINUTE
    rows = [Row(EIGHT + 10 * MINUTE, EIGHT + 40 * MINUTE, 4)]

    def audit(*starts: Start) -> Audit:
        version = InForce(schedule, 0, EIGHT, EIGHT + 40 * MINUTE)
        return audit_job("a", [version], starts=starts, rows=rows, boots=[], until=EIGHT + HOUR)

    assert audit(Start(half)).double == [("a", half)]
    assert audit(Start(half + 1, of_schedule=False), Start(half, 2)).clean


def test_a_start_before_its_instant_is_early_unless_the_clock_was_set() -> None:
    instant = EIGHT + 10 * MINUTE

    def audit(start: Start) -> Audit:
        version = InForce(parse_schedule("*/10 * * * *", UTC_ZONE), 0, EIGHT, EIGHT + 10 * MINUTE)
        return audit_job("a", [version], starts=[start], rows=[], boots=[], until=EIGHT + HOUR)

    assert audit(Start(instant, 1, instant - 1)).early == [("a", instant)]
    assert audit(Start(instant, 1, instant - 1, ahead=True)).clean
    assert audit(Start(instant, 2, instant - 1)).clean


def test_rows_inside_rows_and_boots_are_seen() -> None:
    schedule = parse_schedule(["@reboot", "*/10 * * * *"], UTC_ZONE)
    boot = EIGHT + 45 * MINUTE
    rows = [Row(EIGHT + 10 * MINUTE, EIGHT + 40 * MINUTE, 4), Row(EIGHT + 20 * MINUTE, EIGHT + 20 * MINUTE, 1)]
    version = InForce(schedule, 0, EIGHT, EIGHT + HOUR)
    found = audit_job(
        "a", [version], starts=[Start(boot, 1, boot)], rows=rows, boots=[[boot - 5, boot]], until=EIGHT + 45 * MINUTE
    )
    assert found.clean
    bare = audit_job("a", [version], starts=[], rows=rows[1:], boots=[[boot - 5, boot]], until=EIGHT + 45 * MINUTE)
    assert bare.unexplained_count == 4


def test_a_boot_that_a_clock_step_gave_another_instant_is_one() -> None:
    version = InForce(parse_schedule("@reboot", UTC_ZONE), 0, EIGHT, EIGHT + DAY)
    boots = [[EIGHT + MINUTE, EIGHT + HOUR], [EIGHT + 5 * HOUR, EIGHT + 3 * HOUR]]
    found = audit_job("a", [version], starts=[Start(EIGHT + MINUTE)], rows=[], boots=boots, until=EIGHT + DAY)
    assert (found.instants, found.unexplained) == (2, [("a", EIGHT + 3 * HOUR)])


# -- why -----------------------------------------------------------------------------------------------------------


def why(said: Said, at: str, job: str = "a") -> str:
    code, text = said("why", job, "--at", f"{at}Z" if "T" in at else f"2026-11-23T{at}Z")
    assert code == 0
    return " ".join(text.split())


def test_why_tells_each_fate_in_words(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE, code=3)
    written.passed("a", (EIGHT + 20 * MINUTE, EIGHT + 40 * MINUTE), 3, Outcome.MISSED, "down 08:15–08:45")
    written.ran("a", EIGHT + 50 * MINUTE, late=5 * MINUTE, cause=Cause.CATCH_UP)
    written.write(Claimed(written.make("a", EIGHT + HOUR)), Owing("a", ((EIGHT + 70 * MINUTE, EIGHT + 70 * MINUTE),)))
    written.write(Alive(EIGHT + 2 * HOUR))
    assert (
        "was due at 2026-11-23 08:10:00. It was started 2ms later, as process 4711, and failed after 1s with exit code 3."
        in why(said, "08:10:00")
    )
    assert "and was missed: down 08:15–08:45. It is one of 3 instants from 2026-11-23 08:20:00" in why(said, "08:35:00")
    assert "It was started 5min later, caught up, as process 4711, and succeeded" in why(said, "08:55:00")
    assert "It is claimed and about to start." in why(said, "09:05:00")
    assert "and waits for its turn to be caught up." in why(said, "09:11:00")
    assert "That must not be" in why(said, "09:20:00")
    assert "was not there yet" in why(said, "07:00:00")
    assert "had no instant from 2026-11-23 08:00:00 on" in why(said, "08:05:00")


def test_why_knows_what_is_gone_off_or_paused(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE)
    written.write(Paused("a", EIGHT + 11 * MINUTE), Alive(EIGHT + 15 * MINUTE))
    assert "The job has been paused since 2026-11-23 08:11:00." in why(said, "08:12:00")
    written.define("a", "*/10 * * * *", EIGHT + 15 * MINUTE, enabled=False)
    assert '"enabled": false' in why(said, "08:31:00")
    written.write(Undefined("a", EIGHT + 40 * MINUTE))
    assert "it was removed at 2026-11-23 08:40:00" in why(said, "08:45:00")
    code, text = said("why", "nobody")
    assert (code, "the record knows no job nobody" in text) == (4, True)


def test_why_knows_of_a_start_that_was_claimed_before_its_job_went(written: Written, said: Said) -> None:
    written.define("a", "0 * * * *", EIGHT + MINUTE)
    written.ran("a", EIGHT + HOUR, code=7)
    written.write(Undefined("a", EIGHT + HOUR - 1_000))
    assert "with exit code 7" in why(said, "09:30:00")
    written.define("b", "0,59 * * * *", EIGHT + MINUTE)
    written.ran("b", EIGHT + 59 * MINUTE)
    written.ran("b", EIGHT + HOUR, code=7)
    written.write(Undefined("b", EIGHT + HOUR - 1_000))
    assert "with exit code 7" in why(said, "09:30:00", "b")


def test_why_speaks_of_an_instant_with_the_words_of_its_time_and_of_what_comes_with_those_of_now(
    written: Written, said: Said
) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE)
    written.define("a", "0 3 * * *", EIGHT + 15 * MINUTE)
    written.write(Alive(EIGHT + HOUR))
    told = why(said, "08:12:00")
    assert told.startswith("a (*/10 * * * *) was due at 2026-11-23 08:10:00.")
    assert " 03:00:00." in told[told.index("due again") :]
    written.define("b", "*/10 * * * *", EIGHT)
    written.ran("b", EIGHT + 10 * MINUTE, definition=definition("b", "*/10 * * * *").digest)
    written.write(Undefined("b", EIGHT + 10 * MINUTE - 1_000))  # it was claimed a little ahead
    written.define("b", "0 3 * * *", EIGHT + 10 * MINUTE - 1_000)
    written.write(Undefined("b", EIGHT + 50 * MINUTE))
    assert "b (*/10 * * * *) was due" in why(said, "08:12:00", "b")


def test_why_says_what_had_a_run_where_it_was_no_schedule_and_leaves_out_what_it_does_not_know(
    written: Written, said: Said
) -> None:
    written.define("a", "0 8 * * *", EIGHT)
    written.ran("a", EIGHT + 5 * MINUTE, cause=Cause.AFTER)
    written.write(Undefined("a", EIGHT + 6 * MINUTE))
    assert "a was to run after another job, which ended at 2026-11-23 08:05:00. It was started" in why(said, "08:05:00")
    written.define("b", None, EIGHT, watch={"path": "/srv/in/*"})
    run = written.make("b", EIGHT + 5 * MINUTE, cause=Cause.WATCH)
    ended = Ended(run.run_id, Outcome.SUCCEEDED, EIGHT + 6 * MINUTE, Ending(None, None, 0, None))
    written.write(Claimed(run), ended)
    assert why(said, "08:06:00", "b").endswith("The last time was 2026-11-23 08:05:00. It succeeded.")


def test_why_says_that_the_record_cannot_be_written_where_that_is_so(written: Written) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    with Reader(str(written.home / "record.db")) as reader:
        versions = list(reader.versions("a"))
        moment, zones = EIGHT + 10 * MINUTE, ZoneDatabase()
        full = Explanation(reader, versions, moment, now=moment + SECOND, zones=zones, degraded="disk full").words()
    assert "nothing is on the record yet, which cannot be written just now: disk full." in full


def test_why_says_when_the_daemon_has_not_decided_yet(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.write(Alive(EIGHT + 5 * MINUTE))
    assert "nothing is on the record yet: the daemon last wrote at 2026-11-23 08:05:00" in why(said, "08:10:00")


def test_why_says_of_a_time_to_come_when_it_will_be_due_and_names_jitter_only_where_there_is_some(
    written: Written, said: Said
) -> None:
    written.define("a", "0 2 * * *", EIGHT)
    assert why(said, "2199-11-23T03:00:00") == (
        "a (0 2 * * *) will be due at 2199-11-23 02:00:00. It is due again at 2199-11-24 02:00:00."
    )
    made = definition("b", "0 2 * * *", jitter="30m")
    written.write(Defined("b", made.digest, made.path, made.terms, 20 * MINUTE, EIGHT))
    assert (
        "will be due at 2199-11-23 02:00:00, and starts at 2199-11-23 02:20:00: jitter holds it back until then."
        in why(said, "2199-11-23T03:00:00", "b")
    )
    written.define("c", None, EIGHT, after=["a"])
    assert "2199" not in why(said, "2199-11-23T03:00:00", "c"), "nothing is known of what has not happened"


def test_why_says_the_same_words_and_names_in_json_as_the_socket(written: Written, said: Said) -> None:
    written.define("a", "*/10 * * * *", EIGHT)
    written.ran("a", EIGHT + 10 * MINUTE)
    told = json.loads(said("why", "a", "--at", "2026-11-23T08:10:00Z", "--json")[1])
    assert told.keys() == {"job_id", "answer", "runs"}
    assert [row["scheduled_at"] for row in told["runs"]] == ["2026-11-23T08:10:00Z"]


# -- runs that no schedule asks for, and runs that wait ------------------------------------------------------------------


def test_a_job_without_a_schedule_is_asked_about_its_last_run(written: Written, said: Said) -> None:
    written.define("report", None, EIGHT, after=["import"])
    written.write(Alive(EIGHT + HOUR))
    assert "has no schedule: it runs after other jobs, or when files arrive. Neither" in " ".join(
        said("why", "report")[1].split()
    )
    written.ran("report", EIGHT + MINUTE, cause=Cause.AFTER, code=3)
    told = " ".join(said("why", "report")[1].split())
    assert "The last time was" in told
    assert "failed after 1s with exit code 3." in told
    code, told = said("audit")
    assert code == 0, told


def test_a_line_belongs_to_the_run_that_can_have_written_it(written: Written) -> None:
    def written_by(pid: int, at: Instant) -> str | None:
        with Reader(str(written.home / "record.db")) as reader:
            return reader.run_at("a", pid, at)

    one, two, three = (written.make("a", EIGHT + minute * MINUTE) for minute in (1, 2, 3))
    written.write(Claimed(one))
    assert written_by(99, one.scheduled_at) == one.run_id, "it is about to start"
    written.write(Began(one.run_id, 11, one.scheduled_at))
    written.write(Ended(one.run_id, Outcome.SUCCEEDED, one.scheduled_at + SECOND, Ending(0, None, 5, 6)))
    assert written_by(99, one.scheduled_at + 50 * SECOND) == one.run_id, "read late, but no other has been"
    assert written_by(99, one.scheduled_at + 2 * MINUTE) is None
    written.write(Claimed(two), Began(two.run_id, 22, two.scheduled_at))
    assert written_by(99, two.scheduled_at + 1) == two.run_id
    assert written_by(11, two.scheduled_at + 1) == one.run_id, "who wrote is known"
    written.write(Claimed(three), Began(three.run_id, 33, three.scheduled_at))
    assert written_by(99, three.scheduled_at + 1) is None, "either of them"
    assert written_by(33, three.scheduled_at + 1) == three.run_id


def test_terms_that_nobody_wrote_are_told_and_not_traced(written: Written, said: Said) -> None:
    written.define("a", "0 9 * * *", EIGHT)
    written.write(Alive(EIGHT + 2 * HOUR))
    written.store._db.execute("UPDATE definition SET terms = '{'")  # type: ignore[union-attr]
    code, text = said("audit")
    assert code == 1
    assert "cannot compute the instants of a" in text


def test_a_run_that_waits_is_explained_and_says_for_what(written: Written, said: Said) -> None:
    written.define("backup", "0 9 * * *", EIGHT)
    run = written.make("backup", EIGHT + HOUR)
    written.write(
        Waits(Held(run, EIGHT + HOUR, None, "overlap: the last run has to end first")), Alive(EIGHT + 2 * HOUR)
    )
    told = said("why", "backup", "--at", "2026-11-23 09:00")[1]
    assert "It waits: overlap: the last run has to end first." in " ".join(told.split())
    assert "waiting" in said("history", "backup")[1]
    code, told = said("audit")
    assert code == 0, told
    assert "explained 1" in told


def test_a_run_that_waits_is_started_by_its_claim_and_by_nothing_else(written: Written) -> None:
    run = written.make("backup", EIGHT + HOUR)
    other = written.make("backup", EIGHT + HOUR)
    written.write(Waits(Held(run, EIGHT)), Waits(Held(other, EIGHT)))
    assert written.store.write([Claimed(other)]) == {other.run_id}
    assert written.store.write([Claimed(run)]) == frozenset()
    assert written.store.write([Claimed(run)]) == {run.run_id}
    past = written.store.read(EIGHT)
    assert ([claim.run.run_id for claim in past.open], past.waiting) == ([run.run_id], ())


def test_what_waits_is_read_as_it_was_written(written: Written) -> None:
    held = Held(written.make("in", EIGHT), EIGHT, EIGHT + HOUR, "limit", (("JOBSCHEDD_PATH", "/srv/\udcff\u00fc"),))
    written.write(Waits(held))
    (found,) = written.store.read(EIGHT).waiting
    assert found == held
