"""From bytes to plain values."""

from __future__ import annotations

import json

import pytest

from jobschedd.model.document import find_line, read_document
from jobschedd.model.error import BadFile, Problem


def refused(data: bytes, name: str = "x.json") -> Problem:
    with pytest.raises(BadFile) as caught:
        read_document(name, data)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.fault("A13")
@pytest.mark.parametrize(
    "data", [b'{"user": "nobody", "user": "root"}', b'{"a": [{"user": 1, "user": 2}]}', b'{"user": 1, "\\u0075ser": 2}']
)
def test_a_key_that_stands_twice_is_refused_by_name(data: bytes) -> None:
    assert refused(data).where == "user"


@pytest.mark.fault("A13")
def test_the_second_of_two_equal_keys_is_pointed_at() -> None:
    problem = refused(b'{\n "user": 1,\n "user": 2\n}')
    assert (problem.line, problem.column) == (3, 2)


@pytest.mark.fault("A12")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999"])
def test_a_number_that_is_not_finite_is_refused_at_its_place(number: str) -> None:
    assert refused(f'{{"retry": {{"factor": [1, {number}]}}}}'.encode()).where == "retry.factor[1]"


@pytest.mark.fault("A12")
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_toml_s_own_infinities_are_refused_too(number: str) -> None:
    assert refused(f"a = {number}".encode(), "x.toml").where == "a"


@pytest.mark.fault("A11")
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[[{"a":'])
def test_nesting_has_an_end(opening: bytes) -> None:
    assert "levels of nesting" in refused(b'{"x": ' + opening * 100_000).text


@pytest.mark.fault("A11")
def test_brackets_inside_texts_are_not_nesting() -> None:
    assert read_document("x.json", json.dumps({"command": "[" * 1000 + '"' + "\\"}).encode())["command"][0] == "["


@pytest.mark.fault("A11")
@pytest.mark.parametrize("data", [b"a = " + b"[" * 100_000, b"a." * 50_000 + b"b = 1", b"[" + b"a." * 50_000 + b"b]"])
def test_nesting_has_an_end_in_toml(data: bytes) -> None:
    assert "nesting" in refused(data, "x.toml").text


@pytest.mark.fault("A14")
@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "a\\u202eb", "\\u2066"])
def test_characters_that_cannot_be_stored_or_that_reorder_text_are_refused(text: str) -> None:
    problem = refused(f'{{"task": {{"env": {{"A": "{text}"}}}}}}'.encode())
    assert problem.where == "task.env.A"
    assert "U+" in problem.text


@pytest.mark.fault("A14")
def test_such_characters_are_refused_in_keys_and_in_plain_utf_8() -> None:
    assert "U+202E" in refused('{"a\u202eb": 1}'.encode()).text
    assert "NUL" in refused(b'{"a": "\0"}').text


@pytest.mark.fault("A14")
def test_other_alphabets_are_welcome() -> None:
    assert read_document("x.json", '{"description": "Отчёт für 売上"}'.encode())["description"] == "Отчёт für 売上"


@pytest.mark.fault("A15")
def test_a_number_of_thousands_of_digits_is_refused() -> None:
    assert "digits" in refused(b'{"a": 1' + b"0" * 5000 + b"}").text


@pytest.mark.fault("A16")
@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-be"), "NUL"),
        ('{"a": 1}'.encode("utf-32-le"), "NUL"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": "é"}'.encode("latin-1"), "0xe9"),
    ],
)
def test_a_job_file_is_utf_8(data: bytes, hint: str) -> None:
    assert hint in refused(data).text


@pytest.mark.fault("A10")
def test_more_than_a_megabyte_is_refused() -> None:
    assert "1 MiB" in refused(b" " * (1 << 20) + b"{}").text


@pytest.mark.fault("F24")
def test_a_mistake_in_the_syntax_has_a_line_and_a_column() -> None:
    problem = refused(b'{\n  "a": 1,\n}')
    assert (problem.line, problem.column) == (3, 1)


@pytest.mark.parametrize("data", [b"[]", b'"a"', b"5", b"null", b"true"])
def test_a_job_file_is_one_object(data: bytes) -> None:
    assert "a job file is one object" in refused(data).text


@pytest.mark.parametrize("data", [b"", b"{", b"{} {}", b"{'a': 1}", b'{"a": 01}', b'{"a": "\t"}'])
def test_what_is_not_json_is_said_not_to_be(data: bytes) -> None:
    assert refused(data).text.startswith("cannot read the file as JSON")


@pytest.mark.parametrize(
    ("place", "spot"),
    [
        ((), (1, 1)),
        (("a",), (2, 2)),
        (("b", 1, "c"), (5, 4)),
        (("b", 7), (3, 2)),
        (("b", 1, "missing"), (4, 8)),
        (("e",), (8, 2)),
        (("no",), (1, 1)),
    ],
)
def test_a_place_is_found_again_in_the_text(place: tuple[str | int, ...], spot: tuple[int, int]) -> None:
    text = '{\n "a": "x\\"}",\n "b":\n  [ 1, {\n   "c": {}, "d": [[]]\n  }\n ],\n "e": null}'
    assert find_line(text, place) == spot
