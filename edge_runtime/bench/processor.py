"""Processor time of threads that Python does not know: those of an engine's own pool."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


def foreign_threads_s() -> float:
    """Seconds of processor that the process' threads have used which no Python code runs in; 0 where not Linux."""
    ours = {str(thread.native_id) for thread in threading.enumerate()}
    nanoseconds = 0
    for task in TASKS.iterdir() if TASKS.exists() else ():
        if task.name not in ours:
            with suppress(OSError):  # ended meanwhile, or a kernel that does not count
                nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9
