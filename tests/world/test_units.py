"""Runs that are units, as far as that can be told on a machine without systemd."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from pydantic import TypeAdapter

from jobschedd.model.launch import Launch
from jobschedd.model.message import Message, RunRefused
from jobschedd.model.run import Cause, Ending, Run
from jobschedd.model.sandbox import SETTINGS, Sandbox
from jobschedd.world.clock import SystemClock
from jobschedd.world.units import Units
from jobschedd.world.units.identity import CannotStart
from jobschedd.world.units.notes import Notes
from jobschedd.world.units.properties import object_path, unit_properties
from jobschedd.world.units.settings import properties
from jobschedd.world.units.status import Absent, Begun, Circumstances, Coming, Failed, Over, judge

RUN = Run("01J8ABCDEF", "job", 1_790_000_000_000_000, Cause.SCHEDULE, (("team", "sales"),), (0, 3), 2, "digest", False)
LAUNCH = Launch(argv=("/bin/true",), sandbox=(("PrivateTmp", True),))


class Machine:
    """Units on a machine of which a test says whether systemd runs there."""

    def __init__(self, home: Path, booted: str = "no-systemd") -> None:
        self.said: SimpleQueue[Message] = SimpleQueue()
        self.units = Units(
            self.said, SystemClock(), runtime_dir=str(home), bus=str(home / "bus"), booted=str(home / booted)
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.units.close()


def test_without_systemd_a_start_is_refused_and_says_what_to_do(machine: Machine) -> None:
    machine.units.start([(RUN, LAUNCH, 0)])
    assert machine.said.get(timeout=10) == RunRefused(
        RUN.run_id, "a sandbox needs systemd, which does not run here; leave `sandbox` out"
    )
    assert machine.units.alive()


def test_runs_of_others_are_nothing_to_it(machine: Machine) -> None:
    machine.units.end(["01J8ZZZZ"], 15)
    machine.units.forget(["01J8ZZZZ"])
    machine.units.start([(RUN, LAUNCH, 0)])
    assert isinstance(machine.said.get(timeout=10), RunRefused)


def test_a_start_that_is_ended_while_the_bus_is_away_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path, booted=".")
    machine.units.start([(RUN, LAUNCH, 0)])
    machine.units.end([RUN.run_id], 15)
    assert machine.said.get(timeout=10) == RunRefused(RUN.run_id, "it was ended before it was begun")
    machine.units.close()


def test_a_machine_without_sandboxes_loads_no_bus_and_has_no_thread(tmp_path: Path) -> None:
    program = (
        "import sys, threading; from jobschedd.world.units import Units\n"
        f"units = Units(None, None, runtime_dir={str(tmp_path)!r}); assert units.find() == (); units.open()\n"
        "assert units.alive() and 'jeepney' not in sys.modules and threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_note_brings_the_whole_run_back(tmp_path: Path) -> None:
    notes = Notes(str(tmp_path / "units"))
    notes.write(RUN)
    assert notes.read() == [RUN]
    assert (tmp_path / "units").stat().st_mode & 0o777 == 0o700
    notes.remove(RUN.run_id)
    assert notes.read() == []


def test_a_note_that_is_not_whole_is_of_no_run(tmp_path: Path) -> None:
    (tmp_path / "01J8.run").write_text('{"run_id": "01J')
    assert Notes(str(tmp_path)).read() == []
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_written_for_us_alone_and_quoted(tmp_path: Path) -> None:
    (path,) = Notes(str(tmp_path)).write_environment("01J8", {"A": 'x "y" \\ $z `w`\n2'}, None)
    assert Path(path).read_text() == 'A="x \\"y\\" \\\\ \\$z \\`w\\`\n2"\n'
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_variable_that_systemd_would_leave_out_is_refused_without_its_value(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="control characters in the variable KEY") as raised:
        Notes(str(tmp_path)).write_environment("01J8", {"KEY": "secret\x1b"}, None)
    assert "secret" not in str(raised.value)


def test_the_path_of_a_unit_is_escaped() -> None:
    assert object_path("jobschedd-run-01J.service") == "/org/freedesktop/systemd1/unit/jobschedd_2drun_2d01J_2eservice"


def made(launch: Launch) -> dict[str, Any]:
    return {
        name: value
        for name, (_, value) in unit_properties(
            RUN, launch, None, environment={}, environment_files=[], stdin=None, daemon_unit="jobschedd.service"
        )
    }


def test_nothing_of_a_program_is_expanded() -> None:
    assert made(Launch(argv=("/bin/echo", "$HOME", "%n")))["ExecStartEx"] == [
        ("/bin/echo", ["/bin/echo", "$HOME", "%n"], ["no-env-expand"])
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PrivateTmp", "yes", [("PrivateTmp", ("b", True))]),
        ("ProtectSystem", True, [("ProtectSystem", ("s", "yes"))]),
        ("CPUWeight", 50, [("CPUWeight", ("t", 50))]),
        ("IOSchedulingPriority", 5, [("IOSchedulingPriority", ("i", 5))]),
        ("LimitNPROC", 5, [("LimitNPROC", ("t", 5)), ("LimitNPROCSoft", ("t", 5))]),
        ("MemoryMin", "infinity", [("MemoryMin", ("t", 2**64 - 1))]),
        ("CapabilityBoundingSet", "CAP_CHOWN CAP_KILL", [("CapabilityBoundingSet", ("t", 0x21))]),
        ("CapabilityBoundingSet", "~CAP_KILL", [("CapabilityBoundingSet", ("t", 2**64 - 1 - 0x20))]),
        ("CapabilityBoundingSet", ["CAP_CHOWN CAP_KILL", "~CAP_KILL"], [("CapabilityBoundingSet", ("t", 1))]),
        ("RestrictNamespaces", True, [("RestrictNamespaces", ("t", 0))]),
        ("RestrictNamespaces", "net", [("RestrictNamespaces", ("t", 0x40000000))]),
        ("RestrictNamespaces", "~net", [("RestrictNamespaces", ("t", 0x7E020000 - 0x40000000))]),
        ("RestrictNamespaces", False, [("RestrictNamespaces", ("t", 0x7E020000))]),
        ("BindPaths", "-/a /b:/c:norbind", [("BindPaths", ("a(ssbt)", [("/a", "/a", True, 0x4000), ("/b", "/c", False, 0)]))]),
        ("SystemCallFilter", ["a b", "~c"], [("SystemCallFilter", ("(bas)", (True, ["a", "b"]))), ("SystemCallFilter", ("(bas)", (False, ["c"])))]),
        ("IPAddressDeny", "10.1.2.3/8", [("IPAddressDeny", ("a(iayu)", [(2, b"\x0a\0\0\0", 8)]))]),
        ("ReadOnlyPaths", '"/srv/My Files" /b', [("ReadOnlyPaths", ("as", ["/srv/My Files", "/b"]))]),
        ("DeviceAllow", ["/dev/null rw"], [("DeviceAllow", ("a(ss)", [("/dev/null", "rw")]))]),
        ("StateDirectoryMode", "0750", [("StateDirectoryMode", ("u", 0o750))]),
        ("AppArmorProfile", "-x", [("AppArmorProfile", ("(bs)", (True, "x")))]),
    ],
)  # fmt: skip
def test_a_setting_takes_the_form_that_systemd_wants(name: str, value: Any, expected: list[Any]) -> None:
    ((_, read),) = TypeAdapter(Sandbox).validate_python({name: value})
    assert properties(name, read) == expected


def test_every_setting_has_a_form() -> None:
    tried = [True, "yes", "strict", "/srv", "a", "0750", "512M", 5, "EPERM", "CAP_KILL", "net", "default", "all",
             "/dev/null", "any", "shared", "auto", "private", "1s"]  # fmt: skip
    for name, kind in SETTINGS.items():
        done = 0
        for value in tried:
            try:
                read = kind.read(value)
            except ValueError:
                continue
            if read is not None:
                done += len(properties(name, read))
        assert done, name


ENDED = {
    "ExecMainPID": 7, "ExecMainStartTimestamp": 100, "ExecMainExitTimestamp": 200, "ExecMainCode": 1,
    "ExecMainStatus": 0, "Result": "success", "CPUUsageNSec": 5_000_000, "MemoryPeak": 4096,
}  # fmt: skip
KNOWN = Circumstances("/bin/x", "/srv", "games", "games")


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"job": "done"}, Over(Begun(7, 100), 200, Ending(0, None, 5_000, 4096))),
        ({"job": "failed", "ExecMainStatus": 5, "Result": "exit-code"}, Over(Begun(7, 100), 200, Ending(5, None, 5_000, 4096))),
        ({"job": "done", "ExecMainStatus": 203}, Over(Begun(7, 100), 200, Ending(203, None, 5_000, 4096))),
        ({"ActiveState": "failed", "ActiveEnterTimestamp": 99, "ExecMainStatus": 203}, Over(Begun(7, 100), 200, Ending(203, None, 5_000, 4096))),
        ({"job": "done", "ExecMainCode": 2, "ExecMainStatus": 9, "Result": "oom-kill"}, Over(Begun(7, 100), 200, Ending(None, 9, 5_000, 4096, "killed: out of memory"))),
        ({"job": "done", "MemoryPeak": 2**64 - 1, "CPUUsageNSec": 2**64 - 1}, Over(Begun(7, 100), 200, Ending(0, None, 0, None))),
        ({"job": "done", "ExecMainExitTimestamp": 0}, Begun(7, 100)),
        ({"job": "failed", "ExecMainStatus": 217}, Failed("no such user: games")),
        ({"job": "failed", "ExecMainStatus": 238}, Failed("cannot set up the sandbox (STATE_DIRECTORY)")),
        ({"ActiveState": "failed", "ActiveEnterTimestamp": 0, "ExecMainStatus": 200}, Failed("no permission to enter the directory, or there is none: /srv")),
        ({"job": "failed", "ExecMainPID": 0, "Result": "resources"}, Failed("systemd could not start it: resources")),
        ({"ActiveState": "activating", "Job": (1, "/")}, Coming()),
        ({"ActiveState": "inactive", "Job": (1, "/")}, Coming()),
        ({"ActiveState": "inactive", "Job": (0, "/")}, Absent()),
        ({"ActiveState": None, "Job": None}, Absent()),
    ],
)  # fmt: skip
def test_what_systemd_knows_of_a_unit_is_what_became_of_the_run(facts: dict[str, Any], state: Any) -> None:
    assert judge(ENDED | facts, KNOWN) == state
