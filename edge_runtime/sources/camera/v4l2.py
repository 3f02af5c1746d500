"""Cameras of Video4Linux."""

from __future__ import annotations

import time
from pathlib import Path

import cv2

from edge_runtime.sources.camera.ffmpeg import in_place
from edge_runtime.sources.camera.ring import Pixels
from fissura.errors import SourceError

MISSES_ALLOWED = 20
MISS_PAUSE_S = 0.05


class V4l2Grabber:
    """Reads a device.

    Args:
        device: such as /dev/video0.
        width, height, fps: to set; None: what the camera has set.
    """

    def __init__(self, device: str, width: int | None, height: int | None, fps: float | None) -> None:
        self._device = device
        self._settings = {
            cv2.CAP_PROP_FRAME_WIDTH: width,
            cv2.CAP_PROP_FRAME_HEIGHT: height,
            cv2.CAP_PROP_FPS: fps,
        }
        self._camera = cv2.VideoCapture()

    def open(self) -> None:
        if not Path(self._device).exists():
            raise does_not_open(self._device, "is not there")
        if not self._camera.open(self._device, cv2.CAP_V4L2):
            raise does_not_open(self._device, "does not open: another program may hold it, or it is no capture device")
        for setting, value in self._settings.items():
            if value is not None:
                self._camera.set(setting, value)

    def grab(self) -> None:
        for _ in range(MISSES_ALLOWED):
            if self._camera.grab():
                return
            time.sleep(MISS_PAUSE_S)
        raise SourceError(f"{self._device} has stopped delivering frames", fix="check its cable and its power")

    def retrieve(self, into: Pixels | None) -> Pixels | None:
        decoded, image = self._camera.retrieve(into)
        return in_place(image, into) if decoded else None


def does_not_open(device: str, why: str) -> SourceError:
    """The error, with the cameras that there are."""
    found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
    return SourceError(
        f"{device} {why}",
        expected=f"one of: {found}" if found else "a camera; this machine has no /dev/video*",
        fix="`v4l2-ctl --list-devices` names the cameras",
    )
