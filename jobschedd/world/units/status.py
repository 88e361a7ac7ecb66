"""What systemd's properties of a unit say of the run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from signal import Signals
from typing import Any

from jobschedd.model.run import Ending, Instant

EXITED = 1
"""CLD_EXITED of sigaction(2); the others that end a process are by a signal."""

_UNKNOWN = 2**64 - 1

AT_THE_END = {
    "ExecMainPID": "Service",
    "ExecMainStartTimestamp": "Service",
    "ExecMainExitTimestamp": "Service",
    "ExecMainCode": "Service",
    "ExecMainStatus": "Service",
    "Result": "Service",
    "CPUUsageNSec": "Service",
    "MemoryPeak": "Service",
}
"""The properties that tell how a run ended, with their interfaces. Before 255 there is no MemoryPeak,
and the control group, which counts it, is gone when the main process has ended."""

AT_A_LOOK = {
    "ActiveState": "Unit",
    "ActiveEnterTimestamp": "Unit",
    "Job": "Unit",
    "ExecMainPID": "Service",
    "ExecMainStartTimestamp": "Service",
    "ExecMainExitTimestamp": "Service",
}
"""Those that tell what has become of a unit meanwhile."""

_BEFORE_EXEC = {
    200: "no permission to enter the directory, or there is none: {cwd}",
    203: "no permission to execute {program}, or the sandbox hides it or its interpreter",
    216: "no such group: {group}",
    217: "no such user: {user}",
    219: "cannot set up the sandbox (CGROUP): the control group could not be made",
    224: "cannot open a PAM session for {user}",
    226: "cannot set up the sandbox (NAMESPACE): a path that it names is not there, or this machine allows no namespaces",
    228: "cannot set up the sandbox (SECCOMP): this machine cannot filter system calls so",
    243: "cannot set up the sandbox (CREDENTIALS): a credential could not be read",
}
_STEPS = {
    201: "NICE", 202: "FDS", 204: "MEMORY", 205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN",
    209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 212: "TIMERSLACK", 213: "SECUREBITS", 214: "SETSCHEDULER",
    215: "CPUAFFINITY", 218: "CAPABILITIES", 220: "SETSID", 222: "STDERR", 225: "NETWORK", 227: "NO_NEW_PRIVILEGES",
    229: "SELINUX_CONTEXT", 230: "PERSONALITY", 231: "APPARMOR_PROFILE", 232: "ADDRESS_FAMILIES",
    233: "RUNTIME_DIRECTORY", 235: "CHOWN", 236: "SMACK_PROCESS_LABEL", 237: "KEYRING", 238: "STATE_DIRECTORY",
    239: "CACHE_DIRECTORY", 240: "LOGS_DIRECTORY", 241: "CONFIGURATION_DIRECTORY", 242: "NUMA_POLICY", 244: "BPF",
    245: "BPF",
}  # fmt: skip
"""systemd.exec(5), "Process Exit Codes": what systemd's own child exits with before it becomes the program."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a refusal names, as far as it is still known."""

    program: str = "the program"
    cwd: str = "its working directory"
    user: str = "its user"
    group: str = "its group"
    missing: bool = False
    """There is no such program."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The program runs, or has run."""

    pid: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Over:
    """It has ended."""

    begun: Begun
    at: Instant
    ending: Ending


@dataclass(frozen=True, slots=True)
class Failed:
    """There was no program. The end of `cannot_start: …`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Coming:
    """systemd is about to start it."""


@dataclass(frozen=True, slots=True)
class Absent:
    """systemd has no such unit. It keeps those that have ended, so this one never was, or was taken away."""


State = Begun | Over | Failed | Coming | Absent


def judge(facts: dict[str, Any], known: Circumstances) -> State:
    """What became of a unit. `facts`: its properties, and as `job` the result of the job that started it."""
    job, active = facts.get("job", ""), facts.get("ActiveState", "")
    # A job of a unit that nothing is known of is the one that will start it.
    if not job and (active == "activating" or (active == "inactive" and (facts.get("Job") or (0,))[0])):
        return Coming()
    if not job and active in ("inactive", None):
        return Absent()
    began, ended, pid = (facts.get(f"ExecMain{what}") or 0 for what in ("StartTimestamp", "ExitTimestamp", "PID"))
    if not pid:
        return Failed(f"systemd could not start it: {facts.get('Result') or job or 'it does not say why'}")
    if not ended:
        return Begun(pid, began)
    executed = job == "done" if job else (facts.get("ActiveEnterTimestamp") or 0) > 0
    status = facts.get("ExecMainStatus") or 0
    exited = facts.get("ExecMainCode") == EXITED
    if not executed and exited and (reason := _before_exec(status, known)):
        return Failed(reason)
    ending = Ending(
        exit_code=status if exited else None,
        signal=None if exited else status,
        cpu_usec=_number(facts.get("CPUUsageNSec")) // 1_000,
        memory_peak=_number(facts.get("MemoryPeak")) or None,
        reason=_why(facts.get("Result"), status, exited=exited),
    )
    return Over(Begun(pid, began), ended, ending)


def _number(value: int | None) -> int:
    return 0 if value in (None, _UNKNOWN) else value


def _why(result: str | None, status: int, *, exited: bool) -> str:
    if result == "oom-kill":
        return "killed: out of memory"
    if result == "core-dump" and not exited:
        return f"dumped core: {Signals(status).name}"
    return ""


def _before_exec(status: int, known: Circumstances) -> str:
    """Empty for a status that only a program can have given."""
    if status == 203 and known.missing:
        return f"no such program: {known.program}"
    if status in _BEFORE_EXEC:
        return _BEFORE_EXEC[status].format(program=known.program, cwd=known.cwd, user=known.user, group=known.group)
    return f"cannot set up the sandbox ({_STEPS[status]})" if status in _STEPS else ""
