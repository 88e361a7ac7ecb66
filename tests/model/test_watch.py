"""Which files a path means, and when they have come to rest: told in numbers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobschedd.model.error import BadFile
from jobschedd.model.job import JOB, parse
from jobschedd.model.part import Watch
from jobschedd.model.run import MINUTE, SECOND
from jobschedd.model.timing import Defaults
from jobschedd.model.watch import MOST_BYTES, MOST_PATHS, Batch, Look, can_be_named, cut, environment, read_pattern
from tests.conftest import at_most, job_file

SETTLE = 2 * SECOND
REST = 5 * MINUTE


@pytest.mark.parametrize(
    ("path", "fixed", "steps", "last"),
    [
        ("/srv/in", "/srv", [], "in"),
        ("/srv/in/", "/srv/in", [], "*"),
        ("/in", "/", [], "in"),
        ("/*", "/", [], "*"),
        ("//srv//in//*.csv", "/srv/in", [], "*.csv"),
        ("/srv/*/in/*.csv", "/srv", ["*", "in"], "*.csv"),
        ("/srv/[ab]/in", "/srv", ["[ab]"], "in"),
        ("/*/", "/", ["*"], "*"),
    ],
)
def test_a_path_is_taken_apart_at_its_first_glob(path: str, fixed: str, steps: list[str], last: str) -> None:
    pattern = read_pattern(path)
    assert (pattern.fixed, [step.text for step in pattern.steps], pattern.last.text) == (fixed, steps, last)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/srv/**/*.csv", '"/srv/*/in/*.csv"'),
        ("/srv/../etc/*", "without .."),
        ("/srv/./*", "without ."),
        ("/", '"/srv/in"'),
        ("//", '"/srv/in"'),
        ("/srv/" + "x" * 256, "255 bytes"),
        ("srv/*", "absolute"),
        ("/srv/\n", "absolute"),
    ],
)
def test_what_cannot_be_watched_is_refused_with_the_right_form(path: str, form: str) -> None:
    with pytest.raises(BadFile) as refused:
        parse("x.json", "x", job_file(watch={"path": path}), Defaults())
    problem = refused.value.problems[0]
    assert problem.where in {"watch.path", "watch"}
    problems = [problem.text for problem in refused.value.problems if problem.where == "watch.path"]
    assert form in problems[0]


@pytest.mark.parametrize(
    ("component", "fits", "not_"),
    [
        ("*", ["a", "a b", "\udcff", "~"], [".a"]),
        (".*", [".a"], ["a"]),
        ("*.csv", ["a.csv", "\n.csv"], [".csv", "a.csv.part", "a.CSV"]),
        ("[!a]?", ["bc"], ["ab", "b", ".c"]),
        ("a.b", ["a.b"], ["axb"]),
        ("[*]", ["*"], ["a"]),
    ],
)
def test_names_fit_as_in_a_shell(component: str, fits: list[str], not_: list[str]) -> None:
    last = read_pattern(f"/srv/{component}").last
    assert [name for name in fits + not_ if last.fits(name)] == fits


# -- batches -----------------------------------------------------------------------------------------------------------


class Files:
    """A batch, and what a look at each file shows."""

    def __init__(self, settle: int = SETTLE) -> None:
        self.batch = Batch(settle)
        self.signatures: dict[str, int | None] = {}

    def close(self, *paths: str, now: int, signature: int = 1) -> None:
        for path in paths:
            self.signatures[path] = signature
            self.batch.tell(path, signature, now)

    def find(self, *paths: str, now: int, rest: int, signature: int = 1) -> None:
        for path in paths:
            self.signatures[path] = signature
            self.batch.doubt(path, signature, now, rest)

    def next(self) -> tuple[int, list[str]]:
        """The next moment at which something goes, and what; never twice nothing for the same moment."""
        last = None
        while (due := self.batch.due) is not None:
            assert last is None or due > last
            last = due
            looks = {path: Look(self.signatures[path], REST) for path in self.batch.ripe(due)}
            if paths := self.batch.take(due, looks):
                return due, paths
        raise AssertionError("nothing goes any more")


def test_a_batch_goes_when_nothing_was_heard_for_as_long_as_it_settles() -> None:
    files = Files()
    files.close("b", now=0)
    files.close("a", now=1 * SECOND)
    files.close("b", now=2 * SECOND)
    assert files.next() == (4 * SECOND, ["a", "b"])
    assert files.batch.due is None
    assert len(files.batch) == 0


def test_without_a_time_to_settle_it_goes_at_once() -> None:
    files = Files(0)
    files.close("a", now=7)
    assert files.next() == (7, ["a"])


def test_a_steady_stream_goes_in_batches_of_those_that_have_rested() -> None:
    files = Files()
    for second in range(60):
        files.close(f"{second:03}", "restless", now=second * SECOND)
    assert files.next() == (60 * SECOND, [f"{second:03}" for second in range(59)])
    for second in range(60, 120):
        files.close(f"{second:03}", "restless", now=second * SECOND)
    assert files.next() == (120 * SECOND, [f"{second:03}" for second in range(59, 119)])
    assert files.next() == (121 * SECOND, ["119", "restless"])


def test_a_long_time_to_settle_makes_the_longest_wait_longer() -> None:
    files = Files(MINUTE)
    for second in range(601):
        files.close(f"{second}", now=second * SECOND)
    moment, paths = files.next()
    assert moment == 10 * MINUTE
    assert len(paths) == 541


def test_one_file_that_never_rests_is_not_looked_at_all_the_time() -> None:
    files = Files()
    looks = 0
    for tenth in range(3000):
        now = tenth * SECOND // 10
        files.close("a", now=now)
        if files.batch.due <= now:  # type: ignore[operator] # it waits
            looks += 1
            assert files.batch.ripe(now) == []
            files.batch.take(now, {})
    assert 0 < looks < 300
    assert files.next() == (now + SETTLE, ["a"])


def test_a_file_that_is_gone_is_left_out() -> None:
    files = Files()
    files.close("a", "b", now=0)
    files.signatures["a"] = None
    assert files.next() == (SETTLE, ["b"])
    files.close("a", now=SETTLE)
    files.signatures["a"] = None
    with pytest.raises(AssertionError, match="nothing goes"):
        files.next()


def test_a_file_that_was_changed_since_waits_for_its_close_or_a_long_rest() -> None:
    files = Files()
    files.close("a", "b", now=0)
    files.signatures["a"] = 2
    assert files.next() == (SETTLE, ["b"])
    files.signatures["a"] = 3
    assert files.next() == (SETTLE + 2 * REST, ["a"])
    files.close("c", now=0)
    files.signatures["c"] = 2
    files.batch.take(SETTLE, {"c": Look(2, REST)})
    files.close("c", now=3 * SETTLE)
    assert files.next() == (4 * SETTLE, ["c"])


def test_a_file_that_was_found_goes_when_it_has_rested_and_holds_nobody_up() -> None:
    files = Files()
    files.find("found", now=0, rest=REST)
    files.find("soon", now=0, rest=SECOND)
    files.close("told", now=0)
    files.find("told", now=SECOND, rest=REST)
    assert files.next() == (SECOND, ["soon"])
    assert files.next() == (SETTLE, ["told"])
    files.find("found", now=SETTLE, rest=SECOND)
    assert files.next() == (REST, ["found"])


def test_being_touched_puts_off_what_is_waited_for_and_brings_nothing_in() -> None:
    files = Files()
    files.close("a", now=0)
    files.find("b", now=0, rest=3 * SECOND)
    files.signatures |= {"a": 2, "b": 2}
    for path in ("a", "b", "c"):
        files.batch.touch(path, 2, SECOND)
    assert files.next() == (3 * SECOND, ["a"])
    assert files.next() == (4 * SECOND, ["b"])
    assert "c" not in files.batch


EVENTS = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.sampled_from("abcdef"), st.booleans()), max_size=40)


@given(EVENTS, st.integers(0, 5 * SECOND))
def test_whatever_happens_each_file_goes_once_after_its_last_event_has_rested(
    events: list[tuple[int, str, bool]], settle: int
) -> None:
    files = Files(settle)
    now = 0
    last: dict[str, int] = {}
    for gap, path, told in events:
        now += gap
        while (due := files.batch.due) is not None and due < now:
            looks = {p: Look(1, REST) for p in files.batch.ripe(due)}
            for gone in files.batch.take(due, looks):
                assert due >= last.pop(gone) + settle
        if told:
            files.close(path, now=now)
            last[path] = now
        else:
            files.find(path, now=now, rest=settle)
            last.setdefault(path, now)
    while last:
        moment, paths = files.next()
        for path in paths:
            assert moment >= last.pop(path) + settle
    assert files.batch.due is None


def test_a_hundred_thousand_files_at_once_cost_little() -> None:
    files = Files()
    with at_most(3):
        for number in range(100_000):
            files.close(f"/srv/in/{number}", now=number * 100)
        _, paths = files.next()
    assert len(paths) == 100_000


# -- what a run is given -----------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(blacklist_characters="\0\n", blacklist_categories=["Cs"]), min_size=1)))
def test_batches_hold_all_paths_in_order_and_fit_into_an_environment(paths: list[str]) -> None:
    batches = list(cut(paths))
    assert [path for batch in batches for path in batch] == paths
    assert all(batches)


def test_a_batch_is_cut_by_count_and_by_bytes() -> None:
    assert [len(batch) for batch in cut(["/a"] * 2500)] == [MOST_PATHS, MOST_PATHS, 500]
    long = ["/" + "ä" * 2000] * 60
    for batch in cut(long):
        assert len(os.fsencode(environment(batch)[0][1])) <= MOST_BYTES
    assert sum(len(batch) for batch in cut(long)) == 60


def test_a_shell_reads_every_path_back(tmp_path: Path) -> None:
    """As docs/watching.md shows it."""
    names = [b"a", b" two  words ", b"\xff", b"$(id)", b"-n", b"\\", b"tab\t", b"*"]
    paths = [os.fsdecode(os.fsencode(tmp_path) + b"/" + name) for name in names]
    script = 'printf "%s\\n" "$JOBSCHEDD_PATH" | while IFS= read -r f; do printf "%s\\0" "$f"; done'
    done = subprocess.run(["sh", "-c", script], env=dict(environment(paths)), capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(path) for path in paths]


def test_a_newline_cannot_be_named() -> None:
    assert can_be_named("/srv/in/a\r\t\udcff")
    assert not can_be_named("/srv/in/a\n/etc/passwd")


def test_the_settle_time_is_two_seconds_where_none_is_given() -> None:
    assert Watch(path="/srv/in").settle == 2 * SECOND


def test_every_watch_in_its_document_is_one() -> None:
    text = (Path(__file__).parents[2] / "docs/watching.md").read_text()
    found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(found) > 2
    for keys in found:
        values = {"job_id": "a", "task": {"type": "execute_command", "command": "true"}} | json.loads(keys)
        assert JOB.validate_python(values, context=Defaults()).watch is not None
