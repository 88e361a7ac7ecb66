"""posix_spawn(3), with what os.posix_spawn leaves out: a cgroup to be born in, and signals of the C library's own.

glibc's starts every program with signals 32 and 33 ignored, which all of a job inherits, unless they are in the set of
those to be reset; its functions do not let anybody put them there.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from jobschedd.runner.identity import CannotStart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_libc = ctypes.CDLL(None)
_execve = ctypes.PyDLL(None, use_errno=True).execve

# <spawn.h>, the same numbers in glibc and musl, but the last one, which only glibc 2.39 has
_SETSIGDEF, _SETSIGMASK, _SETSID, _SETCGROUP = 0x04, 0x08, 0x80, 0x100
_ROOM = 1024
"""Bytes; both structures are smaller in every C library."""

CAN_ENTER_CGROUP = hasattr(_libc, "posix_spawnattr_setcgroup_np")

_ALL_SIGNALS = ctypes.create_string_buffer(b"\xff" * 8 + bytes(120), 128)
_NO_SIGNALS = ctypes.create_string_buffer(128)


class Program:
    """A program, its arguments and its environment, in the form that the kernel takes them."""

    def __init__(self, program: str, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        """`program`: without a slash it is looked for in the PATH of `variables`.

        Raises ValueError for a NUL, CannotStart where there is no such program.
        """
        self.name = program if "/" in program else _find(program, variables.get("PATH", os.defpath))
        texts = [*argv, *(f"{name}={value}" for name, value in variables.items())]
        if "\0" in self.name or any("\0" in text for text in texts):
            raise ValueError("embedded null byte in an argument or a variable")
        words = list(map(os.fsencode, texts))
        self.path = os.fsencode(self.name)
        self.argv = (ctypes.c_char_p * (len(argv) + 1))(*words[: len(argv)], None)
        self.variables = (ctypes.c_char_p * (len(variables) + 1))(*words[len(argv) :], None)

    def execute(self) -> None:
        """Be that program, execve(2). Raises OSError."""
        _execve(self.path, self.argv, self.variables)
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _find(program: str, path: str) -> str:
    """As execvp(3) does, but never where the run happens to stand: others may write there. Raises CannotStart."""
    places = [os.path.join(directory, program) for directory in path.split(":") if directory.startswith("/")]
    files = [place for place in places if os.path.isfile(place)]
    for file in files:
        if os.access(file, os.X_OK):
            return file
    if files:
        raise CannotStart(f"no permission to execute: {files[0]}")
    raise CannotStart(f"no such program: {program}")


def _check(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


def _attributes(group: int | None) -> ctypes.Array[ctypes.c_char]:
    """What a program is born with."""
    made = ctypes.create_string_buffer(_ROOM)
    _check(_libc.posix_spawnattr_init(made))
    _check(_libc.posix_spawnattr_setsigdefault(made, _ALL_SIGNALS))
    _check(_libc.posix_spawnattr_setsigmask(made, _NO_SIGNALS))
    flags = _SETSIGDEF | _SETSIGMASK | _SETSID
    if group is not None:
        _check(_libc.posix_spawnattr_setcgroup_np(made, group))
        flags |= _SETCGROUP
    _check(_libc.posix_spawnattr_setflags(made, ctypes.c_short(flags)))
    return made


_PLAIN = _attributes(None)
"""Of all that have no cgroup: nothing in it is a run's own."""


class Spawn:
    """A start that is prepared: all that is left is one call."""

    def __init__(self, program: Program, descriptors: Sequence[int], group: int | None = None) -> None:
        """`descriptors`: what is to be 0, 1 and 2. `group`: the directory of a cgroup."""
        self._program = program
        self._attributes = _attributes(group) if group is not None else _PLAIN
        self._actions = ctypes.create_string_buffer(_ROOM)
        _check(_libc.posix_spawn_file_actions_init(self._actions))
        for number, descriptor in enumerate(descriptors):
            _check(_libc.posix_spawn_file_actions_adddup2(self._actions, descriptor, number))

    def start(self) -> int:
        """The process id, once the program runs. Raises OSError."""
        pid, made = ctypes.c_int(), self._program
        _check(
            _libc.posix_spawn(ctypes.byref(pid), made.path, self._actions, self._attributes, made.argv, made.variables)
        )
        return pid.value

    def __del__(self) -> None:
        _libc.posix_spawn_file_actions_destroy(self._actions)
        if self._attributes is not _PLAIN:
            _libc.posix_spawnattr_destroy(self._attributes)
