"""Memory and end of a process with all that it started.

RLIMIT_AS would be simpler, but CUDA reserves address space many times the size of what it uses, so a limit on address
space ends every build. What counts is resident memory, and that only a watcher can limit.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def resident_bytes(group: int) -> int:
    """Resident memory of a process group, bytes; 0 where the system does not say. Shared pages count for each."""
    found = (_group_and_bytes(folder) for folder in PROC.glob("[0-9]*"))
    return sum(resident for its, resident in found if its == group)


def own_resident_bytes(process: int) -> int:
    """The same of one process alone, for a fraction of the time."""
    return _group_and_bytes(PROC / str(process))[1]


def _group_and_bytes(folder: Path) -> tuple[int, int]:
    with suppress(OSError, ValueError, IndexError):  # a process may end while we look
        # The name stands in parentheses and may hold spaces and parentheses itself.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return int(fields[2]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return 0, 0


def kill_group(group: int) -> None:
    """End every process of the group, at once."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def machine_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def end_with_input() -> None:
    """Wait until nobody can write to standard input any more, then end this process and what it started.

    For a process that leads a group of its own, in a thread of its own: the others may be in a library.
    """
    closed = select.poll()
    closed.register(0, 0)  # no data, which is for another thread
    closed.poll()
    os.killpg(0, signal.SIGKILL)
