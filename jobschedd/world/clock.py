"""The one place that reads clocks and draws chance."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time

from jobschedd.model.run import make_run_id

_TIME_ERROR = 5
"""What adjtimex(2) returns while nothing has synchronised the clock."""

_LAST_NANOSECOND = 2**63 - 1
"""In the year 2262."""

_libc = ctypes.CDLL(None, use_errno=True)


class SystemClock:
    """Implements ports.Clock on this machine's clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000

    def elapsed(self) -> int:
        # BOOTTIME goes on in suspend, so waking up is not mistaken for a step of the wall clock.
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000

    def asleep(self) -> int:
        awake = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - awake) // 1_000

    def synchronised(self) -> bool:
        # Python has no adjtimex. All zeros changes nothing; struct timex is 208 bytes at most.
        return bool(_libc.adjtimex(ctypes.create_string_buffer(512)) != _TIME_ERROR)

    def run_id(self, now: int) -> str:
        return make_run_id(now, int.from_bytes(os.urandom(10), "big"))


class WallTimer:
    """A descriptor that becomes readable when the wall clock comes to a moment, and at once when it is set.

    timerfd_create(2) on CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET. The kernel reports a resume from suspend as a
    set clock too.
    """

    def __init__(self) -> None:
        self._fd = _timerfd_create()

    def fileno(self) -> int:
        return self._fd

    def set(self, moment: int) -> bool:
        """Wake at `moment`, microseconds since the epoch; one that has passed is now.

        True: the clock was set since the last time, which is told here and then not by the descriptor.
        """
        # Not 0: that would disarm it. No later than the kernel's clocks go.
        return _timerfd_settime(self._fd, min(max(1, moment * 1_000), _LAST_NANOSECOND))

    def clear(self) -> None:
        """Take what it had to say, so that it is quiet until the next time."""
        # ECANCELED says that the clock was set, EAGAIN that nothing happened. Whoever wakes looks at the clock anyway.
        try:
            os.read(self._fd, 8)
        except OSError as error:
            if error.errno not in (errno.ECANCELED, errno.EAGAIN):
                raise

    def close(self) -> None:
        os.close(self._fd)


if sys.version_info >= (3, 13):

    def _timerfd_create() -> int:
        return os.timerfd_create(time.CLOCK_REALTIME, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _timerfd_settime(fd: int, nanoseconds: int) -> bool:
        try:
            os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME | os.TFD_TIMER_CANCEL_ON_SET, initial=nanoseconds)
        except OSError as error:
            # The clock was set since the last time; armed it is all the same.
            if error.errno != errno.ECANCELED:
                raise
            return True
        return False

else:
    _TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 1, 2  # linux/timerfd.h

    class _Timespec(ctypes.Structure):
        _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    class _Itimerspec(ctypes.Structure):
        _fields_ = (("interval", _Timespec), ("value", _Timespec))

    def _timerfd_create() -> int:
        fd: int = _libc.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        return fd

    def _timerfd_settime(fd: int, nanoseconds: int) -> bool:
        value = _Itimerspec(_Timespec(0, 0), _Timespec(*divmod(nanoseconds, 1_000_000_000)))
        flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
        # As above.
        failed = bool(_libc.timerfd_settime(fd, flags, ctypes.byref(value), None))
        if failed and ctypes.get_errno() != errno.ECANCELED:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        return failed
