"""What this process uses of the device; files and processor time are told by prometheus_client's own collector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_runtime.hardware.sysfs import read_bytes


@dataclass(frozen=True)
class ProcessUse:
    """A snapshot.

    Attributes:
        rss_mb: memory in use, 10^6 bytes; None where the system does not say.
        threads: of Python and of the engines; None where the system does not say.
    """

    rss_mb: float | None
    threads: int | None


def own_use(root: Path = Path("/")) -> ProcessUse:
    """What this process uses now.

    Args:
        root: of the file system.
    """
    status = {}
    for line in (read_bytes(root / "proc" / "self" / "status") or b"").splitlines():
        key, _, value = line.partition(b":")
        status[key] = value.split()
    rss_kib, threads = _number(status.get(b"VmRSS")), _number(status.get(b"Threads"))
    return ProcessUse(rss_mb=None if rss_kib is None else rss_kib * 1024 / 1e6, threads=threads)


def _number(words: list[bytes] | None) -> int | None:
    return int(words[0]) if words and words[0].isdigit() and len(words[0]) < 18 else None
