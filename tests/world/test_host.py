"""What this machine says of itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobschedd.world import host
from jobschedd.world.host import read_boot, read_machine


def test_a_container_that_starts_again_on_the_same_host_has_booted() -> None:
    kernel, _, began = read_boot().partition(" ")
    assert len(kernel) == 36
    assert began.isdigit()
    assert read_boot() == f"{kernel} {began}"


def test_a_machine_keeps_its_identity() -> None:
    assert read_machine() == read_machine() != ""


def test_a_machine_without_an_id_goes_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    monkeypatch.setattr(host, "_MACHINE_ID", file)
    for content in (None, "", "uninitialized\n"):
        if content is not None:
            file.write_text(content)
        assert read_machine() == os.uname().nodename
    file.write_text("0123456789abcdef0123456789abcdef\n")
    assert read_machine() == "0123456789abcdef0123456789abcdef"
