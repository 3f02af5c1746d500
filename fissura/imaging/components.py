"""Connected components as lists of pixels: the work that follows grows with the cracks, not with the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Points = NDArray[np.int32]


@dataclass(frozen=True)
class Components:
    """Components of a binary image.

    Attributes:
        canvas: (H + 2, W + 2) bool, the image inside a frame of one False pixel, so that every pixel has eight
            neighbours. It may hold components that were left out; they touch none of those listed.
        pixels: (n,) the components' pixels as indices into `canvas.ravel()`, ascending.
        labels: (n,) component of each pixel, 0 to count - 1.
        on_border: (n,) whether one of the pixel's four neighbours is background.
        count: number of components.
    """

    canvas: Mask
    pixels: Indices
    labels: Indices
    on_border: Mask
    count: int

    @property
    def stride(self) -> int:
        """Distance of a pixel to the one below it, in `canvas.ravel()`."""
        return self.canvas.shape[1]

    def only(self, kept: Mask) -> Components:
        """Some of the components, numbered anew in the same order.

        Args:
            kept: (count,) bool.
        """
        chosen, numbers = kept.take(self.labels), np.cumsum(kept) - 1
        return Components(
            self.canvas,
            self.pixels.compress(chosen),
            numbers.take(self.labels.compress(chosen)),
            self.on_border.compress(chosen),
            int(np.count_nonzero(kept)),
        )


def framed(image: Mask) -> Mask:
    """The image inside a frame of one False pixel, as `Components.canvas` holds it: (H, W) to (H + 2, W + 2)."""
    canvas = np.zeros((image.shape[0] + 2, image.shape[1] + 2), bool)
    canvas[1:-1, 1:-1] = image
    return canvas


def positions(pixels: Indices, stride: int) -> Floats:
    """(n, 2) x and y of pixels, in the image (not the canvas): the centre of its top left pixel is (0, 0)."""
    y, x = np.divmod(pixels, stride)
    return np.stack([x, y], axis=1).astype(np.float64) - 1


def sum_by(numbers: Indices, values: NDArray[np.floating[Any]] | Indices, count: int) -> Floats:
    """(count,) for each number from 0 to count - 1, the sum of the values that bear it."""
    return np.asarray(np.bincount(numbers, values, count), np.float64)


def find_components(canvas: Mask, *, min_length_px: float = 0) -> Components:
    """8-connected components, without those that are surely shorter than `min_length_px`.

    The sum of all outlines, counted in pixel sides, is at least twice the length: for a bar of n x w pixels it is
    2 (n + w), for a diagonal line 4 n, for a ring the inner and the outer side. This sieves thousands of speckles at
    once, before anything is measured.

    Args:
        canvas: (H + 2, W + 2) bool, see `framed`.
        min_length_px: in pixels of the canvas.
    """
    pixels = np.flatnonzero(canvas)
    if not len(pixels):
        return Components(canvas, pixels, pixels, np.zeros(0, bool), 0)
    count, labelled = cv2.connectedComponents(canvas.view(np.uint8), connectivity=8)
    labels = labelled.take(pixels)  # label 0 is the background
    sides = _open_sides(canvas, pixels)
    kept = np.bincount(labels, sides, count) >= max(2 * min_length_px, 1)
    return Components(canvas, pixels, labels, sides > 0, count).only(kept)


def empty_map(size: int, count: int) -> NDArray[np.unsignedinteger[Any]]:
    """(size,) for numbers below `count`, to be read only where it was written: most of it is never touched."""
    return np.empty(size, np.min_scalar_type(count))


def as_one_component(image: Mask) -> Components:
    """All True pixels of an image as one component, connected or not."""
    canvas = framed(image)
    pixels = np.flatnonzero(canvas)
    return Components(canvas, pixels, np.zeros_like(pixels), _open_sides(canvas, pixels) > 0, 1)


def _open_sides(canvas: Mask, pixels: Indices) -> NDArray[np.int8]:
    stride = canvas.shape[1]
    closed = canvas.take(pixels - stride).view(np.int8)
    for step in (-1, 1, stride):
        closed += canvas.take(pixels + step).view(np.int8)
    return 4 - closed
