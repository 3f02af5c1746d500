"""Network streams through the FFmpeg that OpenCV brings."""

from __future__ import annotations

import os
import time

import cv2

from edge_runtime.sources.camera.ring import Pixels
from fissura.errors import SourceError

OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
LONGEST_BACKLOG = 150  # frames
WAIT_MS = 20.0  # who waits so long, waits for the camera; for streams without times of their own


class FfmpegGrabber:
    """Reads any stream that FFmpeg knows.

    Args:
        url: with its login.
        transport: of RTSP: 'tcp' or 'udp'.
        open_timeout_s, timeout_s: for connecting, and for each frame.
    """

    def __init__(self, url: str, transport: str, open_timeout_s: float, timeout_s: float) -> None:
        self._url = url
        self._transport = transport
        self._limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            int(open_timeout_s * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(timeout_s * 1000),
        ]
        self._camera = cv2.VideoCapture()
        self._grabbed = False

    def open(self) -> None:
        # What the user has in the environment comes after ours: of two, FFmpeg takes the later.
        given = os.environ.get(OPTIONS)
        os.environ[OPTIONS] = f"rtsp_transport;{self._transport}" + (f"|{given}" if given else "")
        if not self._camera.open(self._url, cv2.CAP_FFMPEG, self._limits):
            raise SourceError(
                "the stream does not open",
                fix="check address, user and password with a player, such as ffplay or VLC",
            )
        self._skip_backlog()

    def _skip_backlog(self) -> None:
        """Pass over what FFmpeg gathered while it found out about the stream: when that was captured, nobody knows."""
        before_ms = float("inf")
        for _ in range(LONGEST_BACKLOG):
            began_s = time.monotonic()
            self.grab()
            waited_ms = 1000 * (time.monotonic() - began_s)
            now_ms = self._camera.get(cv2.CAP_PROP_POS_MSEC)
            step_ms = now_ms - before_ms
            if waited_ms >= (step_ms / 2 if step_ms > 0 else WAIT_MS):
                break
            before_ms = now_ms
        self._grabbed = True

    def grab(self) -> None:
        if self._grabbed:
            self._grabbed = False
            return
        if not self._camera.grab():
            raise SourceError("the stream has ended")

    def retrieve(self, into: Pixels | None) -> Pixels | None:
        decoded, image = self._camera.retrieve(into)
        return in_place(image, into) if decoded else None


def in_place(image: Pixels, into: Pixels | None) -> Pixels:
    """OpenCV gives a new array object, though over the memory of `into` where that fitted: then `into`."""
    if into is not None and image.shape == into.shape and image.ctypes.data == into.ctypes.data:
        return into
    return image
