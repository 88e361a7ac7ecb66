"""systemd's own client, as Debian 13 has it, finds its way about the socket."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.machine import CACHE, call, why_not
from tests.test_daemon import Process, ran, start

__all__ = ["start"]

pytestmark = [pytest.mark.system, pytest.mark.slow]

SUITE = "trixie"


@pytest.fixture(scope="module")
def debian_13() -> Path:
    """A root with systemd 257, made once and kept in the cache."""
    if reason := why_not():
        pytest.skip(f"SYSTEM TESTS SKIPPED: {reason}")
    root = CACHE / f"{SUITE}-varlinkctl"
    if not root.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=CACHE))
        call("debootstrap", "--variant=minbase", "--include=systemd", SUITE, str(making))
        making.rename(root)
    return root


@pytest.fixture
def varlinkctl(debian_13: Path, start: Callable[..., Process]) -> Iterator[Callable[..., str]]:
    """Calls the socket of a daemon that has one job."""
    daemon = start()
    daemon.ready()
    daemon.put("a.json", "a", "0 3 1 1 *", command="echo heard; exit 3")
    daemon.until("job_loaded", ran("a"))
    door = debian_13 / "mnt/jobschedd"
    door.mkdir(exist_ok=True)
    call("mount", "--bind", str(daemon.runtime), str(door))
    call("mount", "-t", "proc", "proc", str(debian_13 / "proc"))  # it opens the socket by way of /proc/self/fd

    def run(*words: str) -> str:
        done = subprocess.run(
            ["chroot", debian_13, "varlinkctl", "--json=short", *words],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else done.stderr

    yield run
    call("umount", str(debian_13 / "proc"))
    call("umount", str(door))


SOCKET = "/mnt/jobschedd/io.jobschedd"


def test_it_reads_the_interface_and_finds_nothing_wrong_with_it(varlinkctl: Callable[..., str]) -> None:
    assert json.loads(varlinkctl("info", SOCKET))["vendor"] == "jobschedd"
    said = varlinkctl("introspect", SOCKET, "io.jobschedd")
    assert "method List" in said
    assert "error NoSuchJob" in said


def test_it_calls_and_streams(varlinkctl: Callable[..., str]) -> None:
    assert json.loads(varlinkctl("call", SOCKET, "io.jobschedd.List", "{}"))["jobs"][0]["job_id"] == "a"
    said = varlinkctl("call", "--more", SOCKET, "io.jobschedd.Run", '{"job_id": "a"}')
    replies = [json.loads(text) for text in said.replace("\x1e", "").split("\n") if text]  # RFC 7464
    assert "heard" in [entry["text"] for reply in replies for entry in reply.get("entries") or ()]
    assert replies[-1]["run"]["exit_code"] == 3
    assert "io.jobschedd.NoSuchJob" in varlinkctl("call", SOCKET, "io.jobschedd.Show", '{"job_id": "nope"}')
