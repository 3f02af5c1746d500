"""What this process uses of the device."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.hardware.sysfs import read_bytes


@dataclass(frozen=True)
class ProcessUse:
    """A snapshot.

    Attributes:
        rss_mb: memory in use, 10^6 bytes; None where the system does not say.
        threads: of Python and of the engines; None where the system does not say.
        file_descriptors: open ones; None where the system does not say.
        cpu_s: processor time of all threads since the start.
    """

    rss_mb: float | None
    threads: int | None
    file_descriptors: int | None
    cpu_s: float


def own_use(root: Path = Path("/")) -> ProcessUse:
    """What this process uses now.

    Args:
        root: of the file system.
    """
    folder = root / "proc" / "self"
    status = {}
    for line in (read_bytes(folder / "status") or b"").splitlines():
        key, _, value = line.partition(b":")
        status[key] = value.split()
    rss_kib, threads = _number(status.get(b"VmRSS")), _number(status.get(b"Threads"))
    times = os.times()
    return ProcessUse(
        rss_mb=None if rss_kib is None else rss_kib * 1024 / 1e6,
        threads=threads,
        file_descriptors=_descriptors(folder / "fd"),
        cpu_s=times.user + times.system,
    )


def _number(words: list[bytes] | None) -> int | None:
    return int(words[0]) if words and words[0].isdigit() and len(words[0]) < 18 else None


def _descriptors(folder: Path) -> int | None:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - names are counted, no paths needed
    except OSError:
        return None
