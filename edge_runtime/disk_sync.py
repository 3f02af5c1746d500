"""What was written to a file reaches the disk a moment later, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from edge_runtime.ratelimit import RateLimitedLog

logger = logging.getLogger(__name__)


class DiskSync:
    """Waits for the disk, so that whoever writes need not, and for several writes at once.

    What is written is safe from the end of the process at once; from that of the power when the disk has it. The first
    write after a pause goes to the disk right away, those after it together, every `period_s`.

    Args:
        path: of the file; need not be there before the first write.
        period_s: between two visits to the disk.
    """

    def __init__(self, path: Path, period_s: float) -> None:
        self._path = path
        self._period_s = period_s
        self._log = RateLimitedLog(logger)
        self._written = threading.Event()
        self._closing = threading.Event()
        self._entered = False  # in its folder, on the disk
        self._thread = threading.Thread(target=self._run, name="disk-sync", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """There is something new in the file. Safe to call from any thread."""
        if not self._written.is_set():
            self._written.set()

    def close(self) -> None:
        """Return when all that was written is on the disk."""
        self._closing.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._written.wait()
            self._written.clear()  # before the disk is asked: what is written from now on is for the next time
            began = time.monotonic()
            self._sync()
            self._closing.wait(self._period_s - (time.monotonic() - began))
        self._sync()

    def _sync(self) -> None:
        try:
            if not self._entered:
                _to_disk(self._path.parent)
            _to_disk(self._path)
        except OSError as error:
            # It is in the file all the same; a disk that does not work makes the next write fail.
            self._log.warning("sync", f"{self._path} does not get to the disk: {error.strerror or error}")
        else:
            self._entered = True


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
