"""The engines of a bundle without a pipeline: what it is measured against."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.stages import StageTimes
from edge_runtime.statistics import Statistics, frame_statistics
from edge_runtime.step import Step, to_uint8
from edge_runtime.whole_frame import WholeFrame
from fissura.imaging.encode import encode
from fissura.imaging.images import RgbImage

Feed = tuple[NDArray[np.uint8], Statistics | None]


class BareEngines:
    """Runs the graphs back to back on inputs that were made beforehand. Belongs to the engine's thread.

    Args:
        whole: the engines.
        scenes: (H, W, 3) uint8 RGB frames, used in turn.
    """

    def __init__(self, whole: WholeFrame, scenes: Sequence[RgbImage]) -> None:
        self._steps = whole.steps
        self._feeds = [_feeds(whole.steps, scene) for scene in scenes]

    def run(self, frames: int) -> list[float]:
        """Run so many frames; returns the milliseconds of each."""
        milliseconds = []
        for index in range(frames):
            began = time.perf_counter_ns()
            for step, (batch, statistics) in zip(self._steps, self._feeds[index % len(self._feeds)], strict=True):
                step.engine.run(batch, statistics)
            milliseconds.append((time.perf_counter_ns() - began) / 1e6)
        return milliseconds


def _feeds(steps: Sequence[Step], scene: RgbImage) -> list[Feed]:
    """What each engine is fed with for a scene."""
    feeds, image = list[Feed](), scene
    for step in steps:
        batch, _ = encode(image, step.graph.input)
        statistics = frame_statistics(image) if step.graph.statistics is not None else None
        feeds.append((batch.copy(), statistics))
        if step is not steps[-1]:
            image = to_uint8(step.run(image, StageTimes()))
    return feeds
