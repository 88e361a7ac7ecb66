"""A crontab is read as cron reads it. What is expected here was seen from Debian's own entry.c and env.c, compiled."""

from __future__ import annotations

import random

import pytest

from jobschedd.ctl.imports.anacron import Period, read_anacrontab
from jobschedd.ctl.imports.crontab import Bad, Entry, Line, Variable, WholeTable, read_crontab, split_command
from jobschedd.ctl.imports.fields import Cron, Unsaid, read_times
from tests.conftest import at_most


def check_user(name: str) -> None:
    if name not in ("root", "www-data"):
        raise ValueError(f"nobody is {name}")


def read(text: str, *, system: bool = False, cron: Cron | None = Cron.DEBIAN) -> list[Line]:
    return read_crontab(text.encode(), check_user=check_user if system else None, cron=cron)


def one(text: str, *, system: bool = False, cron: Cron | None = Cron.DEBIAN) -> Line:
    (line,) = read(f"{text}\n", system=system, cron=cron)
    return line


def entry(text: str, *, system: bool = False, cron: Cron | None = Cron.DEBIAN) -> Entry:
    line = one(text, system=system, cron=cron)
    assert isinstance(line, Entry), line
    return line


def bad(text: str, *, system: bool = False, cron: Cron | None = Cron.DEBIAN) -> Bad:
    line = one(text, system=system, cron=cron)
    assert isinstance(line, Bad), line
    return line


def test_comments_and_blanks_are_no_lines_and_numbers_count_them() -> None:
    lines = read("# a\n\n \t# b\n \t\n* * * * * true\n")
    assert [line.number for line in lines] == [5]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("A=b", "A", "b"),
        (" A = b c \t", "A", "b c"),
        ('A="b c"', "A", "b c"),
        ("A='it is'  ", "A", "it is"),
        ("\"A B\" = 'c'", "A B", "c"),
        ("A=b#c", "A", "b#c"),
        ("A=$HOME/x%", "A", "$HOME/x%"),
        ('A=""', "A", ""),
        ("A=\"'b'\"", "A", "b"),
        ('A="b "', "A", "b"),
        ("A=b='c'", "A", "b='c'"),
    ],
)
def test_a_variable(text: str, name: str, value: str) -> None:
    assert one(text) == Variable(1, name, value)


def test_within_quotes_cronie_leaves_everything() -> None:
    assert one("A=\"'b' \"", cron=Cron.CRONIE) == Variable(1, "A", "'b' ")
    assert one("MAILTO=", cron=Cron.CRONIE) == Variable(1, "MAILTO", "")
    assert 'write MAILTO=""' in bad("MAILTO=").reason


def test_variables_hold_for_the_lines_below() -> None:
    lines = read("A=1\n* * * * * x\nA=2\nB=3\n* * * * * y\n")
    assert [line.variables for line in lines if isinstance(line, Entry)] == [{"A": "1"}, {"A": "2", "B": "3"}]


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("a b", "a b", None),
        (r"date +\%F", "date +%F", None),
        ("mail joe%Joe,%%Where?%", "mail joe", "Joe,\n\nWhere?\n"),
        ("cat%x", "cat", "x\n"),
        ("cat%", "cat", None),
        (r"cat%100\% of%it", "cat", "100% of\nit\n"),
        (r"cat%a\b\\%", "cat", "a\\b\\%\n"),
        (r"x \a \\\%", r"x \a " + "\\%", None),
        ("cat%%\\", "cat", "\n\\"),
    ],
)
def test_percent_signs(text: str, command: str, stdin: str | None) -> None:
    assert split_command(text, halves=True) == (command, stdin)


def test_two_backslashes_are_one_to_debian_and_two_to_cronie() -> None:
    assert entry(r"* * * * * x \\ y").command == r"x \ y"
    assert entry(r"* * * * * x \\ y", cron=Cron.CRONIE).command == r"x \\ y"
    assert "--cron debian or --cron cronie" in bad(r"* * * * * x \\ y", cron=None).reason


def test_fields_may_be_apart_by_any_blanks_and_the_command_keeps_its_own() -> None:
    line = entry(" \t0\t1  * \t* *   a  b \t")
    assert (line.schedule, line.command) == ("0 1 * * *", "a  b \t")


def test_a_system_crontab_has_a_user() -> None:
    line = entry("0 1 * * *\troot\t a b", system=True)
    assert (line.user, line.command) == ("root", "a b")
    assert entry("@daily  www-data  a", system=True).user == "www-data"
    assert bad("0 1 * * * root", system=True).ruins_all


@pytest.mark.parametrize(
    "text", ["0 1 * * * eve x", "@reboot eve x", "0 1 * * * eve", "0 22-3 * * * eve x", "0 1 * * * eve x\r"]
)
def test_a_user_who_does_not_exist_ruins_a_system_crontab_whatever_else_the_line_has(text: str) -> None:
    line = bad(text, system=True)
    assert (line.reason, line.ruins_all) == ("nobody is eve", True)
    assert not [each for each in read(f"{text}\n") if isinstance(each, Bad) and each.ruins_all]


def test_a_field_that_cron_cannot_read_silences_a_crontab_with_windows_line_ends_too() -> None:
    assert bad("61 * * * * x\r").ruins_all


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("*", range(60)), ("*/25", {0, 25, 50}), ("5-9/3", {5, 8}), ("1,007,3-4", {1, 7, 3, 4}), ("*/100", {0}),
        ("59", {59}), ("*,5", range(60)),
    ],
)  # fmt: skip
def test_the_values_of_a_field(word: str, values: set[int]) -> None:
    assert read_times([word, "*", "*", "*", "*"], Cron.DEBIAN).minutes == set(values)


def test_names_and_both_sundays() -> None:
    times = read_times(["0", "0", "*", "JAN,mar-may", "Sun,7,mon-wed"], Cron.DEBIAN)
    assert (times.months, times.weekdays) == ({1, 3, 4, 5}, {0, 1, 2, 3})


@pytest.mark.parametrize(
    ("words", "both", "wild"),
    [
        ("0 0 13 * 5", False, False), ("0 0 */2 * 5", True, False), ("0 0 13 * *", True, False),
        ("0 0 1,* * 5", False, False), ("*/5 0 1 * 1", False, True), ("0 */2 1 * 1", False, True),
    ],
)  # fmt: skip
def test_what_begins_with_a_star_is_remembered(words: str, both: bool, wild: bool) -> None:
    times = read_times(words.split(), Cron.DEBIAN)
    assert (times.both_days, times.wild) == (both, wild)


@pytest.mark.parametrize(
    "text",
    [
        "60 * * * * x", "* 24 * * * x", "* * 0 * * x", "* * * 13 * x", "* * * * 8 x", "* * * foo * x", "1/2 * * * * x",
        "*/0 * * * * x", "1- * * * * x", "-1 * * * * x", "1,,2 * * * * x", "1, * * * * x", "mon * * * * x", "* * L * * x",
        "* * ? * * x", "5-70 * * * * x", "@Daily x", "@never x", "@every 5m x", "* * * *", "* * * * * * x", "MAILTO=",
        "hello", f"* * * * * {'x' * 999}",
    ],
)  # fmt: skip
def test_one_line_that_cron_cannot_read_silences_the_whole_crontab(text: str) -> None:
    assert bad(text).ruins_all


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 22-3 * * * x", "write 22-23,0-3"),
        ("0 0 * * mon-sun x", "as empty"),
        ("0 0 * * fri#2 x", 'reads "fri" and ignores the rest'),
        ("5;7 * * * * x", 'reads "5"'),
        ("* * * * *", "cannot find a command"),
        ("* * * * * x\r", "Unix line ends"),
        (f"A={'x' * 998}", "cuts a variable"),
    ],
)
def test_what_cron_reads_in_another_way_than_it_looks_is_not_imported(text: str, said: str) -> None:
    line = bad(text)
    assert not line.ruins_all
    assert said in line.reason


def test_what_only_cronie_has() -> None:
    assert "random" in bad("0~30 * * * * x", cron=Cron.CRONIE).reason
    assert entry("-* * * * * root x", system=True, cron=Cron.CRONIE).command == "x"
    assert read_times(["0", "0", "*", "*", "mon-sun"], Cron.CRONIE).weekdays == set(range(7))
    assert bad("0 0 * * fri#2 x", cron=Cron.CRONIE).ruins_all
    assert "option" in bad("* * * * * -n x", cron=Cron.CRONIE).reason
    assert entry("* * * * * -n x").command == "-n x"
    with pytest.raises(Unsaid, match="random"):
        read_times(["0~30", "0", "*", "*", "*"], None)


def test_a_field_that_cannot_be_read_counts_for_more_than_one_that_reads_otherwise() -> None:
    assert bad("22-3 * * * 9 x").ruins_all
    assert not bad("5;x,99 * * * * x").ruins_all


# -- hostile ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("A53")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"* * * * * a\0b\n", "NUL"),
        (b"* * * * * true", "line 1 does not end"),
        (b"\n" * 1_000_000, "10,000 lines"),
        (b"* * * * * true\n" * 1_000_000, "10,000 lines"),
        (b"* * * * * true\n" * 1_001, "1,000 lines at once"),
        (b"A=b\n" * 9_999, "1,000 lines at once"),
    ],
)
def test_a_table_that_is_none_is_refused_as_a_whole_and_soon(data: bytes, said: str) -> None:
    with at_most(1), pytest.raises(WholeTable, match=said):
        read_crontab(data, check_user=None, cron=None)


@pytest.mark.fault("A53")
def test_a_line_that_is_not_text_is_one_line_that_cannot_be_imported() -> None:
    lines = read_crontab(b"* * * * * \xff\n* * * * * true\n", check_user=None, cron=None)
    assert [type(line) for line in lines] == [Bad, Entry]


@pytest.mark.fault("A53")
@pytest.mark.parametrize(
    "line",
    [
        "1," * 1_000_000, "9" * 1_000_000 + " * * * * x", "=" * 1_000_000, "A=" + "'" * 1_000_000, " " * 1_000_000 + "x",
        "A" + " " * 1_000_000 + "b", "\\" * 1_000_000, "A=b" + " " * 100_000 + "c", "* * * * * " + "%" * 900, "* * * * * " + "\\%" * 400,
    ],
)  # fmt: skip
def test_a_long_line_is_read_soon(line: str) -> None:
    for cron in (None, *Cron):
        with at_most(1):
            assert len(read(f"{line}\n", cron=cron)) == 1


@pytest.mark.fault("A53")
def test_noise_is_lines_that_cannot_be_read_and_nothing_else() -> None:
    rng = random.Random(53)
    pieces = [
        "*",
        "/",
        "-",
        ",",
        "%",
        "\\",
        " ",
        "\t",
        "@",
        "=",
        "'",
        '"',
        "1",
        "99",
        "mon",
        "x",
        "\x1b",
        "\x85",
        "ü",
        "\n",
    ]
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=200)) + "\n"
        for cron in (None, *Cron):
            assert all(isinstance(line, Line) for line in read(text, system=rng.random() < 0.5, cron=cron))


# -- anacron ---------------------------------------------------------------------------------------------------------


def test_an_anacrontab() -> None:
    text = "# x\nSHELL=/bin/sh\n A =  b\n1\t5\tcron.daily\trun-parts /etc/cron.daily\n@monthly 15 m \\\n  x y\n7 x y z\n0 1 a b\n"
    lines = read_anacrontab(text.encode())
    assert lines[:2] == [Variable(2, "SHELL", "/bin/sh"), Variable(3, "A", "  b")]
    env = {"SHELL": "/bin/sh", "A": "  b"}
    assert lines[2] == Period(4, 1, "run-parts /etc/cron.daily", env)
    assert lines[3] == Period(5, 31, "x y", env)
    assert [(line.number, type(line)) for line in lines[4:]] == [(7, Bad), (8, Bad)]


@pytest.mark.fault("A53")
@pytest.mark.parametrize("data", [b"\0", b"\xff", b"\n" * 10_001, b"1 1 a b\n" * 1_001])
def test_an_anacrontab_that_is_none(data: bytes) -> None:
    with at_most(1), pytest.raises(WholeTable):
        read_anacrontab(data)
