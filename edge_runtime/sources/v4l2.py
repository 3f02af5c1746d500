"""`v4l2:/dev/video0`: a camera of Video4Linux (USB, or a MIPI camera with a V4L2 driver)."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

import cv2
from pydantic import Field

from edge_runtime.clock import wall_clock_quality
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sources.source import Source
from edge_runtime.text import is_text
from fissura.config import Config
from fissura.errors import SourceError

MISSES_ALLOWED = 20


class V4l2Config(Config):
    """Options of `v4l2:`; null: what the camera has set."""

    width: int | None = Field(None, gt=0, description="frame width, pixels")
    height: int | None = Field(None, gt=0, description="frame height, pixels")
    fps: float | None = Field(None, gt=0, description="frames a second")


class V4l2Source(Source):
    """Reads a camera in this process; the newest frame counts."""

    config_class: ClassVar[type[Config]] = V4l2Config
    live: ClassVar[bool] = True

    def __init__(self, target: str, config: V4l2Config) -> None:
        device = target or "/dev/video0"
        if not Path(device).exists():
            raise _does_not_open(device, "is not there")
        if not is_text(device):  # OpenCV would crash
            raise _does_not_open(device, "has a path that is no UTF-8 text")
        self._camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._camera.isOpened():
            raise _does_not_open(device, "does not open: another program may hold it, or it is no capture device")
        for option, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, config.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
            (cv2.CAP_PROP_FPS, config.fps),
        ):
            if value is not None:
                self._camera.set(option, value)
        self._device = device
        self._sequence = 0
        self._misses = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        grabbed, bgr = self._camera.read()
        monotonic_ns, utc = time.monotonic_ns(), datetime.now(timezone.utc)
        if not grabbed:
            self._misses += 1
            if self._misses > MISSES_ALLOWED:
                raise SourceError(
                    f"camera {self._device} has stopped delivering frames", fix="check its cable and its power"
                )
            time.sleep(0.05)
            return Timeout()
        self._misses = 0
        self._sequence += 1
        return Frame(
            image=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
            captured_monotonic_ns=monotonic_ns,
            captured_utc=utc,
            clock_quality=wall_clock_quality(),
            sequence=self._sequence - 1,
            source=f"v4l2:{self._device}",
        )

    def close(self) -> None:
        self._camera.release()


def _does_not_open(device: str, why: str) -> SourceError:
    found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
    return SourceError(
        f"camera {device} {why}",
        expected=f"one of: {found}" if found else "a camera; this machine has no /dev/video*",
        fix="`v4l2-ctl --list-devices` names the cameras",
    )
