"""The thread that reads the source, so that a slow camera never holds up the engine, nor the engine the camera."""

from __future__ import annotations

import logging
import threading

from edge_runtime.counters import Counters
from edge_runtime.frame import EndOfStream, Frame
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.slot import FrameSlot
from edge_runtime.sources.source import Source
from fissura.errors import FissuraError, ImageError, SourceError

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 1000


class Reader:
    """Reads frames into a slot until the stream ends, the source fails or `stop` is called.

    Attributes:
        failure: what ended the source before its end; None while all is well.
        last_unreadable: the latest frame's error.
    """

    def __init__(self, source: Source, slot: FrameSlot, counters: Counters) -> None:
        self.failure: SourceError | None = None
        self.last_unreadable: FissuraError | None = None
        self._source = source
        self._slot = slot
        self._counters = counters
        self._log = RateLimitedLog(logger)
        self._stopping = threading.Event()
        # A daemon: a camera driver may hang in a read, and must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End reading; False when the source hangs in a read, and must not be closed under it."""
        self._stopping.set()
        self._slot.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_all()
        except SourceError as error:
            self.failure = error
        except Exception as error:
            logger.exception("the reader failed")
            self.failure = SourceError(f"the source failed: {type(error).__name__}: {error}")
        finally:
            self._slot.close()

    def _read_all(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                item = self._source.read()
            except ImageError as error:
                failures += 1
                self.last_unreadable = error
                self._counters.dropped("unreadable")
                self._log.warning("unreadable", f"frame left out: {error.found}")
                if failures >= FAILURES_IN_A_ROW:
                    raise SourceError(f"{failures} frames in a row cannot be read; the last: {error.found}") from error
                continue
            if isinstance(item, EndOfStream):
                return
            if isinstance(item, Frame):
                failures = 0
                self._counters.frame_arrived()
                lost = self._slot.put(item)  # may wait; what is lost after the stop is lost to it
                self._counters.dropped("stopped" if self._stopping.is_set() else "superseded", lost)
