"""How a low-resolution frame is made of a high-resolution one, where no camera takes it."""

from __future__ import annotations

import cv2

from fissura.errors import ImageError
from fissura.imaging.images import Mask, RgbImage


def downsample(image: RgbImage, factor: int) -> RgbImage:
    """Average each `factor` x `factor` block of pixels, as a sensor with pixels of that size would.

    Rows and columns at the bottom and right that fill no whole block are cut off.

    Args:
        image: (H, W, 3) uint8 RGB.
        factor: 1 or more.

    Returns:
        (H // factor, W // factor, 3) uint8 RGB.

    Raises:
        ImageError: the image is smaller than one block.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if height < 1 or width < 1:
        raise ImageError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels", expected=f"at least {factor}x{factor}"
        )
    if factor == 1:
        return image
    whole = image[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def frame_of(image: RgbImage, mask: Mask, scale: int) -> tuple[RgbImage, Mask]:
    """The low-resolution frame of a data set's image, and the mask at the image's resolution.

    Training validation, calibration and `fissura eval` all take their frames from here. The mask loses the rows and
    columns that fill no whole block (see `downsample`).

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        scale: the model's super-resolution factor; 1 leaves both as they are.

    Returns:
        (H // scale, W // scale, 3) uint8 RGB and (H // scale * scale, W // scale * scale) bool.

    Raises:
        ImageError: the image is smaller than one block.
    """
    frame = downsample(image, scale)
    return frame, mask[: frame.shape[0] * scale, : frame.shape[1] * scale]
