"""What all live cameras share: a reader process, a watchdog over it, and patience.

A 1080p frame costs the run 0.7 ms here, measured on two cores of a server: conversion to RGB, which is the copy out of
the shared memory at the same time. Through a pipe it was 1.6 ms more.

The watchdog looks at the monotonic clock and at nothing else: a camera that gives no frame in time is read by a process
that is killed, whatever it is doing, and started anew after a while.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, ClassVar

import cv2
from pydantic import Field

from edge_runtime.clock import wall_clock_quality
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.sources.camera.backoff import Backoff
from edge_runtime.sources.camera.process import Grabbed, Lost, ReaderProcess, Unreadable
from edge_runtime.sources.source import Source
from fissura.config import Config
from fissura.errors import ImageError, SourceError

logger = logging.getLogger(__name__)

POLL_S = 0.2
LOG_PERIOD_S = 60.0  # a camera may be away for weeks
STEADY_S = 10.0  # a camera that has given frames for so long is well: the next loss is a new one
_TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


class CameraConfig(Config):
    """Options that every live camera has."""

    timeout: float = Field(5.0, gt=0, le=3600, description="seconds without a frame until the camera is opened anew")
    open_timeout: float = Field(10.0, gt=0, le=3600, description="the same until the first frame")
    retry: bool = Field(True, description="try again for ever; false: the first failure ends the source")
    max_backoff: float = Field(5.0, gt=0, le=3600, description="longest wait between two tries, seconds")
    frozen_s: float = Field(
        30.0, ge=0, description="identical frames over so many seconds are a frozen camera; 0: never"
    )


class CameraSource(Source):
    """A camera that is read by a process of its own; the newest frame counts.

    Args:
        name: as messages and logs show it.
        grabber: key of `GRABBERS`.
        settings: for the grabber.
        config: options.
        secrets: parts of the settings that no log may show.

    Attributes:
        losses: how often the camera was lost, by cause: 'refused' (it does not open), 'ended', 'stalled' (no frame in
            time), 'frozen', 'died' (its reader process was killed or crashed).
        superseded: frames that came and went before they could be taken.
    """

    live: ClassVar[bool] = True

    def __init__(
        self, name: str, grabber: str, settings: Mapping[str, Any], config: CameraConfig, secrets: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.reconnects = 0
        self.losses: Counter[str] = Counter()
        self.superseded = 0
        self._order = {"grabber": grabber, "settings": settings, "frozen_s": config.frozen_s}
        self._config = config
        self._secrets = secrets
        self._log = RateLimitedLog(logger, LOG_PERIOD_S)
        self._backoff = Backoff(config.max_backoff)
        self._process: ReaderProcess | None = None
        self._closed = False
        self._unreadable = 0
        self._sequence = 0  # of the next frame
        self._first_of_process = 0
        self._superseded_before = 0
        now = time.monotonic()
        self._next_start_s = now
        self._heard_s = now  # last readable frame, or start of the process
        self._steady_from_s: float | None = None  # first frame of this process
        self._lost_s: float | None = None  # when it was lost; None before the first frame, and while all is well

    def read(self) -> Frame | Timeout | EndOfStream:
        if self._unreadable:
            self._unreadable -= 1
            raise ImageError(f"{self.name}: a frame is damaged")
        process = self._process or self._start()
        if process is None:
            return Timeout()
        got = process.read(POLL_S)
        if isinstance(got, Grabbed):
            return self._frame(got)
        if isinstance(got, Unreadable):
            self._sequence = self._first_of_process + got.next
            self._unreadable = got.count
            self._watch()  # a camera that sends nothing but damaged frames may send better ones once it is opened anew
            return self.read()
        if isinstance(got, Lost):
            self._lose(got)
        else:
            self._watch()
        return Timeout()

    def close(self) -> None:
        self._end_process()
        if self.losses and not self._closed:
            causes = ", ".join(f"{cause} {count}" for cause, count in self.losses.most_common())
            logger.info("camera %s was lost %d times: %s", self.name, self.losses.total(), causes)
        self._closed = True

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _start(self) -> ReaderProcess | None:
        """The reader process, once its time has come."""
        wait_s = self._next_start_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, POLL_S))
            return None
        try:
            self._process = ReaderProcess(self._order, self._secrets)
            logger.debug("camera %s is read by process %d", self.name, self._process.pid)
        except OSError as error:  # no memory, or too many processes: that may pass
            self._lose(Lost("died", SourceError(f"its reader process cannot be started: {error}")))
        self._heard_s = time.monotonic()
        self._steady_from_s = None
        self._first_of_process = self._sequence
        self._superseded_before = self.superseded
        return self._process

    def _frame(self, got: Grabbed) -> Frame:
        self._heard()
        if self._lost_s is not None:
            self.reconnects += 1
            logger.warning("camera %s is back after %.1f s", self.name, self._heard_s - self._lost_s)
            self._lost_s = None
        sequence = self._first_of_process + got.sequence
        self._sequence = max(self._sequence, sequence + 1)  # unreadable ones are told of before a readable one
        self.superseded = self._superseded_before + got.superseded
        return Frame(
            image=cv2.cvtColor(got.pixels, _TO_RGB[got.pixels.shape[2]]),  # the copy out of the shared memory, too
            captured_monotonic_ns=got.monotonic_ns,
            captured_utc=datetime.fromtimestamp(got.utc_ns / 1e9, timezone.utc),
            clock_quality=wall_clock_quality(),
            sequence=sequence,
            source=self.name,
        )

    def _heard(self) -> None:
        self._heard_s = time.monotonic()
        if self._steady_from_s is None:
            self._steady_from_s = self._heard_s
        elif self._heard_s - self._steady_from_s > STEADY_S:
            self._backoff.reset()

    def _watch(self) -> None:
        limit_s = self._config.open_timeout if self._steady_from_s is None else self._config.timeout
        silent_s = time.monotonic() - self._heard_s
        if silent_s > limit_s:
            self._lose(Lost("stalled", SourceError(f"no frame for {silent_s:.1f} s")))

    def _lose(self, lost: Lost) -> None:
        words = self._process.last_words() if self._process is not None else ""
        self._end_process()
        self.losses[lost.cause] += 1
        found = f"camera {self.name}: {lost.error.found}" + (f" ({words})" if words else "")
        if not self._config.retry:
            raise SourceError(found, expected=lost.error.expected, fix=lost.error.fix)
        if self._lost_s is None and self._sequence:
            self._lost_s = time.monotonic()
        self._next_start_s = time.monotonic() + self._backoff.next_s()
        more = "; ".join(part for part in (lost.error.expected, lost.error.fix) if part)
        self._log.warning(lost.cause, f"{found}; trying again" + (f" ({more})" if more else ""))
