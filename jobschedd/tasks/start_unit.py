"""Starts a systemd unit, waits for it where it is a service, and ends as it ended.

Exit code 0: it succeeded; the exit code of its main process, where it failed by that; else 1. Asked to end by SIGTERM,
it has systemd stop the unit: a unit that this run has started does not go on after it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any, NoReturn

RESULTS = {
    "exit-code": "its process {main} ended with exit code {status}",
    "signal": "its process {main} was ended by {signal}",
    "core-dump": "its process {main} crashed by {signal} and left a core dump",
    "timeout": "it took longer than systemd gives it (TimeoutStartSec=, RuntimeMaxSec= or TimeoutStopSec=)",
    "watchdog": "it did not feed its watchdog (WatchdogSec=)",
    "oom-kill": "the kernel ended it because memory ran out",
    "resources": "systemd lacked something to start it, or a file that it names is not there",
    "protocol": "it did not say that it is ready, or not as its Type= has it",
    "start-limit-hit": "it was started too often (StartLimitBurst=); systemctl reset-failed lets it start again",
    "exec-condition": "its ExecCondition= said no",
}
"""What systemd calls Result=, systemd.exec(5)."""

KILLED = ("2", "3")
"""CLD_KILLED and CLD_DUMPED in ExecMainCode=: then ExecMainStatus= is a signal."""

ASKED = (
    *(
        "LoadState",
        "LoadError",
        "ActiveState",
        "SubState",
        "RemainAfterExit",
        "ConditionResult",
        "ConditionTimestampMonotonic",
    ),
    *("Result", "ExecMainPID", "ExecMainCode", "ExecMainStatus"),
)


class Unit:
    def __init__(self, name: str) -> None:
        self.name = name
        self._manager = [] if os.geteuid() == 0 else ["--user"]

    def call(self, *words: str) -> list[str]:
        return ["systemctl", *self._manager, "--no-ask-password", *words]

    def read(self) -> dict[str, str]:
        shown = self.ask("show", f"--property={','.join(ASKED)}", "--", self.name)
        return dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.call(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode and not done.stdout:
            fail(f"cannot ask systemd about {self.name}: {done.stderr.strip() or 'systemctl failed'}")
        return done

    def is_service(self) -> bool:
        return self.name.endswith(".service")


def fail(sentence: str, code: int = 1) -> NoReturn:
    print(sentence, flush=True)
    sys.exit(code)


def run(unit: Unit) -> int:
    """Start it and wait; the exit code."""
    before = unit.read()
    if before.get("LoadState") != "loaded":
        fail(f"cannot start {unit.name}: {_why_not_loaded(before)}")
    if unit.is_service() and before["ActiveState"] not in ("inactive", "failed"):
        # Neither its result nor its end would be ours to take.
        fail(f"cannot start {unit.name}: it is {before['ActiveState']} ({before['SubState']}) already")
    # What remains after its exit is never over; for a oneshot the start alone waits for the end of its process.
    waits = unit.is_service() and before["RemainAfterExit"] != "yes"
    signal.signal(signal.SIGTERM, lambda *_: stop(unit))
    starting = subprocess.Popen(
        unit.call("start", *(["--wait"] if waits else []), "--", unit.name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    complaint = starting.communicate()[1]
    after = unit.read()
    if starting.returncode == 0:
        print(f"{unit.name}: {_success(after)}", flush=True)
        return 0
    reason = _failure(after) or " ".join(complaint.split()) or "systemctl failed"
    print(f"cannot finish {unit.name}: {reason}; journalctl -u {unit.name} has its output", flush=True)
    by_itself = after.get("Result") == "exit-code" and after.get("ExecMainCode") not in KILLED
    return int(after["ExecMainStatus"]) or 1 if by_itself else 1


def stop(unit: Unit) -> NoReturn:
    """The run is to end, and so is the unit. systemd carries that out even where we are killed before it is done."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"stopping {unit.name}", flush=True)
    subprocess.run(unit.call("stop", "--", unit.name), stdin=subprocess.DEVNULL, check=False)
    os._exit(128 + signal.SIGTERM)


def _why_not_loaded(state: dict[str, str]) -> str:
    match state.get("LoadState"):
        case "not-found":
            return "systemd knows no such unit"
        case "masked":
            return "it is masked; systemctl unmask lets it start again"
    return f"systemd cannot load it ({state.get('LoadError') or state.get('LoadState') or 'no state'})"


def _success(state: dict[str, str]) -> str:
    # Where systemd has forgotten the unit meanwhile, as it may when one is over, its file was read anew: both say 0.
    if state.get("ConditionResult") == "no" and state.get("ConditionTimestampMonotonic") != "0":
        return "its conditions are not met, so systemd has run nothing"
    return "started" if state.get("ActiveState") == "active" else "ended, and systemd reports no failure"


def _failure(state: dict[str, str]) -> str:
    """Result= in words; empty where it says nothing."""
    result = state.get("Result", "success")
    if result == "success":
        return ""
    status: Any = state.get("ExecMainStatus", "0")
    words = RESULTS.get(result, "Result={result}")
    if result == "exit-code" and (status == "0" or state.get("ExecMainCode") in KILLED):
        words = "one of its other processes failed (ExecStartPre=, ExecStop= or the like)"
    name = signal.Signals(int(status)).name if status.isdigit() and int(status) in set(signal.Signals) else status
    return words.format(result=result, status=status, signal=name, main=state.get("ExecMainPID", ""))


def main() -> None:
    unit = Unit(sys.argv[1])
    if not os.path.isdir("/run/systemd/system"):  # sd_booted(3)
        fail(f"cannot start {unit.name}: systemd does not run this machine")
    if os.geteuid() != 0:
        os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    try:
        sys.exit(run(unit))
    except FileNotFoundError:
        fail(f"cannot start {unit.name}: systemctl is not installed")


if __name__ == "__main__":
    main()
