"""Turns one start order into a process.

Two ways. A plain order is spawned: a vfork, as quick from a process of any size, and everything but that is done before
its moment. All others are forked, and the child makes a run of itself (child.py): in its cgroup, as another user,
within limits. What the child gets is said here in full; nothing is inherited by chance.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from jobschedd.runner.child import Plan, await_moment, become, reason
from jobschedd.runner.identity import CannotStart, Identity, environment, look_up
from jobschedd.runner.spawn import CAN_ENTER_CGROUP, Program, Spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_ROOM = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What passes by itself: the start waits for it instead of being refused."""

PLAIN: dict[str, Any] = {
    "user": None,
    "group": None,
    "groups": None,
    "cwd": None,
    "env_file": None,
    "pam_session": False,
    "limits": {},
}
"""What an order says that needs no step between fork and exec, nor a look at a directory that may not answer."""

BELIEVED = 10
"""Seconds for which what was looked up of a user is not looked up again."""

MOST_KNOWN = 1_000

_known: dict[tuple[Any, ...], Identity] = {}
"""Who runs have been of late."""

_CLONE3 = 435
_CLONE_INTO_CGROUP = 0x200000000
_clone3 = ctypes.PyDLL(None, use_errno=True).syscall
_clone3.restype = ctypes.c_long


class NoRoom(Exception):  # noqa: N818 - no error: the start waits and is made again
    """Too many processes, descriptors or too little memory just now."""


def now() -> int:
    """Wall clock in microseconds. This process has no clock room: the only clock it reads is the record's."""
    return time.time_ns() // 1_000


class Ready:
    """A run that needs one call more to begin. `close` lets go of what it holds."""

    def __init__(self, order: dict[str, Any], output: int, group: int | None) -> None:
        """`output`: its stdout and stderr. `group`: the directory of its cgroup. Raises CannotStart or NoRoom."""
        self._order = order
        self._group = group
        self._spawn: Spawn | None = None
        self._program = order["argv"][0]
        with _AsRefusal(self._program):
            self._input = _standard_input(order["stdin"])
        try:
            self._prepare(output)
        except BaseException:
            os.close(self._input)
            raise

    def _prepare(self, output: int) -> None:
        order = self._order
        plain = all(order[key] == value for key, value in PLAIN.items())
        if plain and (self._group is None or CAN_ENTER_CGROUP):
            with _AsRefusal(self._program):
                program = Program(self._program, order["argv"], environment(order, look_up(order), {}))
                self._program = program.name
                self._spawn = Spawn(program, (self._input, output, output), self._group)
            return
        identity = _known.get(_who(order))
        known = None
        # What a bare name means depends on what that user may see.
        if identity is not None and "/" in self._program and not order["env_file"] and not order["pam_session"]:
            with _AsRefusal(self._program):
                known = Program(self._program, order["argv"], environment(order, identity, {}))
        self._plan = Plan(order, self._input, output, identity, known, os.getpid())
        # Born in that cgroup: there is no moment at which it is, or forks, anywhere else.
        into = _CLONE_INTO_CGROUP if self._group is not None else 0
        self._arguments = struct.pack("11Q", into, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, self._group or 0)

    def start(self) -> tuple[int, int | None]:
        """Begin, not before its moment: the process id, and where a child that was forked says how it goes.

        None: it goes; a spawned program runs. See `hear` for what a child says. Raises CannotStart or NoRoom.
        """
        if self._spawn is None:
            return self._fork()
        ours = os.umask(self._order["umask"])
        try:
            with _AsRefusal(self._program):
                await_moment(self._order["moment"])
                return self._spawn.start(), None
        finally:
            os.umask(ours)

    def _fork(self) -> tuple[int, int]:
        """Fork without Python's hooks: this process has one thread and nothing that a fork disturbs, and they copy pages.

        Each page that either side writes to after this is a fault of microseconds, so little stands here. But the pipe
        is made here: no other child may have its end, which would keep it open for as long as that one waits.
        """
        try:
            ours, its = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NoRoom from error
        child: int = _clone3(_CLONE3, self._arguments, 88)
        if child == 0:
            become(self._plan, its)
        try:
            if child < 0:
                with _AsRefusal(self._program):
                    child = _fork_otherwise(lambda: become(self._plan, its), self._group)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(its)
        return child, ours

    def close(self) -> None:
        os.close(self._input)


class _AsRefusal:
    """What the kernel says, in the words of the contract. No generator: it stands around each start."""

    __slots__ = ("_program",)

    def __init__(self, program: str) -> None:
        self._program = program

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            if error.errno in NO_ROOM:
                raise NoRoom from error
            raise CannotStart(reason(error, self._program)) from None
        if isinstance(error, ValueError):  # a NUL byte; the model refuses it, this is the last line
            raise CannotStart(f"{error}") from None


def _who(order: dict[str, Any]) -> tuple[Any, ...]:
    """What an identity follows from; and for how long it is believed."""
    groups = order["groups"]
    return order["user"], order["group"], groups if groups is None else tuple(groups), int(time.monotonic() // BELIEVED)


def _fork_otherwise(run: Callable[[], NoReturn], group: int | None) -> int:
    """After clone3 has refused. Raises OSError."""
    number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EPERM):
        raise OSError(number, os.strerror(number))
    # A container's filter on system calls may not know clone3.
    child = os.fork()
    if child == 0:
        if group is not None:
            with open(os.open("cgroup.procs", os.O_WRONLY, dir_fd=group), "w") as file:
                file.write("0")
        run()
    return child


def _standard_input(text: str | None) -> int:
    """A descriptor to read `text` from, or nothing. A memory file: a pipe would block on a long one."""
    if text is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def soft_limit(files: int) -> Iterator[None]:
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


class Said(NamedTuple):
    """How it went."""

    began: int
    """When the run began; 0: it did not."""
    refusal: str
    """Why it did not."""


def hear(told: bytes, order: dict[str, Any]) -> Said | None:
    """What a child has told (child.py says how) by the time its pipe is closed; None: it is to be tried again."""
    if told.startswith(b"@"):
        line, _, told = told.partition(b"\n")
        if len(_known) > MOST_KNOWN:
            _known.clear()
        _known[_who(order)] = Identity(*json.loads(line[1:]))
    began, _, refusal = told.partition(b"-")
    if refusal:
        return Said(0, refusal.decode("utf-8", "backslashreplace"))
    if began.endswith(b"~"):
        return None
    return Said(int(began[1:]), "") if began else Said(0, "it was killed before it could start")
