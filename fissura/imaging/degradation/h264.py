"""H.264 compression, by x264 through PyAV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.degradation.degradation import Degradation, Draw
from fissura.imaging.images import RgbImage

SMALLEST_PX = 16  # a macroblock
# One reference frame before, none after, and no second key frame, even at a cut: cameras stream so. One thread, since
# x264's result depends on their number.
ENCODER = {"preset": "veryfast", "tune": "zerolatency", "g": "1000", "sc_threshold": "0"}


class H264Config(Config):
    """How strongly it compresses, and what the camera sees before this frame."""

    crf: int = Field(28, ge=0, le=51, description="x264's constant rate factor; six more halve the bit rate, about")
    speed_px: float = Field(2.5, ge=0, le=256, description="way between two frames, pixels")
    direction_deg: float | None = Field(None, ge=-360, le=360, description="of the way; null: any, drawn")
    frames: int = Field(6, ge=2, le=60, description="of the clip; the last one is taken")


def h264(image: RgbImage, config: H264Config, draw: Draw) -> RgbImage:
    """Compress a short clip in memory that ends with this frame, and decode the last one.

    The first frame of a clip is a key frame (I), which the encoder treats far better than what follows. The clip is the
    frame itself as a camera sees it that moves towards it over a flat surface, and what comes back is its last, a
    predicted (P) frame. Between two frames lies a part of a pixel, so that the prediction is not perfect; but noise
    moves with the surface, which a real camera's does not: take `noise` first where it matters, and a higher `crf`.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
    """
    direction = math.radians(draw.uniform(0, 360) if config.direction_deg is None else config.direction_deg)
    height, width = image.shape[:2]
    step = config.speed_px * np.array([math.cos(direction), math.sin(direction)])
    return _last(_encode(_clip(_padded(image), step, config.frames), config.crf))[:height, :width]


def _padded(image: RgbImage) -> RgbImage:
    """4:2:0 has whole pairs of pixels only."""
    height, width = image.shape[:2]
    bottom, right = (max(SMALLEST_PX, side + side % 2) - side for side in (height, width))
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)


def _clip(image: RgbImage, step: NDArray[np.float64], frames: int) -> Iterator[RgbImage]:
    size = (image.shape[1], image.shape[0])
    for left in range(frames - 1, 0, -1):
        x, y = left * step
        matrix = np.array([[1, 0, x], [0, 1, y]])
        yield cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    yield image


def _encode(frames: Iterator[RgbImage], crf: int) -> list[Any]:
    import av

    encoder = av.CodecContext.create("libx264", "w")
    packets: list[Any] = []  # PyAV types its packets from one of its versions on
    for number, pixels in enumerate(frames):
        if number == 0:
            encoder.height, encoder.width = pixels.shape[:2]
            encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 30), Fraction(30)
            encoder.thread_count, encoder.options = 1, {**ENCODER, "crf": str(crf)}
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


def _last(packets: list[Any]) -> RgbImage:
    import av

    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.asarray(frames[-1].to_ndarray(format="rgb24"), np.uint8)


H264 = Degradation(
    apply=h264,
    config=H264Config,
    summary="video compression of a predicted frame, 4:2:0 (x264)",
    severity="crf",
    unit="CRF",
    levels=tuple(H264Config(crf=crf) for crf in (23, 28, 33, 38, 43)),
    package="av",
)
