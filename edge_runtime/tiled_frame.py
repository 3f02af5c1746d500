"""The whole frame in tiles: the same result as in one piece, in memory that does not grow with the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import names_of
from edge_runtime.stages import StageTimes
from edge_runtime.statistics import ColourSums, Statistics, frame_statistics
from edge_runtime.tiles import TileCounts, TiledFrame, TileRunner
from edge_runtime.whole_frame import WholeFrame
from fissura.imaging.encode import crop
from fissura.imaging.images import RgbImage

# An engine keeps every inner map of the network: a few hundred bytes for each pixel of its output. In one piece as
# long as that is less than about a gigabyte, in tiles of half that size beyond.
WHOLE_PX = 4 * 2**20
TILE_PX = WHOLE_PX // 2
LEAST_CORE_PX = 32


class Tiled:
    """Runs the tile graph on every tile. What grows with the frame is the probability map alone.

    A graph that normalises by the whole frame's statistics gets them exactly: for super-resolution, which makes the
    image that they are of, this takes one more pass over the tiles.

    Args:
        mode: what messages say of the result: that of the graph that runs whole.
        runner: of the tile graph.
        enlarge: of the super-resolution graph, where the tile graph needs statistics of its output.

    Attributes:
        scale: probability pixels per camera pixel along each axis.
        threshold: a pixel at or above it is crack.
        low_threshold: of hysteresis; None: the threshold alone decides.
        temperature: of the confidences.
        engine: what runs the graphs, as messages state it.
        tiles: None: every part of the frame is treated alike.
        takes_batches: False.
    """

    takes_batches = False

    def __init__(self, mode: str, runner: TileRunner, enlarge: TileRunner | None) -> None:
        self.mode = mode
        self.tiles: TileCounts | None = None
        self.scale = runner.graph.output.scale
        self.engine = names_of(one.engine for one in (runner, enlarge) if one is not None)
        graph = runner.graph
        assert graph.threshold is not None  # the manifest refuses a probability without one
        self.threshold, self.low_threshold, self.temperature = graph.threshold, graph.low_threshold, graph.temperature
        self._runner = runner
        self._enlarge = enlarge

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Find the crack probability of a camera frame; see `WholeFrame.run`."""
        with times.measure("encode"):
            frame = self._runner.cut(image)
        with times.measure("statistics"):
            statistics = self._statistics(frame)
        scale = self.scale
        found = np.empty((frame.grid.height * scale, frame.grid.width * scale), np.float32)
        with times.measure("tiles"):
            for tile, probability in self._runner.run(frame, frame.grid.tiles, statistics):
                top, left = tile.top * scale, tile.left * scale
                found[top : top + tile.height * scale, left : left + tile.width * scale] = probability
        return crop(found, frame.padding, scale)

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """`run`, frame after frame: their tiles are batches already."""
        return [self.run(image, times) for image in images]

    def close(self) -> None:
        """Let go of the engines."""
        self._runner.engine.close()
        if self._enlarge is not None:
            self._enlarge.engine.close()

    def _statistics(self, frame: TiledFrame) -> Statistics | None:
        if self._runner.graph.statistics is None:
            return None
        if self._enlarge is None:
            return frame_statistics(frame.pixels)
        sums, enlarged = ColourSums(), self._enlarge.cut(frame.pixels)
        for _, colours in self._enlarge.run(enlarged, enlarged.grid.tiles):
            sums.add(colours)
        return sums.statistics()


class WholeOrTiled:
    """In one piece while the frame is small enough, in tiles beyond; the result is the same.

    Args:
        whole: for frames whose map has up to `WHOLE_PX` pixels.
        open_tiled: for larger ones; called when the first of them comes.

    Attributes:
        mode, scale, threshold, low_threshold, temperature, engine, tiles, takes_batches: see `WholeFrame`.
    """

    def __init__(self, whole: WholeFrame, open_tiled: Callable[[], Tiled]) -> None:
        self.mode, self.scale, self.engine = whole.mode, whole.scale, whole.engine
        self.takes_batches = whole.takes_batches
        self.threshold, self.low_threshold, self.temperature = whole.threshold, whole.low_threshold, whole.temperature
        self.tiles: TileCounts | None = None
        self._whole = whole
        self._open_tiled = open_tiled
        self._tiled: Tiled | None = None

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """Find the crack probability of a camera frame; see `WholeFrame.run`."""
        if self._is_small(image):
            return self._whole.run(image, times)
        if self._tiled is None:
            self._tiled = self._open_tiled()
        return self._tiled.run(image, times)

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """See `WholeFrame.run_batch`; frames that are cut go one after another."""
        if self._is_small(images[0]):
            return self._whole.run_batch(images, times)
        return [self.run(image, times) for image in images]

    def close(self) -> None:
        """Let go of the engines."""
        self._whole.close()
        if self._tiled is not None:
            self._tiled.close()

    def _is_small(self, image: RgbImage) -> bool:
        return image.shape[0] * image.shape[1] * self.scale**2 <= WHOLE_PX


def core_for(halo: int, scale: int) -> int:
    """Side of a tile, camera pixels, whose window has about `TILE_PX` pixels of output."""
    return max(LEAST_CORE_PX, isqrt(TILE_PX) // scale - 2 * halo)
