"""What this machine says of itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobschedd.model.error import CannotRun
from jobschedd.world import host
from jobschedd.world.host import read_host


@pytest.fixture
def state(tmp_path: Path) -> Iterator[int]:
    directory = os.open(tmp_path, os.O_RDONLY)
    yield directory
    os.close(directory)


def test_the_first_start_after_a_boot_is_told_from_later_ones(state: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_host(state, 5).boot == 5
    assert read_host(state, 6).boot is None
    assert read_host(state, 7).boot is None
    monkeypatch.setattr(host, "_boot", lambda: "another boot")
    assert read_host(state, 8).boot == 8
    assert read_host(state, 9).boot is None


def test_a_container_that_starts_again_on_the_same_host_has_booted(state: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, _, began = host._boot().partition(" ")
    assert len(kernel) == 36
    assert began.isdigit()


def test_a_machine_keeps_its_identity(state: int) -> None:
    assert read_host(state, 5).machine == read_host(state, 6).machine != ""


def test_a_machine_without_an_id_goes_by_its_name(state: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    monkeypatch.setattr(host, "_MACHINE_ID", file)
    for content in (None, "", "uninitialized\n"):
        if content is not None:
            file.write_text(content)
        assert read_host(state, 5).machine == os.uname().nodename
    file.write_text("0123456789abcdef0123456789abcdef\n")
    assert read_host(state, 5).machine == "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 100_000])
def test_a_note_that_is_garbage_is_another_boot(tmp_path: Path, state: int, content: bytes) -> None:
    (tmp_path / "boot").write_bytes(content)
    assert read_host(state, 5).boot == 5
    assert read_host(state, 6).boot is None


def test_a_note_that_is_a_link_is_not_followed(tmp_path: Path, state: int) -> None:
    (tmp_path / "boot").symlink_to("/etc/passwd")
    with pytest.raises(CannotRun, match="cannot note this boot"):
        read_host(state, 5)


def test_a_state_directory_that_cannot_be_written_is_said(tmp_path: Path, state: int) -> None:
    (tmp_path / "boot.new").mkdir()
    with pytest.raises(CannotRun, match="cannot note this boot"):
        read_host(state, 5)
