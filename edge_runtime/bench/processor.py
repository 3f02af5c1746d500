"""Processor time of threads that Python does not know: those of an engine's own pool."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


class ForeignThreads:
    """The threads of this process that are there now and that no Python code runs in.

    Later ones are left out: a thread of Python's that ends is in the system's list for longer than in Python's own.
    """

    def __init__(self) -> None:
        self._before_ns = _used_ns()

    def used_s(self) -> float:
        """Seconds of processor that they have used since, but for those that have ended; 0 where this is not Linux."""
        before_ns = self._before_ns
        return sum(used - before_ns[task] for task, used in _used_ns().items() if task in before_ns) / 1e9


def _used_ns() -> dict[str, int]:
    """By thread: all that it has used, nanoseconds."""
    ours, used = {str(thread.native_id) for thread in threading.enumerate()}, dict[str, int]()
    for task in TASKS.iterdir() if TASKS.exists() else ():
        if task.name not in ours:
            with suppress(OSError):  # ended meanwhile, or a kernel that does not count
                used[task.name] = int((task / "schedstat").read_text().split()[0])
    return used
