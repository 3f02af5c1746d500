"""Cuts a window out of an image and its mask, turned, sheared and zoomed in the same step, on OpenCV.

One warp from the whole image to the sample: what a turned window's corners see is the image around it, and the cost is
that of the sample and not of the image. Beyond the image it is continued (`Padding`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask, RgbImage

# Names as in numpy.pad; Keras calls `edge` "nearest". Mirrored pavement has no seam, whereas a constant border is an
# edge that looks like a joint.
Padding = Literal["symmetric", "edge", "black"]
BORDERS = {"symmetric": cv2.BORDER_REFLECT, "edge": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, in pixels; it may reach beyond the image."""

    top: int
    left: int
    height: int
    width: int

    def inside(self, mask: Mask) -> bool:
        """Whether the whole window lies in an image."""
        bottom, right = self.top + self.height, self.left + self.width
        return self.top >= 0 and self.left >= 0 and bottom <= mask.shape[0] and right <= mask.shape[1]

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The window, which must lie inside, of an (H, W) or (H, W, 3) image."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def warp(
    image: RgbImage,
    mask: Mask,
    window: Window,
    size: tuple[int, int],
    matrix: NDArray[np.float64],
    padding: Padding,
) -> tuple[RgbImage, Mask]:
    """Cut a window, bring it to `size` and change it by `matrix`, around its middle.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        window: what of the image fills the sample where `matrix` is the identity.
        size: height and width of the sample, pixels.
        matrix: (2, 3), of the sample's coordinates x and y, pixels from its middle.
        padding: how the image is continued.

    Returns:
        (h, w, 3) uint8, bilinear, and (h, w) bool, from the nearest pixel.
    """
    height, width = size
    zoom = np.array([width / window.width, height / window.height])
    # Sample from image, pixel centres at whole numbers: out = matrix * zoom * (in - middle of window) + middle of out.
    linear = matrix[:, :2] * zoom
    middle = np.array([window.left + (window.width - 1) / 2, window.top + (window.height - 1) / 2])
    shift = matrix[:, 2] + np.array([(width - 1) / 2, (height - 1) / 2]) - linear @ middle
    inverse = cv2.invertAffineTransform(np.column_stack([linear, shift]))

    def apply(pixels: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(pixels, inverse, (width, height), flags=flags, borderMode=BORDERS[padding]), np.uint8
        )

    return apply(image, cv2.INTER_LINEAR), apply(mask.view(np.uint8), cv2.INTER_NEAREST) > 0


def affine(rotation_deg: float, shear_deg: float, zoom: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    """Shear along x, zoom, rotate, then shift by (x, y) pixels: a (2, 3) matrix.

    >>> affine(90, 0, 2, (3, 0)).round(6).tolist()
    [[0.0, -2.0, 3.0], [2.0, 0.0, 0.0]]
    """
    angle, shear = np.deg2rad(rotation_deg), np.deg2rad(shear_deg)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = zoom * rotation @ np.array([[1.0, np.tan(shear)], [0.0, 1.0]])
    return np.column_stack([linear, shift])
