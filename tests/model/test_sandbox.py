"""What a sandbox may say, told without systemd."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from jobschedd.model.sandbox import SETTINGS, Sandbox

SANDBOX: TypeAdapter[Any] = TypeAdapter(Sandbox)


def read(**settings: Any) -> dict[str, Any]:
    return dict(SANDBOX.validate_python(settings))


def problems(**settings: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        SANDBOX.validate_python(settings)
    return {str(found["loc"][0]): found["msg"] for found in raised.value.errors()}


def test_nothing_is_no_sandbox() -> None:
    assert SANDBOX.validate_python({}) == ()


@pytest.mark.parametrize("said", [True, "yes", "true", "on", "1", "Yes"])
def test_yes_is_spelled_as_systemd_spells_it(said: Any) -> None:
    assert read(PrivateTmp=said) == {"PrivateTmp": True}


@pytest.mark.parametrize("said", [False, "no", "false", "off", "0"])
def test_so_is_no(said: Any) -> None:
    assert read(PrivateTmp=said) == {"PrivateTmp": False}


def test_a_text_is_a_line_and_a_list_is_several() -> None:
    assert read(ReadWritePaths="/srv /var/lib", SystemCallFilter=["@system-service", "~@privileged"]) == {
        "ReadWritePaths": ("/srv /var/lib",),
        "SystemCallFilter": ("@system-service", "~@privileged"),
    }


def test_a_setting_with_words_takes_yes_and_no_too() -> None:
    assert read(ProtectSystem="strict", ProtectHome=True) == {"ProtectSystem": "strict", "ProtectHome": "yes"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PrivateTmp", 2),
        ("PrivateTmp", "perhaps"),
        ("ProtectSystem", "very"),
        ("ReadWritePaths", "srv"),
        ("ReadWritePaths", []),
        ("ReadWritePaths", ["/srv", 5]),
        ("ReadWritePaths", '"/srv'),
        ("ReadWritePaths", "/srv\n[Service]"),
        ("StateDirectory", "/var/lib/x"),
        ("StateDirectory", "a/../../x"),
        ("StateDirectoryMode", 750),
        ("StateDirectoryMode", "0999"),
        ("CapabilityBoundingSet", "CAP_EVERYTHING"),
        ("RestrictNamespaces", "mnt nothing"),
        ("BindPaths", "/a:b"),
        ("BindPaths", "/a:/b:often"),
        ("TemporaryFileSystem", "tmp"),
        ("DeviceAllow", "/etc/passwd rw"),
        ("DeviceAllow", "/dev/null rx"),
        ("IPAddressDeny", "everywhere"),
        ("IPAddressDeny", "10.0.0.0/99"),
        ("LoadCredential", "/etc/x"),
        ("LimitNPROC", -1),
        ("LimitNPROC", True),
        ("CPUWeight", 0),
        ("MemoryMin", "much"),
        ("TimerSlackNSec", "long"),
        ("SystemCallErrorNumber", "ENOTHING"),
        ("MountFlags", "rshared"),
        ("RootDirectory", ["/srv"]),
        ("Slice", ""),
    ],
)
def test_a_value_of_the_wrong_form_is_told_with_the_right_one(name: str, value: Any) -> None:
    assert problems(**{name: value})[name].startswith("cannot ")
    assert "; write " in problems(**{name: value})[name]


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    assert problems(ProtectSytem="strict") == {"ProtectSytem": 'unknown setting; did you mean "ProtectSystem"?'}
    assert problems(privatetmp=True) == {"privatetmp": 'unknown setting; did you mean "PrivateTmp"?'}
    assert "docs/sandbox.md" in problems(Colour="red")["Colour"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("User", "task.user"),
        ("MemoryMax", "limits.memory"),
        ("RuntimeMaxSec", "timeout"),
        ("ExecStart", "task.command"),
    ],
)
def test_what_another_key_says_is_refused_with_that_key(name: str, key: str) -> None:
    assert problems(**{name: "x"}) == {name: f'cannot be set here; write it as "{key}"'}


def test_what_every_run_needs_cannot_be_set() -> None:
    assert "leave it out" in problems(RemainAfterExit=False)["RemainAfterExit"]


def test_each_problem_is_told_at_its_place() -> None:
    assert set(problems(ProtectSystem=5, PrivateTmp=True, Nonsense=1, IPAddressDeny="?")) == {
        "ProtectSystem",
        "Nonsense",
        "IPAddressDeny",
    }


def test_a_sandbox_that_is_no_object_is_told_so() -> None:
    with pytest.raises(ValidationError, match="cannot read true as a sandbox"):
        SANDBOX.validate_python(True)


def test_the_schema_knows_the_settings_and_nothing_else() -> None:
    schema = SANDBOX.json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert set(schema["properties"]) == set(SETTINGS)
    for good in ({}, {"ProtectSystem": "strict", "PrivateTmp": True}, {"ReadWritePaths": ["/srv"]}, {"CPUWeight": 5}):
        assert validator.is_valid(good)
        SANDBOX.validate_python(good)
    for bad in ({"ProtectSystem": 5}, {"User": "root"}, {"CPUWeight": 0}):
        assert not validator.is_valid(bad)


PAGE = (Path(__file__).parents[2] / "docs/sandbox.md").read_text()


def test_the_example_of_the_page_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL | re.IGNORECASE)
    assert read(**json.loads(text)["sandbox"])


def test_the_page_names_every_setting_beside_its_form() -> None:
    rows = {tuple(re.findall(r"`(\w+)`", names)): form for form, names in re.findall(r"^\| (.+?) \| (`\w+`.*) \|$", PAGE, re.MULTILINE)}  # fmt: skip
    told = {name: form for names, form in rows.items() for name in names}
    assert {name: kind.form for name, kind in SETTINGS.items()} == told
