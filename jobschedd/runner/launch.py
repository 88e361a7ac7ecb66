"""Turns one start order into a process, or into the reason why there is none.

subprocess does the fork: without another user it is a vfork, which costs 0.1 ms whatever the size of this process,
and with one the child's steps run in C between fork and exec, each checked. What the child gets is said here in
full; nothing is inherited by chance.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import resource
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ROOM = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What passes by itself: the start waits for it instead of being refused."""

LONGEST_LEAD = 25_000
"""Microseconds by which an order may come ahead of its moment, whatever the clock says."""

SPIN = 120
"""Microseconds before the moment for which the processor is kept."""

_NOBODY_AT_ALL = 2**32 - 1
"""(uid_t) -1 means "leave unchanged" to setresuid(2): the run would stay root."""


def _await_moment(moment: int) -> None:
    """Return when a start is to be made: not before its moment."""
    left = min(moment - time.time_ns() // 1_000, LONGEST_LEAD)
    if left <= 0:
        return
    until = time.monotonic_ns() + left * 1_000
    # The kernel wakes a sleeper some 50 us late.
    time.sleep(max(0, left - SPIN) / 1_000_000)
    while time.monotonic_ns() < until:
        pass


class CannotStart(Exception):  # noqa: N818 - the contract's word
    """The order cannot be carried out; the text is the end of `cannot_start: …`."""


class NoRoom(Exception):  # noqa: N818 - no error: the start waits and is made again
    """Too many processes, descriptors or too little memory just now."""


def start(order: dict[str, Any], output: int, soft_files: int) -> int:
    """Start what `order` says, at its moment, with stdout and stderr on `output`; the process id, once it runs.

    `soft_files`: the soft limit on open files that the job is to have. Raises CannotStart or NoRoom.
    """
    identity, person = _identity(order["user"], order["group"])
    argv = order["argv"]
    cwd = order["cwd"] or _home(order["user"], person)
    environment = _environment(order, person)
    try:
        with _stdin(order["stdin"]) as standard_input, _soft_limit(soft_files):
            _await_moment(order["moment"])
            process = subprocess.Popen(
                argv,
                stdin=standard_input,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=cwd,
                umask=order["umask"],
                start_new_session=True,
                **identity,
            )
    except OSError as error:
        if error.errno in NO_ROOM:
            raise NoRoom from error
        raise CannotStart(_reason(error, argv[0], cwd, order["user"])) from None
    except ValueError as error:  # a NUL byte; the model refuses it, this is the last line
        raise CannotStart(f"{error}") from None
    # The runner reaps by itself; a Popen without returncode would warn, and wait for it, when it is collected.
    process.returncode = 0
    return process.pid


def _identity(user: str | None, group: str | None) -> tuple[dict[str, Any], pwd.struct_passwd]:
    """What subprocess needs to become that user, and the user's entry. Always user, group and groups together."""
    try:
        person = pwd.getpwnam(user) if user is not None else _ourselves()
    except KeyError:
        raise CannotStart(f"no such user: {user}") from None
    try:
        gid = grp.getgrnam(group).gr_gid if group is not None else person.pw_gid
    except KeyError:
        raise CannotStart(f"no such group: {group}") from None
    if not 0 <= person.pw_uid < _NOBODY_AT_ALL or not 0 <= gid < _NOBODY_AT_ALL:
        raise CannotStart(f"{person.pw_name} has the id {person.pw_uid}:{gid}, which is no id")
    if user is None and group is None:
        return {}, person
    if os.geteuid() != 0:
        if person.pw_uid == os.geteuid() and gid == os.getegid():
            return {}, person
        raise CannotStart(f"only root may start runs as another user or group: {user or group}")
    groups = os.getgrouplist(person.pw_name, gid)
    return {"user": person.pw_uid, "group": gid, "extra_groups": groups}, person


def _ourselves() -> pwd.struct_passwd:
    """Our own entry; in a container our user id may be one that nobody has given a name."""
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), name, "/", "/bin/sh"))


def _home(user: str | None, person: pwd.struct_passwd) -> str:
    return person.pw_dir if user is not None and os.path.isdir(person.pw_dir) else "/"


def _environment(order: dict[str, Any], person: pwd.struct_passwd) -> dict[str, str]:
    """From nothing, as cron does it: what cron sets, what a job may want to know of itself, then the job's own."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {
        "PATH": system if person.pw_uid == 0 else "/usr/local/bin:/usr/bin:/bin",
        "HOME": person.pw_dir,
        "LOGNAME": person.pw_name,
        "USER": person.pw_name,
        "SHELL": order["shell"],
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "JOBSCHEDD_JOB_ID": order["job_id"],
        "JOBSCHEDD_RUN_ID": order["run_id"],
        "JOBSCHEDD_SCHEDULED_AT": order["scheduled_at"],
        "JOBSCHEDD_ATTEMPT": str(order["attempt"]),
    }
    if order["timezone"]:
        environment["TZ"] = order["timezone"]
    environment.update(order["env"])
    # What is left behind is found by it; a job may read it but not take it away.
    environment["JOBSCHEDD_RUN_ID"] = order["run_id"]
    return environment


@contextmanager
def _stdin(text: str | None) -> Iterator[int]:
    """A descriptor to read `text` from, or nothing. A memory file: a pipe would block on a long one."""
    if text is None:
        descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    else:
        descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        if text is not None:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(text.encode())
            os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _soft_limit(files: int) -> Iterator[None]:
    """The limit on open files that the job is to inherit, while it is forked.

    Ours is higher: a thousand runs may have a pipe each. A limit does not touch what is open, and our lasting
    descriptors stand above it, so the low numbers that fork needs stay free.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files >= soft:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _reason(error: OSError, program: str, cwd: str, user: str | None) -> str:
    about_cwd = error.filename == cwd and not (error.filename == program and os.path.isdir(cwd))
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if about_cwd:
            return f"no such directory: {cwd}"
        case errno.EACCES if about_cwd:
            return f"no permission to enter the directory: {cwd}"
        case errno.EPERM if user is not None:
            return f"no permission to become the user: {user}"
        case errno.ENOENT | errno.ENOTDIR if os.path.exists(program):
            return f'no such interpreter: the first line "#!" of {program} names a program that does not exist'
        case errno.ENOENT | errno.ENOTDIR:
            return f"no such program: {program}"
        case errno.EACCES:
            return f"no permission to execute: {program}"
        case errno.ENOEXEC:
            return f'not a program: {program} has no "#!" line and is no binary of this machine'
        case errno.E2BIG:
            return "argument list too long: arguments and environment together are more than the kernel takes"
    return f"{os.strerror(error.errno or 0)}: {program}"
