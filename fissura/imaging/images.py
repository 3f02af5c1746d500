"""Reading and writing images. Everything inside fissura is RGB, uint8; OpenCV's BGR stops here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.errors import ImageError
from fissura.files import replacing

RgbImage = NDArray[np.uint8]
Mask = NDArray[np.bool_]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def read_rgb(path: Path) -> RgbImage:
    """Read a colour image as stored (EXIF orientation is ignored: masks are drawn on the stored pixels).

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the file is missing or no readable image.
    """
    bgr = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_mask(path: Path) -> Mask:
    """Read a mask: crack where the value is above 127.

    Returns:
        (H, W) bool.

    Raises:
        ImageError: the file is missing or no readable image.
    """
    return read_gray(path) > 127


def read_gray(path: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W) uint8 grey values.

    Raises:
        ImageError: the file is missing or no readable image.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def write_rgb(path: Path, image: RgbImage) -> None:
    """Write an (H, W, 3) uint8 RGB or (H, W) uint8 grey image in one step; the suffix chooses the format.

    Raises:
        ImageError: the format is unknown or the file cannot be written.
    """
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    done, encoded = cv2.imencode(path.suffix, pixels) if path.suffix.lower() in IMAGE_SUFFIXES else (False, None)
    if not done or encoded is None:
        raise ImageError(f"{path} has no image format", expected=f"one of: {', '.join(IMAGE_SUFFIXES)}")
    try:
        with replacing(path) as aside:
            aside.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error}") from error


def _decode(path: Path, flags: int) -> NDArray[np.uint8]:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ImageError(f"image {path} cannot be read: {error.strerror or error}", expected="an image file") from error
    image = None
    if data.size:
        try:
            image = cv2.imdecode(data, flags)
        except cv2.error as error:  # more pixels than OpenCV's limit, for one
            raise ImageError(f"image {path} cannot be decoded: {error}") from error
    if image is None:
        raise ImageError(
            f"image {path} is damaged or of an unknown format ({data.size} bytes)",
            expected=f"one of: {', '.join(IMAGE_SUFFIXES)}",
            fix="remove it or copy it again; `fissura data check` lists all such files",
        )
    return image.astype(np.uint8, copy=False)
