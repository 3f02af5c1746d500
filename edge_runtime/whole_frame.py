"""The plain way through a bundle: its graphs on the whole frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import names_of
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step, to_uint8
from edge_runtime.tiles import TileCounts
from fissura.imaging.images import RgbImage


class WholeFrame:
    """Graphs that run one after another, each on its whole image.

    Attributes:
        mode: which graphs run.
        steps: the graphs, in order.
        scale: probability pixels per camera pixel along each axis.
        threshold: of the last graph: a pixel at or above it is crack.
        low_threshold: of hysteresis, of the last graph; None: the threshold alone decides.
        temperature: of the confidences, of the last graph.
        engine: what runs the graphs, as messages state it.
        tiles: None: every part of the frame is treated alike.
        takes_batches: several frames may be run at once.
    """

    def __init__(self, mode: str, steps: list[Step]) -> None:
        self.mode = mode
        self.steps = steps
        self.tiles: TileCounts | None = None
        self.scale = int(np.prod([step.graph.output.scale for step in steps]))
        self.engine = names_of(step.engine for step in steps)
        self.takes_batches = all(step.takes_batches for step in steps)
        last = steps[-1].graph
        assert last.threshold is not None  # the manifest refuses a probability without one
        self.threshold, self.low_threshold, self.temperature = last.threshold, last.low_threshold, last.temperature

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Find the crack probability of a camera frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            times: where the stages' latencies go.

        Returns:
            (H * scale, W * scale) float32; the caller's to keep.

        Raises:
            ImageError: the frame is larger than the graph takes.
            EngineError: an engine fails.
        """
        return self.run_batch([image], times)[0]

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """`run` for several frames of one size, at once if `takes_batches`."""
        for step in self.steps[:-1]:
            enlarged = step.run_batch(images, times)
            with times.measure(step.stage + ".round"):
                images = [to_uint8(image) for image in enlarged]
        last = self.steps[-1]
        found = last.run_batch(images, times)
        return found if last.engine.keeps_outputs else [probability.copy() for probability in found]

    def close(self) -> None:
        """Let go of the engines."""
        for step in self.steps:
            step.engine.close()
