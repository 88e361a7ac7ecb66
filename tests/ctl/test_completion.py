"""What a shell completes of jobctl: real shells, with what `jobctl completion` prints."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ctl.conftest import PATIENCE, ROOT, Serve, Tell, jobctl
from tests.test_daemon import Process, ran, start

__all__ = ["start"]

NEVER_SOON = "0 3 1 1 *"
SHELLS = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}
SET_UP = {
    "bash": 'eval "$(jobctl completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(jobctl completion zsh)"',
}


class Shell:
    """An interactive shell on a terminal."""

    def __init__(self, shell: str, env: dict[str, str]) -> None:
        ours, its = pty.openpty()
        self._terminal = ours
        self._process = subprocess.Popen(
            SHELLS[shell], stdin=its, stdout=its, stderr=its, start_new_session=True,
            env=env | {"TERM": "dumb", "PS1": "$ "},
        )  # fmt: skip
        os.close(its)
        self.type(SET_UP[shell] + "; echo re''ady\n", until="ready")

    def type(self, keys: str, *, until: str) -> str:
        """What it shows from there on, until that is in it."""
        os.write(self._terminal, keys.encode())
        said, deadline = "", time.monotonic() + PATIENCE
        while until not in said:
            assert select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))[0], repr(said)
            said += os.read(self._terminal, 65_536).decode().replace("\a", "")
        return said

    def close(self) -> None:
        os.write(self._terminal, b"\x15exit\n")
        with suppress(OSError):  # EIO: it has ended
            while os.read(self._terminal, 65_536):
                pass
        self._process.wait(PATIENCE)
        os.close(self._terminal)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Where `jobctl` is ours."""
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin/jobctl"
    wrapper.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m jobschedd.ctl "$@"\n')
    wrapper.chmod(0o755)
    return os.environ | {"PATH": f"{wrapper.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}


@pytest.fixture
def shell(env: dict[str, str]) -> Iterator[Callable[[str, str], Shell]]:
    made: list[Shell] = []

    def begin(name: str, runtime_dir: str) -> Shell:
        if not shutil.which(name):
            pytest.skip(f"no {name} here")
        made.append(Shell(name, env | {"JOBSCHEDD_RUNTIME_DIR": runtime_dir}))
        return made[-1]

    yield begin
    for each in made:
        each.close()


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_commands_job_ids_and_run_ids(
    name: str, shell: Callable[[str, str], Shell], start: Callable[..., Process]
) -> None:
    daemon = start()
    daemon.ready()
    for job in ("backup-home", "backup-mail", "mail@host.x", "other"):
        daemon.put(f"{job}.json", job, NEVER_SOON, command="exec sleep 100")
        daemon.until("job_loaded", ran(job))
    run_id = jobctl(daemon, "run", "other").stdout.split()[-1]
    daemon.until("run_started")
    at = shell(name, str(daemon.runtime))
    assert "other" not in at.type("jobctl show b\t\t\t", until="backup-mail")
    at.type("\x15jobctl show mail@\t", until="mail@host.x")
    at.type("\x15jobctl comp\t", until="completion")
    at.type("\x15jobctl stop 0\t", until=run_id)
    at.type("\x15jobctl logs 0\t", until=run_id)
    at.type("\x15jobctl history --outc\t", until="--outcome")
    daemon.stop()
    said = at.type("\x15jobctl show back\t\t\x15echo do''ne\n", until="done")
    assert "backup" not in said
    assert "Trace" not in said


def test_fish_completes_job_ids(env: dict[str, str], tell: Tell) -> None:
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    runtime_dir = tell({"List": [{"jobs": [{"job_id": "backup-home"}]}, {"jobs": [{"job_id": "backup-mail"}]}]})
    done = subprocess.run(
        ["fish", "--no-config", "-c", 'jobctl completion fish | source; complete -C "jobctl show back"'],
        capture_output=True, text=True, check=True, timeout=PATIENCE, env=env | {"JOBSCHEDD_RUNTIME_DIR": runtime_dir},
    )  # fmt: skip
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["backup-home", "backup-mail"]


@pytest.mark.parametrize(
    "answer", [b"", b"x\0", b'{"parameters": {"jobs": [{}]}}\0', b'{"error": "io.jobschedd.Busy"}\0']
)
def test_a_shell_that_completes_hears_of_no_failure(serve: Serve, env: dict[str, str], answer: bytes) -> None:
    assert completed(env | {"JOBSCHEDD_RUNTIME_DIR": serve(answer)}, "jobctl show x") == ("", "")


def test_what_another_machine_has_is_not_asked_for(tell: Tell, env: dict[str, str]) -> None:
    env = env | {"JOBSCHEDD_RUNTIME_DIR": tell({"List": [{"jobs": [{"job_id": "here"}]}]})}
    assert completed(env, "jobctl show h") == ("here", "")
    assert completed(env, "jobctl -H db1 show h") == completed(env, "jobctl show -H db1 h") == ("", "")


def completed(env: dict[str, str], line: str) -> tuple[str, str]:
    """The words, and what is written beside them."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    out = Path(env["HOME"]) / "completed"
    done = subprocess.run(
        ["jobctl"], capture_output=True, text=True, check=False, timeout=PATIENCE,
        env=env | asked | {"_ARGCOMPLETE_STDOUT_FILENAME": str(out)},
    )  # fmt: skip
    return out.read_text(errors="replace").strip().replace("\v", " "), done.stdout + done.stderr


def test_who_does_not_complete_does_not_import_what_does() -> None:
    script = (
        "import sys; sys.argv = ['jobctl', 'status', '--runtime-dir', '/nowhere']; from jobschedd.ctl.__main__ import main; main();"
        "print(sorted(name for name in ('argcomplete', 'rich', 'pydantic', 'croniter', 'sqlite3') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=PATIENCE, cwd=ROOT
    )
    assert done.stdout == "[]\n"
