"""`file:VIDEO`: a recorded video."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import cv2
from pydantic import Field

from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sources.pacing import Pacer
from edge_runtime.sources.source import Source
from edge_runtime.text import is_text
from fissura.config import Config
from fissura.errors import SourceError
from fissura.imaging.resample import downsample

logger = logging.getLogger(__name__)


class VideoConfig(Config):
    """Options of `file:`."""

    realtime: bool = Field(False, description="at the video's own frame rate; false: as fast as frames are taken")
    loop: bool = Field(False, description="start again after the last frame")
    downsample: int = Field(
        1, ge=1, description="camera simulation: each frame pixel is the mean of so many by so many video pixels"
    )


class VideoSource(Source):
    """Decodes one frame a call."""

    config_class: ClassVar[type[Config]] = VideoConfig
    live: ClassVar[bool] = False

    def __init__(self, target: str, config: VideoConfig) -> None:
        path = Path(target)
        if not path.is_file():
            raise SourceError(
                f"video {target!r} {'is a folder' if path.exists() else 'does not exist'}",
                expected="a video file",
                fix="for images use `folder:`" if path.exists() else "check the path",
            )
        if not is_text(target):  # OpenCV would crash
            raise SourceError(f"the path of the video {target!r} is no text", expected="UTF-8", fix="rename it")
        self._video = cv2.VideoCapture(str(path))
        if not self._video.isOpened():
            raise SourceError(
                f"video {target!r} cannot be decoded",
                expected="a format that OpenCV's FFmpeg reads, such as H.264 in MP4",
                fix="convert it: ffmpeg -i IN -c:v libx264 OUT.mp4",
            )
        self.name = f"file:{path.name}"
        self._path = path
        self._downsample = config.downsample
        self._loop = config.loop
        self._fps = float(self._video.get(cv2.CAP_PROP_FPS)) or None
        self._pacer = Pacer(self._fps if config.realtime else None)
        self._announced = max(0, int(self._video.get(cv2.CAP_PROP_FRAME_COUNT)))  # negative when unknown
        self._sequence = 0
        self._in_this_round = 0
        # A recorder writes the file's time when it ends; the first frame is older by the video's duration.
        duration = timedelta(seconds=self._announced / self._fps if self._fps else 0.0)
        self._began = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc) - duration

    def read(self) -> Frame | Timeout | EndOfStream:
        if not self._pacer.wait():
            return Timeout()
        decoded, bgr = self._video.read()
        if not decoded:
            self._warn_if_cut_off()
            # A round without a frame would be followed by nothing but such rounds.
            if not self._loop or not self._in_this_round:
                return EndOfStream()
            self._in_this_round = 0
            self._video.open(str(self._path))  # not every container can be wound back
            return Timeout()
        sequence = self._sequence
        self._sequence += 1
        self._in_this_round += 1
        offset = timedelta(seconds=sequence / self._fps if self._fps else 0.0)
        return Frame(
            image=downsample(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), self._downsample),
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=self._began + offset,
            clock_quality="file",
            sequence=sequence,
            source=self.name,
            name=self._path.name,
        )

    def close(self) -> None:
        self._video.release()

    def _warn_if_cut_off(self) -> None:
        if self._sequence < self._announced - 1:  # containers announce one too many at times
            logger.warning(
                "%s ends after %d of %d frames: it is damaged or cut off", self._path, self._sequence, self._announced
            )
