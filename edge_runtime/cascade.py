"""Which graphs of a bundle run for a mode, one after another, from the camera frame to the crack probability."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.stages import StageTimes
from fissura.bundle import Bundle, Graph, Role
from fissura.errors import BundleError, ModelShapeError
from fissura.imaging.encode import crop, encode, padding_for
from fissura.imaging.images import RgbImage

Mode = Literal["fused", "sr+segmentation", "segmentation"]

ROLES: dict[Mode, tuple[Role, ...]] = {
    "fused": ("fused",),
    "sr+segmentation": ("super_resolution", "segmentation"),
    "segmentation": ("segmentation",),
}
STAGE_OF: dict[Role, str] = {"fused": "fused", "super_resolution": "sr", "segmentation": "segmentation"}


class Step:
    """One graph in its engine, from an image to the graph's output without padding."""

    def __init__(self, role: Role, graph: Graph, engine: Engine) -> None:
        self.stage = STAGE_OF[role]
        self.graph = graph
        self.engine = engine
        self._buffer: NDArray[np.uint8] | None = None

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Run an (H, W, 3) image.

        Returns:
            (H*s, W*s) probabilities, or an (H*s, W*s, 3) image in [0, 1]; a view of the engine's output.
        """
        with times.measure("encode"):
            batch, padding = encode(image, self.graph.input, self._buffer_for(image))
        with times.measure(self.stage):
            output = self.engine.run(batch)
        if output.ndim != 4:
            raise ModelShapeError(f"{self.graph.file} gives shape {output.shape}", expected="four axes")
        planar = self.graph.output.kind == "probability" or self.graph.input.layout == "NCHW"
        pixels = output[0].transpose(1, 2, 0) if planar else output[0]
        return crop(
            pixels[..., 0] if self.graph.output.kind == "probability" else pixels, padding, self.graph.output.scale
        )

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


class Cascade:
    """The graphs of one mode.

    Attributes:
        mode: which graphs run.
        steps: the graphs, in order.
        scale: probability pixels per camera pixel along each axis.
        threshold: of the last graph: a pixel at or above it is crack.
        engine: what runs the graphs, as messages state it.
    """

    def __init__(self, mode: Mode, steps: list[Step]) -> None:
        self.mode = mode
        self.steps = steps
        self.scale = int(np.prod([step.graph.output.scale for step in steps]))
        self.engine = steps[-1].engine.name
        threshold = steps[-1].graph.threshold
        assert threshold is not None  # the manifest refuses a probability without one
        self.threshold = threshold

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Find the crack probability of a camera frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            times: where the stages' latencies go.

        Returns:
            (H * scale, W * scale) float32; valid until the next call.

        Raises:
            ImageError: the frame is larger than the graph takes.
            EngineError: an engine fails.
        """
        for step in self.steps[:-1]:
            with_more_pixels = step.run(image, times)
            with times.measure(step.stage + ".round"):
                image = to_uint8(with_more_pixels)
        return self.steps[-1].run(image, times)

    def close(self) -> None:
        """Let go of the engines."""
        for step in self.steps:
            step.engine.close()


def open_cascade(bundle: Bundle, mode: Mode | None, engine: str, options: dict[str, object]) -> Cascade:
    """Load what a mode needs.

    Args:
        bundle: the model.
        mode: None takes 'fused' where the bundle has it, else 'segmentation'.
        engine: kind of engine.
        options: of that engine.

    Raises:
        BundleError: the bundle lacks a graph of the mode.
        ConfigError, EngineError: see `open_engine`.
    """
    chosen: Mode = mode or ("fused" if "fused" in bundle.manifest.graphs else "segmentation")
    offered = [name for name, roles in ROLES.items() if all(role in bundle.manifest.graphs for role in roles)]
    if chosen not in offered:
        raise BundleError(
            f"bundle {bundle.path} cannot run in mode {chosen!r}: it holds {', '.join(sorted(bundle.manifest.graphs))}",
            expected=f"--mode {' or '.join(offered)}" if offered else "a graph 'fused' or 'segmentation'",
            fix="" if offered else "export the bundle again",
        )
    return Cascade(
        chosen,
        [
            Step(role, bundle.graph(role), open_engine(engine, bundle.graph_path(role), bundle.graph(role), options))
            for role in ROLES[chosen]
        ],
    )


def to_uint8(image: NDArray[np.float32]) -> RgbImage:
    """Round an (H, W, 3) image in [0, 1] to uint8; what lies outside is clipped.

    Example:
        >>> to_uint8(np.array([[[-0.1, 0.5, 1.2]]], np.float32))
        array([[[  0, 128, 255]]], dtype=uint8)
    """
    # As one channel: OpenCV reads a bare factor as one for the first channel only.
    flat = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    return cv2.multiply(flat, 255.0, dtype=cv2.CV_8U).reshape(image.shape)
