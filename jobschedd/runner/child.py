"""What a forked child does until it is the run: it takes the place, the limits, the user, and waits for its moment.

It is a copy of the runner and may take its time: looking up a user in a directory service that does not answer holds
up nobody else. How it goes it writes into a pipe: `@` and a line with the user it has looked up; `=` and the time right
before the exec; after that, or instead, `-` and why there is no run, or `~` where that passes by itself. The exec closes
the pipe.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import fcntl
import grp
import json
import os
import re
import resource
import signal
import stat
import time
from typing import Any, NamedTuple, NoReturn

from jobschedd.runner.identity import CannotStart, Identity, environment, look_up
from jobschedd.runner.spawn import Program

LONGEST_LEAD = 25_000
"""Microseconds by which an order may come ahead of its moment, whatever the clock says."""

SPIN = 120
"""Microseconds before the moment for which the processor is kept."""

MOST_OF_A_FILE = 1 << 20
"""Bytes of an env_file."""

_PASSES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""What is no fault of the order's."""

_RUNUSER = "/usr/sbin/runuser"
_ROOT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""All that runuser, which is root, has of an environment."""

_VARIABLES = 9
"""The descriptor from which a shell that is the user already reads the run's variables: the highest that dash can close."""

_AS_USER = ("/bin/sh", "-c", f'. /proc/self/fd/{_VARIABLES}; exec {_VARIABLES}<&-; exec "$@"', "sh")

_PR_SET_PDEATHSIG = 1
_IOPRIO_SET = {"x86_64": 251, "i686": 289, "armv7l": 314, "ppc64le": 273, "s390x": 282}
"""The number of the call; 30 on everything newer. The C library has no function for it."""
_IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}
_libc = ctypes.CDLL(None, use_errno=True)


class Plan(NamedTuple):
    """What the child is to become."""

    order: dict[str, Any]
    standard_input: int
    output: int
    identity: Identity | None
    """None: it is to look it up, and to tell it."""
    program: Program | None
    """None: it depends on the identity, or on a file that is to be read as that user."""
    runner: int
    """Who forks."""


def become(plan: Plan, told: int) -> NoReturn:
    """Be the run. `told`: the pipe.

    What can be done before the fork is done there: each page that is touched here is copied first, three microseconds
    apiece.
    """
    if plan.order["pam_session"]:
        told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, _VARIABLES + 1)  # out of the way of that one
    try:
        try:
            _become(plan, told)
        except (CannotStart, ValueError) as error:
            os.write(told, b"-" + str(error).encode())
        except OSError as error:
            os.write(told, b"~" if error.errno in _PASSES else b"-" + (error.strerror or "unknown error").encode())
        except BaseException as error:  # noqa: BLE001 - the copy of a runner must never go on as one
            os.write(told, b"-" + f"a bug: {error!r}".encode())
    finally:
        os._exit(127)


def _become(plan: Plan, told: int) -> NoReturn:
    order, identity, program = plan.order, plan.identity, plan.program
    # Until it is the run nobody but the runner knows of it; one that has to wait for something must not outlive that.
    waits = program is None or bool(order["cwd"]) or order["moment"] * 1_000 > time.time_ns()
    os.setsid()
    os.dup2(plan.standard_input, 0)
    os.dup2(plan.output, 1)
    os.dup2(plan.output, 2)
    if identity is None:
        _end_with(plan.runner)
        identity = look_up(order)
        os.write(told, b"@" + json.dumps(identity).encode() + b"\n")
    if order["limits"]:
        _limit(order["limits"])
    if identity.groups is not None:
        _drop(identity, keep_root=order["pam_session"])
    if waits:
        _end_with(plan.runner)  # the kernel forgets that when the user changes
    os.umask(order["umask"])
    _enter(order["cwd"] or identity.cwd)
    if program is None:
        variables = environment(order, identity, _read_environment(order["env_file"]))
        if order["pam_session"]:
            _hand_over(variables)
            program = Program(_RUNUSER, [_RUNUSER, *_session(identity), "--", *_AS_USER, *order["argv"]], _ROOT)
        else:
            program = Program(order["argv"][0], order["argv"], variables)
    if order["pam_session"]:
        os.setresuid(0, 0, 0)
    if waits:
        await_moment(order["moment"])
        _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
    os.write(told, b"=%d" % (time.time_ns() // 1_000))
    try:
        program.execute()
    except OSError as error:
        if error.errno in _PASSES:  # a limit on the processes of that user shows here
            raise
        raise CannotStart(reason(error, program.name)) from None
    raise AssertionError


def _end_with(runner: int) -> None:
    """Be killed when the runner dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != runner:
        os._exit(127)


def await_moment(moment: int) -> None:
    """Return when the run is to begin: not before its moment."""
    left = min(moment - time.time_ns() // 1_000, LONGEST_LEAD)
    if left <= 0:
        return
    until = time.monotonic_ns() + left * 1_000
    # The kernel wakes a sleeper some 50 us late.
    time.sleep(max(0, left - SPIN) / 1_000_000)
    while time.monotonic_ns() < until:
        pass


def _hand_over(variables: dict[str, str]) -> None:
    """Leave these to the shell that _AS_USER names. Not to runuser: it is root, and would load what LD_PRELOAD says."""
    lines = (f"export {name}='" + value.replace("'", "'\\''") + "'\n" for name, value in variables.items())
    script = os.memfd_create("environment", os.MFD_CLOEXEC)
    with open(script, "wb", closefd=False) as file:
        file.write(os.fsencode("".join(lines)))
    os.dup2(script, _VARIABLES)


def _session(identity: Identity) -> list[str]:
    """For runuser(1), which opens the session, becomes the user, waits, and ends as what it runs has ended."""
    names = [f"--supp-group={grp.getgrgid(group).gr_name}" for group in identity.groups or ()]
    return [f"--user={identity.name}", f"--group={grp.getgrgid(identity.gid).gr_name}", *names]


def _drop(identity: Identity, *, keep_root: bool) -> None:
    """Become that user, with that group and these groups, and nothing of ours: all three, and checked.

    `keep_root`: only in effect, for as long as it is not runuser's turn.
    """
    _, uid, gid, groups, *_ = identity
    ours = 0 if keep_root else uid
    assert groups is not None, "else there is nothing to become"
    try:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(ours, uid, ours)
    except PermissionError:
        raise CannotStart(f"no permission to become the user: {identity.name}") from None
    if os.getresuid() != (ours, uid, ours) or os.getresgid() != (gid, gid, gid) or len(os.getgroups()) > len(groups):
        raise CannotStart(f"cannot become the user {identity.name}: the kernel says that we are another one")


def _enter(cwd: str) -> None:
    try:
        os.chdir(cwd)
    except OSError as error:
        raise CannotStart(reason(error, "", cwd)) from None


def _limit(limits: dict[str, Any]) -> None:
    """What needs no cgroup. Before the drop: some of it only root may."""
    try:
        if (files := limits.get("nofile")) is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        if (size := limits.get("core")) is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (size, size))
        if (nice := limits.get("nice")) is not None:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        if (io_class := limits.get("ionice")) is not None:
            level = 0 if io_class == "idle" else 4
            if _libc.syscall(_IOPRIO_SET.get(os.uname().machine, 30), 1, 0, _IO_CLASSES[io_class] << 13 | level) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if (score := limits.get("oom_score_adj")) is not None:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(score))
    except (OSError, ValueError) as error:
        shown = {key: limits[key] for key in ("nofile", "core", "nice", "ionice", "oom_score_adj") if key in limits}
        raise CannotStart(f"cannot set the limits {shown}: {getattr(error, 'strerror', None) or error}") from None


def _read_environment(path: str | None) -> dict[str, str]:
    """The variables of an env_file, read as the user of the run: whoever may write there gains nothing by a link."""
    if path is None:
        return {}
    try:
        # What is no file, a pipe say, may never answer.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            data = file.read(MOST_OF_A_FILE + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b"\0"
    except OSError as error:
        raise CannotStart(f"cannot read env_file {path}: {error.strerror}") from None
    if len(data) > MOST_OF_A_FILE or b"\0" in data:
        raise CannotStart(f"cannot read env_file {path}: it is no text file of at most 1 MiB")
    variables = {}
    for number, line in enumerate(os.fsdecode(data.removeprefix(codecs.BOM_UTF8)).split("\n"), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # Not quoted: it may be half a secret.
            raise CannotStart(f"cannot read env_file {path}, line {number}: write NAME=value")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        variables[name] = value[1:-1] if quoted else value
    return variables


def _is_script(program: str) -> bool:
    try:
        with open(program, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def reason(error: OSError, program: str, cwd: str | None = None) -> str:
    """Why there is no run, in words. `cwd`: it is about the directory."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if cwd:
            return f"no such directory: {cwd}"
        case errno.EACCES if cwd:
            return f"no permission to enter the directory: {cwd}"
        case errno.ENOENT | errno.ENOTDIR if os.path.exists(program):
            return f'no such interpreter: the first line "#!" of {program} names a program that does not exist'
        case errno.ENOENT | errno.ENOTDIR:
            return f"no such program: {program}"
        case errno.EACCES if os.path.isdir(program):
            return f"it is a directory: {program}"
        case errno.EACCES if os.access(program, os.X_OK, effective_ids=True) and _is_script(program):
            return f'no permission to execute the interpreter that the first line "#!" of {program} names'
        case errno.EACCES:
            return f"no permission to execute: {program}"
        case errno.ENOEXEC:
            return f'not a program: {program} has no "#!" line and is no binary of this machine'
        case errno.E2BIG:
            return (
                "argument list too long: arguments and environment together are more than the kernel takes,"
                " or one of them alone is longer than 128 KiB"
            )
    return f"{os.strerror(error.errno or 0)}: {cwd or program}"
