"""The thread that reads a camera, so that a slow camera never holds up the engine, nor the engine the camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.frame import EndOfStream, Frame
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.slot import FrameSlot
from fissura.errors import FissuraError, ImageError, SourceError

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 1000


def keep_all(camera: str) -> str | None:
    """Leaves no frame of any camera out."""


class Reader:
    """Reads frames into a slot until the stream ends, the source fails or `stop` is called.

    Args:
        camera: what is read.
        slot: where frames are left.
        counters: count what arrives and what is lost.
        leave_out: asked, with the camera's name, for each frame of a live one: why it is left out, or None.

    Attributes:
        failure: what ended the source before its end; None while all is well.
        last_unreadable: the latest frame's error.
    """

    def __init__(
        self, camera: Camera, slot: FrameSlot, counters: Counters, leave_out: Callable[[str], str | None] = keep_all
    ) -> None:
        self.failure: SourceError | None = None
        self.last_unreadable: FissuraError | None = None
        self._camera = camera
        self._source = camera.source
        self._name = camera.name
        self._slot = slot
        self._counters = counters
        self._leave_out = leave_out
        self._log = RateLimitedLog(logger)
        self._reconnects = self._superseded = 0
        self._stopping = threading.Event()
        # A daemon: a camera driver may hang in a read, and must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"reader {self._name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End reading soon."""
        self._stopping.set()
        self._slot.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False when the source hangs in a read, and must not be closed under it."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_all()
        except SourceError as error:
            self.failure = error
            logger.error("camera %s is lost: %s", self._name, error.found)
        except Exception as error:
            logger.exception("the reader of %s failed", self._name)
            self.failure = SourceError(f"the source failed: {type(error).__name__}: {error}")
        finally:
            self._counters.source_ended(self._name, None if self.failure is None else self.failure.found)
            self._slot.close()

    def _read_all(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                item = self._source.read()
            except ImageError as error:
                failures += 1
                self.last_unreadable = error
                self._counters.dropped("unreadable", source=self._name)
                self._log.warning("unreadable", f"frame left out: {error.found}")
                if failures >= FAILURES_IN_A_ROW and not self._source.live:  # which open a bad camera again themselves
                    raise SourceError(f"{failures} frames in a row cannot be read; the last: {error.found}") from error
                continue
            self._note_the_source()
            if isinstance(item, EndOfStream):
                return
            if isinstance(item, Frame):
                failures = 0
                self._counters.frame_arrived(self._name)
                self._hand_over(item)

    def _note_the_source(self) -> None:
        """What the source counts by itself."""
        if self._source.reconnects != self._reconnects:
            self._reconnects = self._source.reconnects
            self._counters.source_reconnected(self._name, self._reconnects)
        if self._source.superseded != self._superseded:
            self._counters.dropped("superseded", self._source.superseded - self._superseded, self._name)
            self._superseded = self._source.superseded

    def _hand_over(self, frame: Frame) -> None:
        cause = self._leave_out(self._name) if self._source.live else None
        if cause is not None:
            self._counters.dropped(cause, source=self._name)
            return
        camera = self._camera
        if camera.label is not None or (camera.gsd_mm_per_px is not None and frame.gsd_mm_per_px is None):
            gsd = camera.gsd_mm_per_px if frame.gsd_mm_per_px is None else frame.gsd_mm_per_px
            frame = replace(frame, source=camera.label or frame.source, gsd_mm_per_px=gsd)
        self._counters.source_waits(self._name, True)
        lost = self._slot.put(frame)  # may wait; what is lost after the stop is lost to it
        self._counters.source_waits(self._name, False)
        self._counters.dropped("stopped" if self._stopping.is_set() else "superseded", lost, self._name)
