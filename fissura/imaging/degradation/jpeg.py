"""JPEG compression."""

from __future__ import annotations

import cv2
from pydantic import Field

from fissura.config import Config
from fissura.imaging.degradation.degradation import Degradation, Draw
from fissura.imaging.images import RgbImage


class JpegConfig(Config):
    """How strongly it compresses."""

    quality: int = Field(75, ge=1, le=100, description="as libjpeg counts it")


def jpeg(image: RgbImage, config: JpegConfig, draw: Draw) -> RgbImage:
    """Compress and decode in memory; colour at half the resolution (4:2:0), as cameras store it."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        config.quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


JPEG = Degradation(
    apply=jpeg,
    config=JpegConfig,
    summary="compression of single frames, 4:2:0",
    severity="quality",
    unit="",
    levels=tuple(JpegConfig(quality=quality) for quality in (90, 70, 50, 30, 10)),
)
