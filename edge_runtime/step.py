"""One graph of a bundle in its engine, from a whole image to the graph's output."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import Engine
from edge_runtime.stages import StageTimes
from edge_runtime.statistics import Statistics, frame_statistics
from fissura.bundle import Graph, Role
from fissura.errors import ModelShapeError
from fissura.imaging.encode import crop, encode, padding_for
from fissura.imaging.images import RgbImage

STAGE_OF: dict[Role, str] = {
    "fused": "fused",
    "super_resolution": "sr",
    "segmentation": "segmentation",
    "proposal": "proposal",
    "tile": "tiles",
}


class Step:
    """One graph in its engine, from an image to the graph's output without padding."""

    def __init__(self, role: Role, graph: Graph, engine: Engine) -> None:
        self.stage = STAGE_OF[role]
        self.graph = graph
        self.engine = engine
        self._buffer: NDArray[np.uint8] | None = None

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Run an (H, W, 3) image; a graph that takes statistics gets this image's.

        Returns:
            (H*s, W*s) probabilities, or an (H*s, W*s, 3) image in [0, 1]; a view of the engine's output.
        """
        with times.measure("encode"):
            batch, padding = encode(image, self.graph.input, self._buffer_for(image))
        with times.measure(self.stage):
            output = self.engine.run(batch, self._statistics(batch))
        if output.ndim != 4:
            raise ModelShapeError(f"{self.graph.file} gives shape {output.shape}", expected="four axes")
        planar = self.graph.output.kind == "probability" or self.graph.input.layout == "NCHW"
        pixels = output[0].transpose(1, 2, 0) if planar else output[0]
        return crop(
            pixels[..., 0] if self.graph.output.kind == "probability" else pixels, padding, self.graph.output.scale
        )

    def _statistics(self, batch: NDArray[np.uint8]) -> Statistics | None:
        if self.graph.statistics is None:
            return None
        return frame_statistics(batch[0] if self.graph.input.layout == "NHWC" else batch[0].transpose(1, 2, 0))

    def _buffer_for(self, image: RgbImage) -> NDArray[np.uint8] | None:
        """The buffer of the frame before, if it fits; None where `encode` gives a view of the image."""
        padding = padding_for(image.shape[0], image.shape[1], self.graph.input)
        height, width = padding.padded_height, padding.padded_width
        planar = self.graph.input.layout == "NCHW"
        if not planar and (height, width) == image.shape[:2] and image.flags.c_contiguous:
            return None
        shape = (1, 3, height, width) if planar else (1, height, width, 3)
        if self._buffer is None or self._buffer.shape != shape:
            self._buffer = np.empty(shape, np.uint8)
        return self._buffer


def to_uint8(image: NDArray[np.float32]) -> RgbImage:
    """Round an (H, W, 3) image in [0, 1] to uint8; what lies outside is clipped.

    Example:
        >>> to_uint8(np.array([[[-0.1, 0.5, 1.2]]], np.float32))
        array([[[  0, 128, 255]]], dtype=uint8)
    """
    # As one channel: OpenCV reads a bare factor as one for the first channel only.
    flat = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    return cv2.multiply(flat, 255.0, dtype=cv2.CV_8U).reshape(image.shape)
