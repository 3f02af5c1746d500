"""What was written to a file reaches the disk a moment later, in a thread of its own, unless it is spared before."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from edge_runtime.ratelimit import RateLimitedLog

logger = logging.getLogger(__name__)

AWAKE = -math.inf


class DiskSync:
    """Waits for the disk, so that whoever writes need not, and for several writes at once.

    What is written is safe from the end of the process at once; from that of the power when the disk has it, at the
    latest `period_s` and a visit to the disk later. What is spared before that (somebody else has it by then) makes no
    visit: while a broker takes all that comes, the disk has its rest. To be woken only to see that costs more than the
    rest of it, so somebody else who is awake anyway may see to it (`watched`).

    Args:
        path: of the file, which is opened now and is the same one to the end.
        period_s: from a write to the visit to the disk.
        chore: what else has to wait for the disk, called in this thread; must not raise.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, period_s: float, chore: Callable[[], None]) -> None:
        self._path = path
        self._period_s = period_s
        self._chore = chore
        self._log = RateLimitedLog(logger)
        self._lock = threading.Lock()  # of all that follows
        self._at_risk: dict[int, float] = {}  # what the power could take, oldest first, and when it is due
        self._newest_due_s = -math.inf  # of what was written last, though it may be spared by now
        self._chore_due = False
        self._closing = False
        self._watched = False
        self._wakes_at_s = AWAKE
        self._gate = threading.Lock()  # open where somebody calls; an event would cost the caller three times as much
        # Not at the first visit, which may be hours away: a process should have what it needs from the start.
        self._file = path.open("rb", buffering=0)
        self._entered = False  # in its folder on the disk
        self._thread = threading.Thread(target=self._run, name="disk-sync", daemon=True)
        self._thread.start()

    def written(self, ids: Iterable[int]) -> None:
        """These are new in the file. Safe to call from any thread."""
        due_s = time.monotonic() + self._period_s
        with self._lock:
            self._at_risk.update(dict.fromkeys(ids, due_s))
            self._newest_due_s = due_s
            if not self._watched:
                self._call(due_s)

    def watched(self, yes: bool) -> None:
        """Somebody promises to ask for `due_in_s` after each write and to call `look` in time, or no longer does."""
        with self._lock:
            self._watched = yes
            if not yes and self._at_risk:
                self._call(0.0)

    def due_in_s(self) -> float | None:
        """Seconds until the thread has to look after the disk, negative when it is late; None: nothing is at risk."""
        with self._lock:
            oldest_due_s = next(iter(self._at_risk.values()), None)
        return None if oldest_due_s is None else oldest_due_s - time.monotonic()

    def look(self) -> None:
        """Have the thread see what is due. Safe to call from any thread."""
        with self._lock:
            self._call(0.0)

    def spare(self, ids: Iterable[int]) -> None:
        """These need not reach the disk any more. Safe to call from any thread."""
        with self._lock:
            for id in ids:
                self._at_risk.pop(id, None)

    def do_chore(self) -> None:
        """Have the chore done now. Safe to call from any thread."""
        with self._lock:
            self._chore_due = True
            self._call(0.0)

    def close(self) -> None:
        """Return when all that was written is spared or on the disk."""
        with self._lock:
            self._closing = True
            self._call(0.0)
        self._thread.join()
        self._file.close()

    def _call(self, due_s: float) -> None:
        """Wake the thread, if it would sleep for longer. The caller holds the lock."""
        if due_s < self._wakes_at_s:
            self._wakes_at_s = AWAKE  # or will be: nobody opens the gate twice
            self._gate.release()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._wakes_at_s = AWAKE
                self._gate.acquire(blocking=False)  # closed again, also where it was opened when the time was just up
                now_s, due_s = time.monotonic(), self._due_s()
                closing, chore_due, self._chore_due = self._closing, self._chore_due, False
                visit_due = bool(self._at_risk) and (closing or due_s <= now_s)
                if not (closing or chore_due or visit_due):
                    # Decided under the lock: what comes from here on is due later than this, or opens the gate.
                    self._wakes_at_s = due_s
            if visit_due:
                self._visit()
            if closing:
                return
            if chore_due:
                self._chore()
            elif not visit_due:
                self._gate.acquire(timeout=-1 if due_s == math.inf else max(0.0, due_s - now_s))

    def _due_s(self) -> float:
        """When to look next; the caller holds the lock."""
        oldest_due_s = next(iter(self._at_risk.values()), None)
        if oldest_due_s is not None:
            return oldest_due_s
        # Though all is spared: a sleep that ends by itself costs less than being woken by the next write, and nothing
        # that is written from now on is due before.
        wakes_by_itself = not self._watched and self._newest_due_s > time.monotonic()
        return self._newest_due_s if wakes_by_itself else math.inf

    def _visit(self) -> None:
        with self._lock:  # before the disk is asked: what is written from now on is for the next time
            for_now, self._at_risk = self._at_risk, {}
        try:
            if not self._entered:
                self._enter()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            # It is in the file all the same; a disk that does not work makes the next write fail.
            self._log.warning("sync", f"{self._path} does not get to the disk: {error.strerror or error}")
            again_s = time.monotonic() + self._period_s
            with self._lock:
                self._at_risk = dict.fromkeys(for_now, again_s) | self._at_risk

    def _enter(self) -> None:
        """Bring the file's entry in its folder to the disk."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(folder)
        finally:
            os.close(folder)
        self._entered = True
