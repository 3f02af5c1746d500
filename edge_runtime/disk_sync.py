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
        path: of the file; need not be there before the first write, and is the same file from then on.
        period_s: between two visits to the disk.
    """

    def __init__(self, path: Path, period_s: float) -> None:
        self._path = path
        self._period_s = period_s
        self._log = RateLimitedLog(logger)
        self._written = threading.Event()
        self._closing = threading.Event()
        self._descriptor: int | None = None  # of the file, once its folder on the disk has it
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
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._closing.is_set():  # also after a wait: what `close` has set may be cleared with the rest
            self._written.wait()
            if self._closing.wait(max(0.0, due_s - time.monotonic())):
                break
            due_s = time.monotonic() + self._period_s
            self._written.clear()  # before the disk is asked: what is written from now on is for the next time
            self._sync()
        self._sync()

    def _sync(self) -> None:
        try:
            if self._descriptor is None:
                self._descriptor = self._entered()
            os.fdatasync(self._descriptor)
        except OSError as error:
            # It is in the file all the same; a disk that does not work makes the next write fail.
            self._log.warning("sync", f"{self._path} does not get to the disk: {error.strerror or error}")

    def _entered(self) -> int:
        """The file, open, after its folder has reached the disk."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(folder)
        finally:
            os.close(folder)
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
