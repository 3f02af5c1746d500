"""How a low-resolution frame is made of a high-resolution one, where no camera takes it."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.errors import ImageError
from fissura.imaging.images import Mask, RgbImage

FrameKernel = Literal["area", "bicubic", "bilinear", "bilinear_antialias"]
CUBIC = -0.5  # Keys' coefficient: third-order accurate; MATLAB's, Pillow's and PyTorch's antialiased bicubic


def downsample(image: RgbImage, factor: int, kernel: FrameKernel = "area") -> RgbImage:
    """Make an image smaller by a whole factor.

    Rows and columns at the bottom and right that fill no whole block of `factor` x `factor` pixels are cut off.

    Args:
        image: (H, W, 3) uint8 RGB.
        factor: 1 or more.
        kernel: ``area`` averages each block, as a sensor with pixels of that size would; ``bicubic`` widens the cubic
            kernel by the factor (MATLAB's `imresize`, the "bicubic" of super-resolution papers); ``bilinear`` takes
            the four pixels around each block's centre (torchvision's `Resize` of a tensor up to 0.16: aliases, and
            paper 004's code does so under the name of bicubic); ``bilinear_antialias`` widens the triangle kernel by
            the factor (the same from 0.17 on).

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
    if kernel == "area":
        return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    if kernel == "bilinear":
        return cv2.resize(whole, (width, height), interpolation=cv2.INTER_LINEAR)
    taps = _cubic_taps(factor) if kernel == "bicubic" else _triangle_taps(factor)
    return _filtered(whole, factor, taps)


def downsample_mask(mask: Mask, factor: int) -> Mask:
    """Make a mask smaller by a whole factor: crack where at least half of the block of pixels is.

    Args:
        mask: (H, W) bool; what fills no whole block is cut off, as in `downsample`.
        factor: 1 or more.

    Returns:
        (H // factor, W // factor) bool.
    """
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    blocks = mask[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(2 * blocks.sum(axis=(1, 3)) >= factor**2)


def frame_of(image: RgbImage, mask: Mask, scale: int, kernel: FrameKernel = "area") -> tuple[RgbImage, Mask]:
    """The low-resolution frame of a data set's image, and the mask at the image's resolution.

    Training validation, calibration and `fissura eval` all take their frames from here. The mask loses the rows and
    columns that fill no whole block (see `downsample`).

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        scale: the model's super-resolution factor; 1 leaves both as they are.
        kernel: see `downsample`.

    Returns:
        (H // scale, W // scale, 3) uint8 RGB and (H // scale * scale, W // scale * scale) bool.

    Raises:
        ImageError: the image is smaller than one block.
    """
    frame = downsample(image, scale, kernel)
    return frame, mask[: frame.shape[0] * scale, : frame.shape[1] * scale]


def cubic(offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel at distances in pixels; 0 from 2 px on. It reproduces polynomials up to degree 2.

    Reference:
        Keys, "Cubic convolution interpolation for digital image processing", TASSP 29(6), 1981.
    """
    x = np.minimum(np.abs(offset), 2)
    near = (CUBIC + 2) * x**3 - (CUBIC + 3) * x**2 + 1
    far = CUBIC * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, far)


def _cubic_taps(factor: int) -> NDArray[np.float32]:
    return cubic(_offsets(factor, 2 * factor) / factor).astype(np.float32)


def _triangle_taps(factor: int) -> NDArray[np.float32]:
    return (1 - np.abs(_offsets(factor, factor)) / factor).astype(np.float32)


def _offsets(factor: int, reach: int) -> NDArray[np.float64]:
    """Distances of input pixels from a block's centre, all that are nearer than `reach`."""
    half = reach - (0.5 if factor % 2 == 0 else 1.0)
    return np.arange(-half, half + 1)


def _filtered(image: RgbImage, factor: int, taps: NDArray[np.float32]) -> RgbImage:
    """Weigh the pixels around each block's centre; at the border the weights inside the image sum to one."""
    first = (factor - 1) // 2  # the pixel at, or half a pixel before, the first block's centre
    middle = (len(taps) - 1) // 2

    def blocks(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        filtered = cv2.sepFilter2D(
            pixels, cv2.CV_32F, taps, taps, anchor=(middle, middle), borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(filtered[first::factor, first::factor])

    weights = blocks(np.ones(image.shape[:2], np.float32))
    values = blocks(image.astype(np.float32)) / weights[..., None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
