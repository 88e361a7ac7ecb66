"""The daemon's own memory, once all that was there at the start has been read."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def settle() -> None:
    """Give back what reading has used, and have the collector leave alone what stays: it is walked no more."""
    gc.collect()
    with suppress(AttributeError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.enable()
