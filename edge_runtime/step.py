"""One graph of a bundle in its engine, from a whole image to the graph's output."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import Engine
from edge_runtime.stages import StageTimes
from edge_runtime.statistics import Statistics, frame_statistics
from fissura.bundle import Graph, Role
from fissura.errors import ModelShapeError
from fissura.imaging.encode import Padding, crop, encode, padding_for
from fissura.imaging.images import RgbImage

STAGE_OF: dict[Role, str] = {
    "fused": "fused",
    "super_resolution": "sr",
    "segmentation": "segmentation",
    "proposal": "proposal",
    "tile": "tiles",
}


class Step:
    """One graph in its engine, from images to the graph's output without padding."""

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
        return self.run_batch([image], times)[0]

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """Run images of one size at once, which more than one takes an engine for that `takes_batches`.

        Returns:
            What `run` gives, for each image.
        """
        with times.measure("encode"):
            batch, padding = self._encoded(images)
            statistics = self._statistics(batch)
        with times.measure(self.stage):
            output = self.engine.run(batch, statistics)
        if output.ndim != 4:
            raise ModelShapeError(f"{self.graph.file} gives shape {output.shape}", expected="four axes")
        return [crop(self._pixels(one), padding, self.graph.output.scale) for one in output]

    @property
    def takes_batches(self) -> bool:
        """Whether `run_batch` takes several images; statistics, where the graph wants them, are of one image."""
        return self.engine.takes_batches and self.graph.statistics is None

    def _encoded(self, images: Sequence[RgbImage]) -> tuple[NDArray[np.uint8], Padding]:
        buffer = self._buffer_for(images[0], len(images))
        if buffer is None:
            return encode(images[0], self.graph.input)
        for number, image in enumerate(images):
            _, padding = encode(image, self.graph.input, buffer[number : number + 1])
        return buffer, padding

    def _pixels(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """One image's output, (H', W') or (H', W', 3)."""
        if self.graph.output.kind == "probability":
            return output[0]
        return output.transpose(1, 2, 0) if self.graph.input.layout == "NCHW" else output

    def _statistics(self, batch: NDArray[np.uint8]) -> Statistics | None:
        if self.graph.statistics is None:
            return None
        return frame_statistics(batch[0] if self.graph.input.layout == "NHWC" else batch[0].transpose(1, 2, 0))

    def _buffer_for(self, image: RgbImage, count: int) -> NDArray[np.uint8] | None:
        """The buffer of the frame before, if it fits; None where `encode` gives a view of the only image."""
        padding = padding_for(image.shape[0], image.shape[1], self.graph.input)
        height, width = padding.padded_height, padding.padded_width
        planar = self.graph.input.layout == "NCHW"
        if count == 1 and not planar and (height, width) == image.shape[:2] and image.flags.c_contiguous:
            return None
        shape = (count, 3, height, width) if planar else (count, height, width, 3)
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
