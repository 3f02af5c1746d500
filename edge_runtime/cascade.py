"""The cascade with a deadline: a cheap pass over the frame, and a second look only where it is worth it.

The cheap pass (graph `proposal`) segments the camera frame as it is. Tiles in which it suspects a crack go through
super-resolution and segmentation at full scale (graph `tile`), those first that are expected to gain the most, until
the frame's time is over. All else keeps the cheap pass's result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.budget import FrameBudget, TileCost
from edge_runtime.engines.engine import names_of
from edge_runtime.proposal import by_gain, expected_gains, rescaled
from edge_runtime.stages import StageTimes
from edge_runtime.statistics import frame_statistics
from edge_runtime.step import Step
from edge_runtime.tiles import TileCounts, TiledFrame, TileRunner
from fissura.imaging.encode import crop
from fissura.imaging.images import RgbImage
from fissura.imaging.tiles import Tile


class Cascade:
    """Cheap pass, then tiles by expected gain, within the budget.

    Statistics of the whole frame, where the tile graph normalises by them, are those of the camera frame: the enlarged
    image's would take super-resolution of all of it.

    Args:
        proposal: the cheap pass.
        runner: of the tile graph.
        proposal_threshold: of the cheap pass: pixels at or above it are looked at again.
        budget: of a frame; None: every proposed tile is refined.

    Attributes:
        mode: what messages say.
        scale: probability pixels per camera pixel along each axis.
        threshold: a pixel of the result at or above it is crack.
        low_threshold: of hysteresis, of the tile graph; what the cheap pass leaves is brought to the threshold alone,
            so that below it its probabilities are not quite the tile graph's. None: the threshold alone decides.
        temperature: of the confidences, of the tile graph.
        engine: what runs the graphs, as messages state it.
        tiles: what became of the last frame's tiles; None before the first.
        takes_batches: False.
    """

    mode = "cascade"
    takes_batches = False

    def __init__(
        self, proposal: Step, runner: TileRunner, proposal_threshold: float, budget: FrameBudget | None
    ) -> None:
        self.scale = runner.graph.output.scale
        self.engine = names_of((runner.engine, proposal.engine))
        self.tiles: TileCounts | None = None
        graph, cheap = runner.graph, proposal.graph.threshold
        assert graph.threshold is not None  # the manifest refuses a probability without one
        assert cheap is not None
        self.threshold, self.low_threshold, self.temperature = graph.threshold, graph.low_threshold, graph.temperature
        self._cheap_threshold = cheap
        self._proposal_threshold = proposal_threshold
        self._proposal = proposal
        self._runner = runner
        self._budget = budget
        self._clock = time.perf_counter if budget is None else budget.clock
        self._cost = TileCost()

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Find the crack probability of a camera frame; see `WholeFrame.run`."""
        cheap = self._proposal.run(image, times)
        with times.measure("select"):
            frame = self._runner.cut(image)
            gains = expected_gains(cheap, self._cheap_threshold, self._proposal_threshold, frame.grid)
            tiles = [frame.grid.tiles[number] for number in by_gain(gains)]
            found = self._enlarged(cheap, frame)
        with times.measure("tiles"):
            refined = self._refine(frame, tiles, found)
        self.tiles = TileCounts(len(frame.grid.tiles), len(tiles), refined)
        return crop(found, frame.padding, self.scale)

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """`run`, frame after frame: their tiles are batches already."""
        return [self.run(image, times) for image in images]

    def close(self) -> None:
        """Let go of the engines."""
        self._proposal.engine.close()
        self._runner.engine.close()

    def _enlarged(self, cheap: NDArray[np.float32], frame: TiledFrame) -> NDArray[np.float32]:
        """The cheap pass's map at full scale, where the tiles' threshold decides."""
        found = np.zeros((frame.grid.height * self.scale, frame.grid.width * self.scale), np.float32)
        low = rescaled(cheap, self._cheap_threshold, self.threshold)
        height, width = low.shape[0] * self.scale, low.shape[1] * self.scale
        found[:height, :width] = cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR)
        return found

    def _refine(self, frame: TiledFrame, tiles: list[Tile], found: NDArray[np.float32]) -> int:
        """Replace what was found in the tiles, in their order, while there is time; returns how many."""
        statistics = None
        if tiles and self._runner.graph.statistics is not None:
            statistics = frame_statistics(frame.pixels)
        done, scale = 0, self.scale
        while done < len(tiles):
            some = tiles[done : done + self._affordable()]
            if not some:
                break
            began = self._clock()
            for tile, probability in self._runner.run(frame, some, statistics):
                top, left = tile.top * scale, tile.left * scale
                found[top : top + tile.height * scale, left : left + tile.width * scale] = probability
            self._cost.add((self._clock() - began) * 1e3, len(some))
            done += len(some)
        if tiles and not done:
            self._cost.starved()
        return done

    def _affordable(self) -> int:
        left_ms = math.inf if self._budget is None else self._budget.left_ms()
        return self._runner.batch if math.isinf(left_ms) else min(self._runner.batch, self._cost.affordable(left_ms))
