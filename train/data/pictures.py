"""Reads image and mask files for checking: stricter than training, and saying what is wrong instead of failing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        path: the file.
        mode: Pillow's name of the pixel format: ``L`` is 8-bit grey, ``RGB`` colour, ``P`` a palette.
        pixels: (H, W) or (H, W, channels), as stored.
    """

    path: Path
    mode: str
    pixels: NDArray[Any]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.pixels.shape[:2]
        return width, height

    def content(self) -> str:
        """SHA-256 over size, format and pixels: equal for files that differ only in compression or metadata."""
        digest = hashlib.sha256(f"{self.pixels.shape} {self.pixels.dtype}".encode())
        digest.update(np.ascontiguousarray(self.pixels).tobytes())
        return digest.hexdigest()


def read_picture(path: Path) -> Picture | str:
    """Decode a whole file; a text that says what is wrong where that fails.

    Pillow is stricter than OpenCV, some versions of which fill the missing half of a truncated JPEG with grey.
    """
    try:
        with Image.open(path) as image:
            return Picture(path, image.mode, np.asarray(image))
    except UnidentifiedImageError:
        return f"no image ({path.stat().st_size} bytes)"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__  # Pillow raises SyntaxError for broken PNG chunks
