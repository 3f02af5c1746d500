"""How far the wall clock can be trusted, and what lets ages survive its jumps."""

from __future__ import annotations

import ctypes
import functools
import sys
from pathlib import Path

from edge_runtime.frame import ClockQuality

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised to a reliable server
_TIMEX_BYTES = 512  # more than `struct timex` on any architecture; all zeros asks for the state and changes nothing


def wall_clock_quality() -> ClockQuality:
    """'ntp' when the kernel says that a time service keeps the clock, else 'unsynchronised'."""
    adjtimex = _adjtimex()
    if adjtimex is None:
        return "unsynchronised"
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return "ntp" if 0 <= state < _TIME_ERROR else "unsynchronised"


@functools.cache
def boot_id() -> str:
    """Names the time since the last boot, within which the monotonic clock's readings can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@functools.cache
def _adjtimex() -> ctypes._NamedFuncPointer | None:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "adjtimex", None)
