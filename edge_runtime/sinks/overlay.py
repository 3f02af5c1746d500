"""`overlay:DIR` and `overlay:VIDEO.mp4`: every frame with its cracks drawn on it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.frame import Frame
from edge_runtime.plugins import Address
from edge_runtime.sinks.drawing import annotate
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.text import is_text
from fissura.config import Config
from fissura.errors import FissuraError, ImageError, SinkError
from fissura.imaging.images import RgbImage, write_rgb
from fissura.messages import Detection

logger = logging.getLogger(__name__)

LONGEST_CAMERA = 40  # letters, of four bytes at most: a file's name has 255 bytes


class OverlayConfig(Config):
    """Options of `overlay:`."""

    fps: float = Field(10.0, gt=0, description="frames a second of the video")
    format: Literal["png", "jpg"] = Field("png", description="of the images")


class Writer(Protocol):
    """Takes annotated images."""

    def write(self, frame: Frame, image: RgbImage) -> None:
        """Write one image."""

    def close(self) -> None:
        """Finish."""


class OverlaySink(Sink):
    """Draws into a folder of images, or into a video where the path ends in .mp4."""

    config_class: ClassVar[type[Config]] = OverlayConfig
    stage: ClassVar[str] = "overlay"

    def __init__(self, address: Address, config: OverlayConfig, context: SinkContext) -> None:
        path = Path(address.target)
        self._writer: Writer = Video(path, config.fps) if path.suffix.lower() == ".mp4" else Folder(path, config.format)
        self._images = 0

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        self._writer.write(frame, annotate(frame, detections, probability))
        self._images += 1

    def flush(self, deadline: Deadline) -> None:
        pass

    def close(self, error: FissuraError | None = None) -> None:
        self._writer.close()

    def totals(self) -> dict[str, int]:
        return {"overlays": self._images}


class Folder(Writer):
    """One image a frame: `STEM` of the frame's file, or `CAMERA-SEQUENCE` for a frame of no file.

    A stem that another camera's frame has had gets the camera's name before it, and one that comes again (all frames of
    a video have the same) the sequence number behind it. Nothing in the folder is written over: from the first name
    that an earlier run has taken, this run's have a number behind them, `NAME-2`, the next run's `NAME-3`.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self._path = path
        self._suffix = suffix
        self._cameras: dict[str, str] = {}  # that each name of a file belongs to
        self._number = 1
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"overlay folder {path} cannot be made: {error.strerror or error}") from error

    def write(self, frame: Frame, image: RgbImage) -> None:
        path, self._number = free_path(self._path / f"{self._name(frame)}.{self._suffix}", self._number)
        try:
            write_rgb(path, image)
        except ImageError as error:
            raise SinkError(error.found) from error

    def _name(self, frame: Frame) -> str:
        camera = as_file_name(frame.source)
        name = Path(frame.name).stem if frame.name else ""
        if not name:  # numbered ones differ anyway, and a camera would fill the memory with them
            return f"{camera}-{frame.sequence:06d}"
        if self._cameras.get(name, frame.source) != frame.source:
            name = f"{camera}-{name}"
        if name in self._cameras:
            return f"{name}-{frame.sequence:06d}"
        self._cameras[name] = frame.source
        return name

    def close(self) -> None:
        pass


class Video(Writer):
    """An MP4, written aside and renamed when it is whole. The first frame sets the size; others are fitted into it.

    A video that is there already stays: this run's is then called `NAME-2.mp4`, the next one's `NAME-3.mp4`.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if not is_text(str(path)):  # OpenCV would crash
            raise SinkError(f"the path of the overlay video {str(path)!r} is no text", expected="UTF-8")
        self._path = path
        self._aside = path.with_name(f".{path.stem}-unfinished{path.suffix}")
        self._fps = fps
        self._video: cv2.VideoWriter | None = None
        self._size = (0, 0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"overlay folder {path.parent} cannot be made: {error.strerror or error}") from error

    def write(self, frame: Frame, image: RgbImage) -> None:
        if self._video is None:
            self._size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)  # the codec halves the colour planes
            video = cv2.VideoWriter(str(self._aside), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size)
            if not video.isOpened():
                raise SinkError(f"overlay video {self._path} cannot be written", fix="check the folder and the disk")
            self._video = video
        self._video.write(cv2.cvtColor(_fitted(image, self._size), cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        if self._video is None:
            return
        self._video.release()
        self._video = None
        path, _ = free_path(self._path)
        try:
            self._aside.replace(path)
        except OSError as error:
            raise SinkError(f"overlay video {self._path} cannot be written: {error.strerror or error}") from error


def free_path(path: Path, number: int = 1) -> tuple[Path, int]:
    """A path at which nothing is yet, with a number behind the name unless that is 1; and the number.

    Args:
        path: the one that is wanted.
        number: the first to try.
    """
    first = number
    while os.path.lexists(free := path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")):
        number += 1
    if number != first:
        logger.warning("%s is there already and stays; this run writes %s", path, free)
    return free, number


def as_file_name(camera: str) -> str:
    """A camera's name without what means something in a path, and not too long for one."""
    return re.sub(r"[^\w.-]+", "-", camera).strip("-.")[:LONGEST_CAMERA] or "frame"


def _fitted(image: RgbImage, size: tuple[int, int]) -> RgbImage:
    """The image at (width, height): cut by a pixel, or scaled to fit with black beside it."""
    width, height = size
    if 0 <= image.shape[1] - width <= 1 and 0 <= image.shape[0] - height <= 1:
        return image[:height, :width]
    factor = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    return canvas
