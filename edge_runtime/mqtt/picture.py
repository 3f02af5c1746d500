"""A snapshot that fits into a message."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from fissura.errors import SinkError

FIRST_QUALITY = 85
LOWEST_QUALITY = 50
QUALITY_STEP = 15
LEAST_SIDE_PX = 16


@dataclass(frozen=True)
class Picture:
    """A JPEG and its size."""

    jpeg: bytes
    width_px: int
    height_px: int


def fit_jpeg(jpeg: bytes, most_bytes: int) -> Picture:
    """Compress harder, then scale down, until it fits; untouched where it does so already.

    Args:
        jpeg: the picture.
        most_bytes: that it may have.

    Raises:
        SinkError: it is no picture, or cannot be made so small.
    """
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SinkError("the snapshot is no picture")
    quality = FIRST_QUALITY
    while len(jpeg) > most_bytes:
        height, width = image.shape[:2]
        if quality < LOWEST_QUALITY:
            # Bytes go about with the area; a little less, so that few rounds are needed.
            scale = min(0.9, 0.95 * math.sqrt(most_bytes / len(jpeg)))
            height, width = int(height * scale), int(width * scale)
            if min(height, width) < LEAST_SIDE_PX:
                raise SinkError(
                    f"a snapshot does not fit into {most_bytes} bytes",
                    fix="raise max_payload_bytes, or the broker's packet limit where that is lower",
                )
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, max(quality, LOWEST_QUALITY)])
        if not done:
            raise SinkError("the snapshot cannot be compressed")
        jpeg = encoded.tobytes()
        quality -= QUALITY_STEP
    height, width = image.shape[:2]
    return Picture(jpeg, width, height)
