"""A camera frame becomes a graph's input batch, and the graph's output goes back to the frame's extent.

Training validation, calibration and the runtime all encode here, so that all of them see the same pixels.
Normalisation is not done here: it lives inside the exported graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fissura.bundle import GraphInput
from fissura.errors import ImageError, ModelShapeError
from fissura.imaging.images import RgbImage

CHANNELS = 3

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Padding:
    """What `encode` added to a frame, in camera-frame pixels. Rows and columns are added at the far edges only.

    Attributes:
        height: of the frame itself.
        width: of the frame itself.
        bottom: rows added below.
        right: columns added to the right.
    """

    height: int
    width: int
    bottom: int
    right: int

    @property
    def padded_height(self) -> int:
        """Height of the graph's input."""
        return self.height + self.bottom

    @property
    def padded_width(self) -> int:
        """Width of the graph's input."""
        return self.width + self.right


def padding_for(height: int, width: int, spec: GraphInput) -> Padding:
    """The padding that a frame of this size needs, so that a buffer can be made before the first frame arrives.

    Raises:
        ImageError: the frame is empty, or larger than the graph takes.
    """
    if height < 1 or width < 1:
        raise ImageError(f"the frame is {width}x{height} pixels", expected="at least 1x1")
    padded_height, padded_width = (_padded(side, spec) for side in (height, width))
    if spec.max_size is not None and max(padded_height, padded_width) > spec.max_size:
        padded = (
            f", {padded_width}x{padded_height} after padding to multiples of {spec.multiple}"
            if (padded_height, padded_width) != (height, width)
            else ""
        )
        raise ImageError(
            f"the frame is {width}x{height} pixels{padded}",
            expected=f"at most {spec.max_size}x{spec.max_size}, the largest that the graph takes",
            fix="reduce the frame or crop it, or export the graph with a larger limit",
        )
    return Padding(height, width, padded_height - height, padded_width - width)


def encode(
    frame: RgbImage, spec: GraphInput, out: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.uint8], Padding]:
    """Turn a frame into a batch of one: uint8 RGB in the graph's layout and sizes.

    The frame is extended downwards and to the right by reflection (the edge pixel is not repeated); an axis that is
    too short to reflect repeats its last row or column instead. A contiguous frame that needs no padding is not
    copied for an NHWC graph when `out` is None: the batch is then a view of the frame.

    Args:
        frame: (H, W, 3) uint8 RGB, contiguous or not.
        spec: the graph's input.
        out: where to write, e.g. one of a ring of (pinned) buffers: (1, H', W', 3) or (1, 3, H', W') uint8 as
            `spec.layout` says, H' and W' as `padding_for` gives them.

    Returns:
        The batch, (1, H', W', 3) or (1, 3, H', W') uint8, and the padding for `crop`.

    Raises:
        ImageError: the frame is no (H, W, 3) uint8 array, is empty, or is larger than the graph takes.
        ModelShapeError: `out` has another shape or type than the batch.
    """
    if frame.ndim != 3 or frame.shape[2] != CHANNELS or frame.dtype != np.uint8:
        raise ImageError(
            f"the frame is an array of shape {frame.shape} and type {frame.dtype}",
            expected="shape (height, width, 3) and type uint8: an RGB image",
            fix="convert it first; `fissura.imaging.images.read_rgb` reads files that way",
        )
    padding = padding_for(frame.shape[0], frame.shape[1], spec)
    if out is None and spec.layout == "NHWC" and not (padding.bottom or padding.right) and frame.flags.c_contiguous:
        return frame[None], padding
    batch = np.empty(_batch_shape(padding, spec), np.uint8) if out is None else _checked(out, padding, spec)
    planes = batch[0].transpose(1, 2, 0) if spec.layout == "NCHW" else batch[0]
    planes[: padding.height, : padding.width] = frame
    _extend(planes, padding.height)
    _extend(planes.transpose(1, 0, 2), padding.width)
    return batch, padding


def crop(output: NDArray[Scalar], padding: Padding, scale: int = 1) -> NDArray[Scalar]:
    """Cut the padding off a graph's output.

    Args:
        output: (H' * scale, W' * scale) or (H' * scale, W' * scale, C), of the padded frame.
        padding: what `encode` gave.
        scale: output pixels per camera pixel along each axis.

    Returns:
        A view: (H * scale, W * scale) or (H * scale, W * scale, C).

    Raises:
        ModelShapeError: the output has another size.
    """
    expected = (padding.padded_height * scale, padding.padded_width * scale)
    if output.ndim not in (2, 3) or output.shape[:2] != expected:
        raise ModelShapeError(
            f"the graph's output has the shape {output.shape}",
            expected=f"{expected[0]} rows and {expected[1]} columns: the input's size times {scale}",
            fix="the manifest's scale does not fit the graph: export the bundle again",
        )
    return output[: padding.height * scale, : padding.width * scale]


def _padded(side: int, spec: GraphInput) -> int:
    return -(-max(side, spec.min_size) // spec.multiple) * spec.multiple


def _batch_shape(padding: Padding, spec: GraphInput) -> tuple[int, int, int, int]:
    height, width = padding.padded_height, padding.padded_width
    return (1, CHANNELS, height, width) if spec.layout == "NCHW" else (1, height, width, CHANNELS)


def _checked(out: NDArray[np.uint8], padding: Padding, spec: GraphInput) -> NDArray[np.uint8]:
    shape = _batch_shape(padding, spec)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.writeable:
        state = "" if out.flags.writeable else ", read-only"
        raise ModelShapeError(
            f"the buffer has the shape {out.shape} and the type {out.dtype}{state}",
            expected=f"shape {shape} ({spec.layout}), type uint8, writeable",
            fix="make a buffer of the size that `padding_for` gives, for each frame size",
        )
    return out


def _extend(rows: NDArray[np.uint8], filled: int) -> None:
    """Fill rows[filled:] from the rows before: mirrored about the last one, or copies of it."""
    added = len(rows) - filled
    if added >= filled:
        rows[filled:] = rows[filled - 1]
    elif added:
        rows[filled:] = rows[filled - 1 - added : filled - 1][::-1]
